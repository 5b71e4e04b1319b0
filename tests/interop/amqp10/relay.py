"""A way to the broker that can be cut, as a cable is: sockets in between, with no protocol of their own."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import Self


class Relay:
    """Listens on a free port and passes on what comes, until `cut`. New connections are taken again at once."""

    def __init__(self, host: str, port: int) -> None:
        self._broker = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._ends: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._ending = False
        self._cutting = threading.Event()
        self._was_cut = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        # Connections that were taken so far.
        self.taken = 0

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """Every connection ends with a reset, on both sides; nothing more is passed on of what was under way."""
        self._was_cut.clear()
        self._cutting.set()
        self._wake.send(b".")
        assert self._was_cut.wait(30)

    def close(self) -> None:
        self._ending = True
        self._wake.send(b".")
        self._thread.join(30)
        self._wake.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._ending:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._take()
                elif key.fileobj is self._woken:
                    self._woken.recv(1)
                    if self._cutting.is_set():
                        self._drop_all()
                        self._cutting.clear()
                        self._was_cut.set()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._ends:
                    self._pass(key.fileobj)
        self._drop_all()
        self._listener.close()
        self._woken.close()
        self._selector.close()

    def _take(self) -> None:
        client, _ = self._listener.accept()
        broker = socket.create_connection(self._broker)
        for end, other in ((client, broker), (broker, client)):
            end.setblocking(True)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ends[end] = other
            self._selector.register(end, selectors.EVENT_READ)
        self.taken += 1

    def _pass(self, end: socket.socket) -> None:
        try:
            data = end.recv(1 << 16)
            self._ends[end].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(end)

    def _drop_all(self) -> None:
        while self._ends:
            self._drop(next(iter(self._ends)), reset=True)

    def _drop(self, end: socket.socket, *, reset: bool = False) -> None:
        other = self._ends.pop(end)
        del self._ends[other]
        for one in (end, other):
            self._selector.unregister(one)
            if reset:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            one.close()
