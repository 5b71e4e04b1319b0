"""A TCP proxy that can cut every connection through it, refuse new ones for a while, and hold back what is sent."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Listens on a free port of the loopback and passes everything on to a port."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._guard = threading.Lock()
        self._is_refusing = False
        self._clients: list[socket.socket] = []
        self._is_open = threading.Event()
        self._is_open.set()
        # Something has come that is held back.
        self.is_holding = threading.Event()
        self.accepted = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def hold(self, told: bytes = b"") -> None:
        """Pass nothing on to the server any more, from connections that are there now; and tell their clients so."""
        self.is_holding.clear()
        self._is_open.clear()
        with self._guard:
            for client in self._clients:
                # One that has left is told nothing.
                with contextlib.suppress(OSError):
                    client.sendall(told)

    def cut(self, *, refuse: bool = False) -> None:
        """End all connections as a lost network does; with ``refuse`` those that come later, too."""
        with self._guard:
            self._is_refusing = refuse
            sockets, self._sockets = self._sockets, []
            self._clients = []
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        # Not before: what was held back would pass.
        self._is_open.set()

    def mend(self) -> None:
        """Let connections through again."""
        with self._guard:
            self._is_refusing = False

    def lead_to(self, port: int) -> None:
        """Let connections through, to another port from now on."""
        with self._guard:
            self._target = port
            self._is_refusing = False

    def close(self) -> None:
        self.cut(refuse=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._guard:
                if self._is_refusing:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # nobody is there
                    client.close()
                    continue
                self._sockets += [client, server]
                self._clients.append(client)
                self.accepted += 1
            opened = threading.Event()
            opened.set()
            for source, sink, gate in ((client, server, self._is_open), (server, client, opened)):
                threading.Thread(target=self._pass_on, args=(source, sink, gate), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not gate.is_set():
                    self.is_holding.set()
                    gate.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        source.close()
