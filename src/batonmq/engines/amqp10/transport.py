"""A socket to the broker, with or without TLS, on the loop."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections import deque
from typing import TypeAlias

from batonmq.engines.amqp10.loop import READ, WRITE, Loop

__all__ = ["Addresses", "Transport", "TransportUser"]

Addresses: TypeAlias = list[tuple[socket.AddressFamily, tuple[object, ...]]]
"""Address families and addresses, as from getaddrinfo."""

READ_SIZE = 256 * 1024
# Octets passed to the system in one call.
WRITE_SIZE = 256 * 1024


class TransportUser(ABC):
    """The user of a socket, told of its events."""

    __slots__ = ()

    @abstractmethod
    def connected(self) -> None:
        """The socket is connected, and the TLS handshake done."""

    @abstractmethod
    def came(self, data: bytes) -> None:
        """Bytes came."""

    @abstractmethod
    def ended(self, error: OSError | None) -> None:
        """There is no connection, or it is over; None: the broker closed it. Called once."""


class Transport:
    """One socket, to the first of the addresses that answers. All in the loop's thread."""

    def __init__(
        self,
        loop: Loop,
        addresses: Addresses,
        user: TransportUser,
        context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> None:
        self._loop = loop
        self._addresses = deque(addresses)
        self._user: TransportUser | None = user
        self._context = context
        self._server_hostname = server_hostname
        self._socket: socket.socket | None = None
        self._is_connected = False
        self._out: deque[memoryview] = deque()
        self._last_error: OSError | None = None
        # The socket takes no more for now; TLS may have to read first.
        self._is_blocked = False
        self._is_closing = False

    def begin(self) -> None:
        """Connect to the next address."""
        self._drop()
        if self._user is None:
            return
        if not self._addresses:
            self._end(self._last_error or OSError("there is no address"))
            return
        family, address = self._addresses.popleft()
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._failed(error)
            return
        self._socket = sock
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except BlockingIOError:
            self._loop.watch(sock, WRITE, self._connecting)
        except OSError as error:
            self._failed(error)
        else:
            self._connecting(WRITE)

    def write(self, data: bytes) -> None:
        """Send bytes, now or when the socket takes them."""
        if self._socket is None:
            return
        if self._out or not self._is_connected:
            self._out.append(memoryview(data))
            return
        self._out.append(memoryview(data))
        self._flush()

    def close(self) -> None:
        """Close the socket once everything is written; the user is not told."""
        self._is_closing = True
        if self._socket is not None and self._is_connected and self._out:
            self._flush()
        self._drop()
        self._user = None

    def detach(self) -> None:
        """In a forked child: close the copy of the parent's socket silently."""
        self._user = None
        sock, self._socket = self._socket, None
        if sock is not None:
            # Below TLS, which would notify the broker.
            with contextlib.suppress(OSError):
                socket.close(sock.detach())

    # ------------------------------------------------------------------ connecting

    def _connecting(self, _events: int) -> None:
        sock = self._socket
        assert sock is not None
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._failed(_os_error(code))
            return
        if self._context is None:
            self._open()
            return
        try:
            self._loop.unwatch(sock)
            self._socket = secured = self._context.wrap_socket(
                sock, do_handshake_on_connect=False, server_hostname=self._server_hostname
            )
        except (OSError, ValueError) as error:
            self._failed(error if isinstance(error, OSError) else ssl.SSLError(str(error)))
            return
        self._loop.watch(secured, READ | WRITE, self._shaking_hands)

    def _shaking_hands(self, _events: int) -> None:
        sock = self._socket
        assert isinstance(sock, ssl.SSLSocket)
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.watch(sock, READ, self._shaking_hands)
        except ssl.SSLWantWriteError:
            self._loop.watch(sock, WRITE, self._shaking_hands)
        except OSError as error:
            # Another address mostly leads to the same broker.
            self._end(error)
        else:
            self._open()

    def _open(self) -> None:
        assert self._socket is not None
        self._is_connected = True
        self._loop.watch(self._socket, READ, self._ready)
        if self._out:
            self._flush()
        if self._user is not None:
            self._user.connected()

    def _failed(self, error: OSError) -> None:
        self._last_error = error
        self.begin()

    # ------------------------------------------------------------------ connected

    def _ready(self, events: int) -> None:
        if events & READ or self._context is not None:
            self._read()
        if self._out and self._socket is not None:
            self._flush()

    def _read(self) -> None:
        # TLS may have buffered data that select does not report.
        while self._socket is not None:
            try:
                data = self._socket.recv(READ_SIZE)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
                return
            except ssl.SSLWantWriteError:
                self._loop.watch(self._socket, READ | WRITE, self._ready)
                return
            except OSError as error:
                self._end(error)
                return
            if not data:
                self._end(None)
                return
            if self._user is not None:
                self._user.came(data)
            if not isinstance(self._socket, ssl.SSLSocket) or not self._socket.pending():
                return

    def _flush(self) -> None:
        out = self._out
        sock = self._socket
        assert sock is not None
        while out:
            data = out[0]
            try:
                sent = sock.send(data[:WRITE_SIZE])
            except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                if not self._is_blocked:
                    self._is_blocked = True
                    self._loop.watch(sock, READ | WRITE, self._ready)
                return
            except OSError as error:
                self._end(error)
                return
            if sent == len(data):
                out.popleft()
            else:
                out[0] = data[sent:]
        if self._is_blocked and not self._is_closing:
            self._is_blocked = False
            self._loop.watch(sock, READ, self._ready)

    def _end(self, error: OSError | None) -> None:
        self._drop()
        user, self._user = self._user, None
        if user is not None:
            user.ended(error)

    def _drop(self) -> None:
        sock, self._socket = self._socket, None
        self._is_connected = False
        if sock is not None:
            self._loop.unwatch(sock)
            sock.close()


def _os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
