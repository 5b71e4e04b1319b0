"""The owner's side: where other processes find it, and what it leaves to the next owner."""

from __future__ import annotations

import contextlib
import logging
import socket
from pathlib import Path

from batonmq.engines.embedded.core import Core
from batonmq.engines.shared.claims import Claims
from batonmq.engines.shared.roll import Roll, expected
from batonmq.engines.shared.serving import Guests
from batonmq.engines.shared.socket_path import HAS_SOCKETS, choose_socket_path, listen
from batonmq.points import reached

__all__ = ["Host"]

log = logging.getLogger("batonmq.embedded")


class Host:
    """Serves a core to other processes, from its creation until it is closed, which is before the core is.

    A file can also be used alone: if no socket can be created, ``note`` is empty, and other processes are refused.
    """

    def __init__(self, core: Core, path: str) -> None:
        """Raises StoreError."""
        self.note = ""
        self._core = core
        self._socket_path = ""
        self._guests: Guests | None = None
        listener = self._listen(path)
        try:
            self.claims = Claims(core, Roll(path), expected(path) if listener else {})
            if HAS_SOCKETS:
                self._guests = Guests(core, self.claims, listener)
        except BaseException:
            if listener is not None:
                listener.close()
            raise

    def _listen(self, path: str) -> socket.socket | None:
        if not HAS_SOCKETS:
            return None
        try:
            self._socket_path, self.note = choose_socket_path(path)
            return listen(self._socket_path)
        except OSError as error:
            self.note = self._socket_path = ""
            log.warning("other processes cannot share %s: %s", path, error)
            return None

    def adopt(self, peer: socket.socket) -> None:
        """Serve the process at the other end, and close this socket at the end."""
        assert self._guests is not None
        self._guests.adopt(peer)

    def close(self) -> None:
        """Answer commands that have begun, send Bye, and close. The next owner gives the guests what they hold."""
        reached("hand_over.begun")
        self.claims.close()
        self._core.run(self._stop_serving)
        reached("hand_over.stopped")
        # First of all: who goes now must not come back.
        if self._socket_path:
            with contextlib.suppress(OSError):
                Path(self._socket_path).unlink()
        if self._guests is not None:
            self._guests.close()

    def _stop_serving(self) -> None:
        self._core.broker.serve(False)
