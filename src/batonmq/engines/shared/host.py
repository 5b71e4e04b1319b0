"""The owner's side: listens, and keeps a guest for each connected process."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from pathlib import Path

from batonmq.engines.embedded.core import Core
from batonmq.engines.forks import when_forked
from batonmq.engines.shared.claims import LOOK_SECONDS, Claims
from batonmq.engines.shared.guest import Guest
from batonmq.engines.shared.roll import Roll, expected
from batonmq.engines.shared.socket_path import HAS_SOCKETS, choose_socket_path, is_trusted, listen
from batonmq.points import reached

__all__ = ["Host"]

log = logging.getLogger("batonmq.embedded")

# How long all guests together have for their last answers, in seconds.
PATIENCE = 2.0


class Host:
    """Serves a core to other processes, from its creation until it is closed, which is before the core is.

    A file can also be used alone: if no socket can be created, ``note`` is empty, and other processes are refused.
    """

    def __init__(self, core: Core, path: str) -> None:
        """Raises StoreError."""
        self.note = ""
        self._core = core
        self._socket_path = ""
        self._listener: socket.socket | None = None
        self._guests: set[Guest] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        roll = Roll(path)
        if not HAS_SOCKETS:
            self.claims = Claims(core, roll, {})
            return
        try:
            self._socket_path, self.note = choose_socket_path(path)
            self._listener = listen(self._socket_path)
        except OSError as error:
            self.note = ""
            log.warning("other processes cannot share %s: %s", path, error)
            self.claims = Claims(core, roll, {})
            return
        try:
            self.claims = Claims(core, roll, expected(path))
        except BaseException:
            self._listener.close()
            raise
        # Closing a socket does not wake a thread that waits for it; a byte through a pair of sockets does.
        self._wake, self._woken = socket.socketpair()
        when_forked(self)
        self._thread = threading.Thread(target=self._listen, args=(self._listener,), name="batonmq-host", daemon=True)
        self._thread.start()

    def _listen(self, listener: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._is_closed:
                if is_waiting := self.claims.is_waiting:
                    self.claims.look()
                for key, _ in selector.select(LOOK_SECONDS if is_waiting else None):
                    if key.fileobj is listener:
                        self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except OSError as error:
            # Out of file descriptors, or the peer is gone already: it tries again.
            log.warning("a process could not be served: %s", error)
            time.sleep(0.05)
            return
        if is_trusted(peer):
            self.adopt(peer)
        else:
            peer.close()

    def adopt(self, peer: socket.socket) -> None:
        """Serve the process at the other end, and close this socket at the end."""
        peer.setblocking(True)
        with self._lock:
            if self._is_closed:
                peer.close()
                return
            guest = Guest(self._core, peer, self.claims, self._guests.discard, lambda: len(self._guests) == 1)
            self._guests.add(guest)
            guest.start()

    def close(self) -> None:
        """Answer commands that have begun, send Bye, and close. The next owner gives the guests what they hold."""
        reached("hand_over.begun")
        with self._lock:
            self._is_closed = True
            guests = list(self._guests)
        self.claims.close()
        self._core.run(self._stop_serving)
        reached("hand_over.stopped")
        if self._listener is not None:
            self._wake.send(b"\0")
            self._thread.join()
            with contextlib.suppress(OSError):
                Path(self._socket_path).unlink()
            for one in (self._listener, self._wake, self._woken):
                one.close()
        for guest in guests:
            guest.dismiss()
        end = time.monotonic() + PATIENCE
        for guest in guests:
            guest.wait(max(0.0, end - time.monotonic()))
        # Only once all are still: messages handed on are in their queues, where a command of another could take them.
        for guest in guests:
            guest.hand_on()

    def _stop_serving(self) -> None:
        self._core.broker.serve(False)

    def forked(self) -> None:
        """Close the copies in a forked child: the parent goes on listening."""
        if self._listener is not None:
            for one in (self._listener, self._wake, self._woken):
                one.close()
