"""One client that says anything at all to a broker of its own, and another that is served after it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from batonmq.broker import ManagedOperations, Queue
from batonmq.errors import BrokerError
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.sessions.session import Session
from batonmq.protocols.sessions.standing import FINISHED, HELD
from proof.by_hand import EVERYTHING, ByHand, Host
from proof.fuzz.choices import Choices
from proof.fuzz.target import ensure

E = TypeVar("E")
# Octets that a connection may have to say without being heard: some answers to each thing that it was sent.
MOST_OUTPUT = 1 << 20
# What one input has a client do at most.
MOST_STEPS = 60
USERS = {"guest": ("guest", EVERYTHING)}
# What the queues have that every input finds: each a feature that what comes and goes meets.
QUEUES: tuple[tuple[str, dict[str, FieldValue]], ...] = (
    ("q", {}),
    ("dead", {"x-max-length": 5, "x-message-ttl": 1000}),
    (
        "rich",
        {"x-max-priority": 3, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-delivery-limit": 2},
    ),
)


class Attack(ABC, Generic[E]):
    """What an input does to a broker by one protocol. The input is all that it depends on."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.by_hand = ByHand()
        self.broker = self.by_hand.broker
        self.operations = ManagedOperations(self.broker.vhosts["/"], EVERYTHING, self)
        for name, arguments in QUEUES:
            self.operations.declare_queue(name, durable=name == "rich", arguments=arguments)
        for number in range(3):
            self.publish("q", b"%d" % number)
        self.host = Host(USERS)
        self.session = self.connect(self.host)
        self.sent = 0
        self.said = 0

    def publish(self, queue: str, body: bytes) -> None:
        """A message that is there already."""
        message = Message("", queue, Properties.make(delivery_mode=2, headers={"a": 1}), body)
        self.operations.vhost.router.publish(message, self.operations.resolve("", queue).targets)

    def queues(self) -> dict[str, Queue]:
        """Those of the virtual host."""
        return self.broker.vhosts["/"].queues

    # ------------------------------------------------------------------ what a protocol brings

    @abstractmethod
    def connect(self, host: Host) -> Session[E]:
        """Another session of the broker."""

    @abstractmethod
    def steps(self) -> Iterator[bytes]:
        """What the client says, step by step; it may look at what it was answered in between."""

    @abstractmethod
    def is_served(self) -> bool:
        """Has another client its message sent and received?"""

    def heard(self, data: bytes) -> None:
        """What the server said."""

    # ------------------------------------------------------------------ the attack

    def run(self) -> Hashable:
        """Do it; tells what became of it."""
        session, choices = self.session, self.choices
        for count, data in enumerate(self.steps()):
            for piece in self._pieces(data):
                self.sent += len(piece)
                session.receive(piece)
            self.turn()
            if session.standing() & FINISHED or count >= MOST_STEPS:
                break
            if choices.chance(24):
                self._world()
        outcome = self._outcome()
        self._end()
        return outcome

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        kind = self.choices.byte()
        if kind < 200 or len(data) < 2:
            yield data
        elif kind < 250:
            at = 1 + kind % (len(data) - 1) if len(data) > 1 else 1
            yield data[:at]
            yield data[at:]
        else:
            for at in range(len(data)):
                yield data[at : at + 1]

    def turn(self) -> None:
        """The broker does what there is to do, and the client is sent what there is to say."""
        for _ in range(3):
            self.by_hand.settle()
            self.take(self.session, self.host, self.heard)
            if not self.host.is_woken:
                break
        ensure(self.said <= MOST_OUTPUT + 200 * self.sent, f"{self.said} octets are said to {self.sent}")

    def take(self, session: Session[E], host: Host, heard: Callable[[bytes], None]) -> None:
        """What a session has to say at the end of a turn, which is what the server asks it for."""
        host.is_woken = False
        session.go_on()
        if session.standing() & HELD:
            return
        session.turn_ended()
        data = b"".join(session.output)
        session.output.clear()
        self.said += len(data)
        if data:
            heard(data)

    def _world(self) -> None:
        """What else happens meanwhile."""
        kind = self.choices.below(8)
        now = self.by_hand.clock
        if kind == 0:
            self.by_hand.wait(self.choices.one_of((0.3, 1.1, 5.0, 70.0)))
            self.session.tick(now.monotonic())
        elif kind == 1:
            self.session.writable(False)
        elif kind == 2:
            self.session.writable(True)
        elif kind == 3:
            self.publish("q", b"another")
        elif kind == 4:
            self._attempt(lambda: self.operations.delete_queue(self.choices.one_of(("q", "rich", "dead"))))
        elif kind == 5:
            self.session.users_changed(lambda _: EVERYTHING if self.choices.chance(2) else None)
        elif kind == 6:
            self.session.shutdown("for repairs")
        else:
            self._attempt(lambda: self.operations.purge_queue("q"))
        self.turn()

    def _attempt(self, what: Callable[[], object]) -> None:
        try:
            what()
        except BrokerError:
            # It may be gone, or in use by the client alone.
            return

    def _outcome(self) -> Hashable:
        queues = self.queues()
        return (
            self.session.standing(),
            self.said.bit_length(),
            len(queues),
            tuple(
                (queues[name].ready_count, queues[name].unsettled) for name in ("q", "rich", "dead") if name in queues
            ),
        )

    def _end(self) -> None:
        """The client goes; whatever it left, the next one is served, and nothing is held for it."""
        self.session.connection_lost()
        self.by_hand.settle()
        for queue in self.queues().values():
            ensure(not queue.unsettled, f"{queue.unsettled} messages of {queue.name!r} are with nobody")
        self.by_hand.wait(1.0)
        ensure(self.is_served(), "the next client is not served")
        ensure(not len(self.broker.clients), "a client is listed that is gone")
