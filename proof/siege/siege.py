"""Where hostile clients attack, from where they come, and what they hold open.

Those who have logged in come from an address of their own, and those who try passwords from others: the limit on failed
log-ins shall keep out these and nobody else, or the attacks of the former would be none.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Siege", "found"]

THERE = "127.0.0.1"
HERE, ONE, MANY = "127.0.0.2", "127.0.0.3", "127.0.1."
# For a busy machine.
WAIT = 10.0
HELD = 750
"""Connections that one attack of one process holds open at once."""


@dataclass
class Siege:
    """One attack's view."""

    ports: dict[str, int]
    """By the listener: amqp, stomp, web, http, tls (AMQP with TLS) and https."""
    chance: random.Random
    held: deque[socket.socket] = field(default_factory=deque)

    def open(self, listener: str, *, of: str = HERE) -> socket.socket:
        """A connection to a listener, from this address; OSError when it is not to be had."""
        return socket.create_connection((THERE, self.ports[listener]), WAIT, (of, 0))

    @contextlib.contextmanager
    def at(self, listener: str) -> Iterator[socket.socket]:
        """A connection for the block."""
        with self.open(listener) as made:
            yield made

    def any(self) -> str:
        """A listener."""
        return self.chance.choice(list(self.ports))

    def guesser(self) -> str:
        """The address of somebody who tries passwords: one who has tried too many, or one of very many."""
        return ONE if self.chance.random() < 0.3 else MANY + str(self.chance.randrange(1, 255))

    def hold(self, made: socket.socket) -> None:
        """Keep it open, until there are too many."""
        self.held.append(made)
        while len(self.held) > HELD:
            self.held.popleft().close()

    def leave(self) -> None:
        """Close all that is held."""
        while self.held:
            self.held.pop().close()


def found(made: socket.socket, sign: bytes, within: float = WAIT) -> bool:
    """Whether this comes, in so many seconds."""
    heard, end = b"", time.monotonic() + within
    made.settimeout(within)
    with contextlib.suppress(OSError):
        while sign not in heard and time.monotonic() < end:
            more = made.recv(65536)
            if not more:
                break
            heard = heard[-len(sign) :] + more
    return sign in heard
