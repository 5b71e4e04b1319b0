"""Serves the processes that share an owner's file, all in one thread.

It waits for all of them, does what they ask, makes the commits that they wait for, and answers. With two threads for
each, four processes on one file handed the interpreter's lock from one to the other 38 times a message.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections import deque

from batonmq.engines.embedded.core import Core
from batonmq.engines.forks import when_forked
from batonmq.engines.shared.claims import LOOK_SECONDS, Claims
from batonmq.engines.shared.guest import Guest
from batonmq.engines.shared.socket_path import is_trusted
from batonmq.engines.shared.waker import Waker

__all__ = ["Guests"]

log = logging.getLogger("batonmq.embedded")

# How long all guests together have for their last answers, in seconds.
PATIENCE = 2.0
# How long one guest's commands may take while others wait, in seconds.
SHARE_SECONDS = 0.005
# How long a notice of settlements waits for an answer that takes it along, in seconds.
NOTICE_SECONDS = 0.02
# How long nobody is let in after that has failed, in seconds.
REST_SECONDS = 0.05


class Guests:
    """Serves a core to other processes, from its creation until it is closed, which is before the core is."""

    def __init__(self, core: Core, claims: Claims, listener: socket.socket | None) -> None:
        """``listener``: where they come from, besides ``adopt``. It is closed in the end."""
        self._core = core
        self._claims = claims
        self._listener = listener
        self._guests: set[Guest] = set()
        # Connections that the thread has to take up, and guests that have something due; from any thread.
        self._arrived: deque[socket.socket] = deque()
        self._told: deque[Guest] = deque()
        # What the selector waits for, by guest: looking it up there costs 3 us.
        self._awaited: dict[Guest, int] = {}
        # Guests that asked for what is not done yet, and when those with a notice are told at the latest.
        self._busy: set[Guest] = set()
        self._notices: dict[Guest, float] = {}
        # When somebody is let in again; None: now.
        self._rests_until: float | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._selector.register(self._waker.woken, selectors.EVENT_READ)
        if listener is not None:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ)
        when_forked(self)
        self._thread = threading.Thread(target=self._serve, name="batonmq-host", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------ from any thread

    @property
    def count(self) -> int:
        """How many are served."""
        return len(self._guests) + len(self._arrived)

    def adopt(self, peer: socket.socket) -> None:
        """Serve the process at the other end, and close this socket at the end."""
        peer.setblocking(False)
        with self._lock:
            if self._is_closed:
                peer.close()
                return
            self._arrived.append(peer)
        self._waker.rouse()

    def _tell(self, guest: Guest) -> None:
        """Something is due to that guest."""
        self._told.append(guest)
        if threading.current_thread() is not self._thread:
            self._waker.rouse()

    def close(self) -> None:
        """Answer commands that have begun, and begin no other. Then leave what guests hold to the next owner."""
        with self._lock:
            self._is_closed = True
        self._waker.rouse()
        self._thread.join()
        # Only once all are still: messages handed on are in their queues, where a command of another could take them.
        for guest in self._guests:
            guest.hand_on()

    def forked(self) -> None:
        """Close the copies in a forked child: the parent goes on serving."""
        self._selector.close()
        self._close_others()

    # ------------------------------------------------------------------ in its thread

    def _serve(self) -> None:
        try:
            while not self._is_closed:
                self._turn()
            if self._listener is not None:
                self._listener.close()
            self._end()
        except Exception:  # a bug of ours: other processes find another owner, or none
            log.exception("other processes are not served any more")
        finally:
            self._release()

    def _turn(self) -> None:
        if self._claims.is_waiting:
            self._claims.look()
        active = self._heard()
        self._work(active)
        # Each of these makes the commit that it waits for, and the first one most of them for all.
        for guest in active:
            guest.says.send_all()
        for guest in active:
            self._see_to(guest)
        self._send_notices()

    def _work(self, active: set[Guest]) -> None:
        """Do what these and the busy ones ask for; answer what waits for no commit. Adds whom it has to do with."""
        until = time.monotonic() + SHARE_SECONDS
        for guest in (*self._busy, *(active - self._busy)):
            active.add(guest)
            if guest.may_work:
                guest.work(until)
                until = time.monotonic() + SHARE_SECONDS
        while self._told:
            active.add(self._told.popleft())
        for guest in active:
            guest.says.send_ready()

    def _heard(self) -> set[Guest]:
        """Wait until something is to be done, and read; the guests that have said something, or take more."""
        active: set[Guest] = set()
        for key, events in self._selector.select(self._how_long()):
            if key.fileobj is self._waker.woken:
                self._waker.take()
            elif key.fileobj is self._listener:
                self._accept(self._listener)
            else:
                guest: Guest = key.data
                if events & selectors.EVENT_READ:
                    guest.hear()
                if events & selectors.EVENT_WRITE:
                    guest.says.send_rest()
                active.add(guest)
        while self._arrived:
            guest = Guest(self._core, self._arrived[0], self._claims, self._tell)
            self._guests.add(guest)
            # In this order: `count` never leaves it out.
            self._arrived.popleft()
            self._await(guest, selectors.EVENT_READ)
        return active

    def _how_long(self) -> float | None:
        """For how many seconds nothing is to be done, unless somebody says something."""
        if self._told or self._arrived or any(guest.may_work for guest in self._busy):
            return 0.0
        if not (self._notices or self._rests_until or self._claims.is_waiting):
            return None
        now = time.monotonic()
        ends = [now + LOOK_SECONDS] if self._claims.is_waiting else []
        if self._rests_until is not None:
            if self._rests_until <= now and self._listener is not None:
                self._rests_until = None
                self._selector.register(self._listener, selectors.EVENT_READ)
            else:
                ends.append(self._rests_until)
        # All wait equally long, so the first is due first.
        ends += [next(iter(self._notices.values()))] if self._notices else []
        return max(0.0, min(ends) - now) if ends else None

    def _accept(self, listener: socket.socket) -> None:
        try:
            peer, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # Out of file descriptors, or the peer is gone already: it tries again.
            log.warning("a process could not be served: %s", error)
            self._selector.unregister(listener)
            self._rests_until = time.monotonic() + REST_SECONDS
            return
        if is_trusted(peer):
            self.adopt(peer)
        else:
            peer.close()

    def _see_to(self, guest: Guest) -> None:
        """Note what is still to be done for a guest."""
        if guest not in self._guests:
            return
        if guest.is_over:
            self._guests.discard(guest)
            self._busy.discard(guest)
            self._notices.pop(guest, None)
            self._await(guest, 0)
            del self._awaited[guest]
            guest.close()
            return
        if guest.has_work:
            self._busy.add(guest)
        else:
            self._busy.discard(guest)
        if guest.says.has_notice and guest not in self._notices:
            self._notices[guest] = time.monotonic() + NOTICE_SECONDS
        self._await(
            guest,
            (selectors.EVENT_READ if guest.is_heard else 0) | (selectors.EVENT_WRITE if guest.says.unsent else 0),
        )

    def _await(self, guest: Guest, events: int) -> None:
        """Wait for these events of its socket from now on; 0: for none."""
        before = self._awaited.get(guest, 0)
        if events == before:
            return
        self._awaited[guest] = events
        if not events:
            self._selector.unregister(guest.peer)
        elif not before:
            self._selector.register(guest.peer, events, guest)
        else:
            self._selector.modify(guest.peer, events, guest)

    def _send_notices(self) -> None:
        now = time.monotonic() if self._notices else 0.0
        for guest in [guest for guest, at in self._notices.items() if at <= now]:
            del self._notices[guest]
            guest.says.send_notice()
            self._see_to(guest)

    def _end(self) -> None:
        """Say goodbye to all guests."""
        guests = list(self._guests)
        for guest in guests:
            guest.dismiss()
        for guest in guests:
            guest.say_goodbye()
        end = time.monotonic() + PATIENCE
        while (unsent := [guest for guest in guests if guest.says.unsent]) and (now := time.monotonic()) < end:
            for guest in guests:
                self._await(guest, selectors.EVENT_WRITE if guest in unsent else 0)
            self._selector.select(end - now)
            for guest in unsent:
                guest.says.send_rest()

    def _release(self) -> None:
        for guest in self._guests:
            guest.close()
        self._selector.close()
        self._close_others()

    def _close_others(self) -> None:
        for one in (*self._arrived, self._waker, self._listener):
            if one is not None:
                one.close()
