"""One attempt to reach the broker: name lookup, a socket, and the protocol over it."""

from __future__ import annotations

import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from batonmq.engines.amqp10.client.connection import Connection, ConnectionUser, Terms
from batonmq.engines.amqp10.failures import refused, unreachable
from batonmq.engines.amqp10.loop import Loop
from batonmq.engines.amqp10.parameters import Amqp10Parameters
from batonmq.engines.amqp10.products.desk import Announced
from batonmq.engines.amqp10.transport import Addresses, Transport, TransportUser
from batonmq.errors import BatonError, Closed, ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import Open
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.version import __version__

__all__ = ["GOODBYE", "Attempt", "AttemptOwner"]

# Seconds that a broker has to answer a close: nothing depends on the answer.
GOODBYE = 1.0


class AttemptOwner(ABC):
    """The owner of an attempt, told of its progress in the loop's thread."""

    @abstractmethod
    def attempt_opened(self, attempt: Attempt) -> None:
        """The connection is open."""

    @abstractmethod
    def attempt_over(self, attempt: Attempt, error: BatonError | None) -> None:
        """The connection is gone, or there never was one."""


class Attempt(TransportUser, ConnectionUser):
    """One socket, and the protocol over it, until either is over. Its owner is told once that it is."""

    def __init__(self, owner: AttemptOwner, parameters: Amqp10Parameters, container_id: str, loop: Loop) -> None:
        self._owner = owner
        self._parameters = parameters
        self._loop = loop
        self._transport: Transport | None = None
        self._is_over = False
        self._heard = self._said = time.monotonic()
        self._cancel: Callable[[], None] = _nothing
        self.announced = Announced()
        self.connection = Connection(
            Terms(
                container_id,
                parameters.hostname,
                parameters.credentials,
                parameters.idle_time_out,
                {Symbol("product"): "BatonMQ client", Symbol("version"): __version__},
            ),
            self,
        )

    def begin(self, patience: float) -> None:
        """Look up the host's name, and connect; the broker has ``patience`` seconds to answer."""
        # A lookup may take a while, during which the loop must be able to stop.
        find = threading.Thread(target=self._find, args=(patience,), name="batonmq-amqp10-name", daemon=True)
        find.start()

    def _find(self, patience: float) -> None:
        """Look up the host's name, in a thread of its own."""
        host, port = self._parameters.host, self._parameters.port
        failure: OSError
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            failure = error
        except UnicodeError:
            failure = OSError(f"the name {host!r} is none")
        else:
            addresses: Addresses = [(family, address) for family, _, _, _, address in found]
            self._loop.call(lambda: self._connect(addresses, patience))
            return
        self._loop.call(lambda: self.ended(failure))

    def _connect(self, addresses: Addresses, patience: float) -> None:
        if self._is_over:
            return
        tls = self._parameters.tls
        self._transport = Transport(
            self._loop, addresses, self, tls.context if tls else None, tls.server_hostname if tls else None
        )
        late = TimeoutError(f"no answer within {patience:g} s")
        self._cancel = self._loop.later(patience, lambda: self._too_late(late))
        self._transport.begin()

    def _too_late(self, error: TimeoutError) -> None:
        self._give_up(unreachable(error, self._parameters, self.connection.phase))

    def flush(self) -> None:
        """Send the protocol's output."""
        if self._transport is None or self._is_over:
            return
        data = self.connection.take_output()
        if data:
            self._said = time.monotonic()
            self._transport.write(data)

    def say_goodbye(self) -> None:
        """Close in order, or at once if the broker does not answer."""
        if self._is_over:
            return
        self._cancel()
        self._cancel = self._loop.later(GOODBYE, lambda: self._give_up(None))
        self.connection.close()
        if not self._is_over:
            self.flush()

    def drop(self, error: BatonError | None = None) -> None:
        """End it without notifying the broker."""
        self._give_up(error)

    def detach(self) -> None:
        """Drop the socket in a forked child."""
        if self._transport is not None:
            self._transport.detach()

    # ------------------------------------------------------------------ the socket

    def connected(self) -> None:
        self._heard = time.monotonic()
        self.flush()

    def came(self, data: bytes) -> None:
        self._heard = time.monotonic()
        self.connection.receive(data)

    def ended(self, error: OSError | None) -> None:
        if self.connection.is_open:
            why = "the broker closed the socket" if error is None else str(error)
            lost: BatonError = ConnectionLost(f"the connection was lost: {why}")
        else:
            lost = unreachable(error, self._parameters, self.connection.phase)
        self._give_up(lost)

    # ------------------------------------------------------------------ the protocol

    def opened(self, opened: Open) -> None:
        self._cancel()
        said = {str(name): value for name, value in (opened.properties or {}).items()}
        self.announced = Announced(
            str(said.get("product", "")),
            str(said.get("version", "")),
            frozenset(map(str, opened.offered_capabilities or ())),
            said,
        )
        self._watch()
        self._owner.attempt_opened(self)

    def closed(self, error: BatonError | None) -> None:
        if not self._is_over and self._transport is not None:
            data = self.connection.take_output()
            if data:
                self._transport.write(data)
        if error is not None and not self.announced.properties and not isinstance(error, Closed):
            error = refused(error, self._parameters)
        self._give_up(error)

    def _watch(self) -> None:
        """Send empty frames, and check that the broker is alive (part 2 §2.4.5)."""
        if self._is_over:
            return
        now = time.monotonic()
        idle = self._parameters.idle_time_out
        if now - self._heard > 2 * idle:
            self._give_up(ConnectionLost(f"the connection was lost: the broker was silent for {2 * idle:g} s"))
            return
        beat = self.connection.beat_every
        if beat and now - self._said >= beat / 2:
            self.connection.beat()
            self.flush()
        every = min(beat / 2 or idle, idle / 2)
        self._cancel = self._loop.later(max(every, 0.02), self._watch)

    def _give_up(self, error: BatonError | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._cancel()
        if self._transport is not None:
            self._transport.close()
        # The owner of links learns of the lost connection before it learns of the lost links.
        self._owner.attempt_over(self, error)


def _nothing() -> None:
    """Do nothing."""
