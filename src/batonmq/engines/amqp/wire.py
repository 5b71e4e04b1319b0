"""pika's connection, adapted to our needs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.base_connection import _StreamingProtocolShim

from batonmq.engines.amqp.content_headers import content_header

__all__ = ["Dial", "WireConnection"]

Dial = Callable[[], socket.socket]
"""Opens a socket to a broker. Raises OSError."""


class WireConnection(pika.SelectConnection):  # type: ignore[misc]
    """pika's connection with our content headers. It can be cut, and can use a socket that others opened."""

    def __init__(
        self,
        parameters: pika.connection.Parameters,
        on_open_callback: Callable[[Any], None],
        on_open_error_callback: Callable[[Any, BaseException], None],
        on_close_callback: Callable[[Any, BaseException], None],
        custom_ioloop: object,
        dial: Dial | None = None,
    ) -> None:
        """``dial`` opens a socket; None: it connects to the host of the parameters."""
        self._dial = dial
        self._is_given_up = False
        super().__init__(
            parameters, on_open_callback, on_open_error_callback, on_close_callback, custom_ioloop=custom_ioloop
        )

    def _adapter_connect_stream(self) -> None:
        if self._dial is None:
            super()._adapter_connect_stream()
            return
        try:
            dialled = self._dial()
        except OSError as error:
            self._fail(error)
            return
        dialled.setblocking(False)
        self._adapter_call_later(self.params.stack_timeout, self._too_late)
        self._nbio.create_streaming_connection(lambda: _StreamingProtocolShim(self), dialled, self._dialled)

    def _dialled(self, result: object) -> None:
        if isinstance(result, BaseException):
            self._fail(result)
        elif self._is_given_up and self._transport is not None:
            self._transport.abort()

    def _too_late(self) -> None:
        if not self._opened and not self.is_closed:
            self.cut(TimeoutError("no answer"))

    def _fail(self, error: BaseException) -> None:
        """Report a failure to open, but not before the constructor has returned."""

        def fail() -> None:
            if not self.is_closed:
                self._on_stream_terminated(error)

        self._adapter_add_callback_threadsafe(fail)

    def _abort_connection_workflow(self) -> None:
        if self._dial is None or self._transport is not None:
            super()._abort_connection_workflow()
            return
        self._is_given_up = True
        self._fail(pika.exceptions.ConnectionOpenAborted("it was given up"))

    def cut(self, reason: Exception | None = None) -> None:
        """End it now, in any state: the callback for a failed or lost connection is called soon.

        ``reason``: passed to that callback, and to those of the channels, once it has been open.
        """
        if self._transport is None:
            self.close()
        else:
            # Not close(): in pika 1.4 that fails during the log-in, and waits for an answer afterwards.
            self._terminate_stream(reason or pika.exceptions.StreamLostError("it was cut"))

    def _read_frame(self) -> tuple[int, object]:
        """How many bytes the next frame has, and the frame; 0 and None while it is not complete."""
        data: bytes = self._frame_buffer
        if (header := content_header(data)) is None:
            whole: tuple[int, object] = super()._read_frame()
            return whole
        return header
