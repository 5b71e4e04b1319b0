"""A proxy whose broker falls silent, at a frame that the test chooses: in the middle of a log-in, or later."""

from __future__ import annotations

import contextlib
import socket
import threading

FRAME_HEADER = 7
# Connection.Close (AMQP 0-9-1, 1.4.2.9) with 320, and no method to blame.
CLOSE = b"\x00\x0a\x00\x32" + (320).to_bytes(2) + b"\x06FORCED" + bytes(4)
FORCED = b"\x01\x00\x00" + len(CLOSE).to_bytes(4) + CLOSE + b"\xce"


class StallingProxy:
    """Passes its first connection on to a broker until ``is_mute``; of later ones only the broker's first frames."""

    def __init__(self, port: int, first: int | None = None, later: int | None = 0) -> None:
        """``first``, ``later``: how many frames of the broker pass over the first connection, and over others."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._frames = [first, later]
        self._guard = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._clients: list[socket.socket] = []
        self._is_mute = False
        self._passed = threading.Condition()
        self._stalled = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def fall_silent(self) -> None:
        """Nothing that the broker says passes any more."""
        self._is_mute = True

    def close_by_force(self) -> None:
        """Close the first connection as a broker does."""
        self._clients[0].sendall(FORCED)

    def refuse(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_stalled(self, number: int, timeout: float = 30.0) -> None:
        """Return when so many connections are waiting for a frame that does not come."""
        with self._passed:
            assert self._passed.wait_for(lambda: self._stalled >= number, timeout)

    def close(self) -> None:
        self.refuse()
        self._threads[0].join()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            frames = self._frames[min(1, len(self._clients))]
            broker = socket.create_connection(("127.0.0.1", self._target))
            self._clients.append(client)
            self._sockets += [client, broker]
            for target, arguments in ((self._pass_on, (client, broker)), (self._pass_frames, (broker, client, frames))):
                thread = threading.Thread(target=target, args=arguments, daemon=True)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _pass_on(client: socket.socket, broker: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                broker.sendall(data)
        with contextlib.suppress(OSError):
            broker.shutdown(socket.SHUT_RDWR)

    def _pass_frames(self, broker: socket.socket, client: socket.socket, most: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError), broker.makefile("rb") as stream:
            while most is None or passed < most:
                header = stream.read(FRAME_HEADER)
                if len(header) < FRAME_HEADER:
                    break
                frame = header + stream.read(int.from_bytes(header[3:7]) + 1)
                if not self._is_mute:
                    client.sendall(frame)
                    passed += 1
            else:
                with self._passed:
                    self._stalled += 1
                    self._passed.notify_all()
                # What else it says is heard by nobody.
                while stream.read1():
                    pass
