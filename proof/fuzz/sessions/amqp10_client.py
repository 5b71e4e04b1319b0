"""AMQP 1.0, the client's side: a broker that logs us in, or not, and then says anything at all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Final

from batonmq.engines.amqp10.client.connection import Connection, ConnectionUser, Terms
from batonmq.engines.amqp10.client.login import Credentials
from batonmq.engines.amqp10.client.receiver import Receiver, ReceiverUser
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.errors import BatonError
from batonmq.protocols.amqp10.codec import performatives as of
from batonmq.protocols.amqp10.codec.composites import Composite, encode_composite
from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, SASL_HEADER
from batonmq.protocols.amqp10.codec.encoder import HEARTBEAT, frame, sasl_frame
from batonmq.protocols.amqp10.codec.values import EncodeError, Symbol
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.amqp10 import ALL, BODIES, composite, frame_of
from proof.fuzz.target import Take, Target, ensure

__all__ = ["sessions"]

MECHANISMS: Final = sasl_frame(of.SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN"), Symbol("ANONYMOUS")]))
OUTCOME: Final = sasl_frame(of.SaslOutcome(code=0))
OPEN: Final = frame(0, of.Open(container_id="broker"))
LOG_IN: Final = SASL_HEADER + MECHANISMS + OUTCOME + AMQP_HEADER + OPEN
BEGIN: Final = frame(0, of.Begin(remote_channel=0, next_outgoing_id=0, incoming_window=100, outgoing_window=100))
ATTACH_IN: Final = frame(
    0, of.Attach(name="in", handle=0, role=False, source=of.Source(address="q"), initial_delivery_count=0)
)
ATTACH_OUT: Final = frame(0, of.Attach(name="out", handle=1, role=True, target=of.Target(address="q")))
CREDIT: Final = frame(
    0,
    of.Flow(
        next_incoming_id=0,
        incoming_window=100,
        next_outgoing_id=0,
        outgoing_window=100,
        handle=1,
        delivery_count=0,
        link_credit=5,
    ),
)
BEGINNINGS: Final = (
    (),
    (SASL_HEADER,),
    (SASL_HEADER + MECHANISMS,),
    (SASL_HEADER + MECHANISMS + OUTCOME, AMQP_HEADER),
    (LOG_IN,),
    *[(LOG_IN, BEGIN)] * 2,
    *[(LOG_IN, BEGIN + ATTACH_IN + ATTACH_OUT, CREDIT)] * 8,
)
SAID: Final[tuple[type[Composite], ...]] = (
    *[of.Flow] * 4,
    *[of.Disposition] * 6,
    *[of.Detach] * 2,
    *[of.Attach] * 2,
    of.Begin,
    of.End,
    of.Close,
    of.Open,
    of.SaslChallenge,
    of.SaslOutcome,
    of.SaslMechanisms,
)
MOST: Final = 60
MOST_OUTPUT: Final = 1 << 20


class _Heard(ConnectionUser, ReceiverUser, SenderUser):
    """Whoever uses connection and links: it notes what it is told, and settles what comes."""

    __slots__ = ("came", "ended", "outcomes", "receiver", "settles")

    def __init__(self) -> None:
        self.came = 0
        self.outcomes = 0
        self.ended = 0
        self.receiver: Receiver | None = None
        self.settles = True

    def opened(self, opened: of.Open) -> None:
        """It may be used."""

    def closed(self, error: BatonError | None) -> None:
        self.ended += 1
        ensure(self.ended == 1, "the end is told twice")

    def attached(self, attach: of.Attach) -> None:
        """It may be used."""

    def detached(self, error: BatonError | None) -> None:
        """Nothing comes any more."""

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        self.came += 1
        if self.receiver is not None and self.settles and not settled:
            self.receiver.settle(delivery_id, of.Accepted())

    def changed(self, delivery_id: int, state: of.DeliveryState | None) -> None:
        """Somebody else has it."""

    def drained(self) -> None:
        """Nothing was there."""

    def settled(self, token: object, state: of.DeliveryState | None) -> None:
        self.outcomes += 1


class ClientAttack:
    """What an input has a broker say."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._user = _Heard()
        self._user.settles = not choices.chance(2)
        credentials = choices.one_of((Credentials("guest", "guest"), Credentials(), Credentials(is_external=True)))
        self._client = Connection(Terms("fuzz", "localhost", credentials), self._user)
        self._sender: Sender | None = None
        self._sent = 0
        self._said = 0

    def run(self) -> Hashable:
        """Do it; tells what became of it."""
        choices = self._choices
        for count, data in enumerate(self._steps()):
            at = choices.byte() * len(data) // 256
            for piece in (data[:at], data[at:]) if choices.chance(4) else (data,):
                self._client.receive(piece)
                self._sent += len(piece)
            self._use()
            self._said += len(self._client.take_output())
            ensure(self._said <= MOST_OUTPUT + 200 * self._sent, f"{self._said} octets are said to {self._sent}")
            if self._client.is_closed or count > MOST:
                break
        phase = self._client.phase
        self._client.lost(BatonError("the socket is gone"))
        ensure(self._user.ended == 1, "the end of the connection is not told")
        ensure(self._client.is_closed and not self._client.session_count, "a session is left of what is closed")
        return phase, min(self._user.came, 9), min(self._user.outcomes, 9), self._said.bit_length()

    def _steps(self) -> Iterator[bytes]:
        choices = self._choices
        yield from choices.one_of(BEGINNINGS)
        while not choices.is_over:
            kind = choices.byte()
            if kind < 8:
                yield choices.octets(1 + choices.below(32))
            elif kind < 16:
                yield frame_of(choices.octets(choices.below(64)), choices.below(3))
            elif kind < 24:
                yield choices.one_of((HEARTBEAT, AMQP_HEADER, SASL_HEADER, OPEN, BEGIN, ATTACH_IN, ATTACH_OUT, LOG_IN))
            elif kind < 90:
                yield self._transfer() * (1 + choices.below(3))
            elif kind < 100:
                data = bytearray(self._one())
                data[choices.byte() % len(data)] = choices.byte()
                yield bytes(data)
            elif kind < 104:
                yield self._one() * (1 + choices.below(30))
            else:
                yield self._one()

    def _one(self) -> bytes:
        choices = self._choices
        made = composite(choices, choices.one_of(ALL) if choices.chance(12) else choices.one_of(SAID))
        try:
            return frame_of(encode_composite(made), choices.below(2) if choices.chance(6) else 0)
        except EncodeError:
            return HEARTBEAT

    def _transfer(self) -> bytes:
        choices = self._choices
        number = choices.below(6) if not choices.chance(6) else choices.number(4)
        made = of.Transfer(
            handle=0 if not choices.chance(12) else choices.below(3),
            delivery_id=number if not choices.chance(6) else None,
            delivery_tag=choices.octets(2),
            message_format=0,
            more=choices.chance(4),
            settled=choices.chance(4),
            aborted=choices.chance(10),
        )
        return frame(0, made, choices.one_of(BODIES))

    # ------------------------------------------------------------------ what the program does meanwhile

    def _use(self) -> None:
        choices, client = self._choices, self._client
        if not client.is_open:
            return
        receiver, sender = self._user.receiver, self._sender
        if receiver is None or sender is None:
            self._begin()
            return
        uses: tuple[Callable[[], object], ...] = (
            self._begin,
            lambda: receiver.give_credit(choices.below(20)),
            lambda: receiver.drain(5),
            receiver.stop,
            lambda: sender.send((BODIES[0], BODIES[1]), "two"),
            client.beat,
            lambda: client.close() if choices.chance(4) else None,
        )
        if choices.chance(2):
            try:
                choices.one_of(uses)()
            except BatonError:
                # The session, or the link, is over.
                return

    def _begin(self) -> None:
        try:
            session = self._client.begin()
            receiver = Receiver("in", of.Source(address="q"), self._user)
            session.attach(receiver, receives=True)
            receiver.give_credit(9)
            sender = Sender("out", of.Target(address="q"), self._user)
            session.attach(sender, receives=False)
            sender.send((BODIES[0],), "one")
        except BatonError:
            # The broker takes no more.
            return
        self._user.receiver, self._sender = receiver, sender


def _make() -> Take:
    def take(data: bytes) -> Hashable:
        return ClientAttack(Choices(data)).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((1, first, *range(first, 250, 1 + first % 7))) for first in range(0, 120, 3))
    about = "a client of AMQP 1.0, and a broker that says anything at all to it"
    return (Target("amqp10.client", about, _make, seeds, longest=500, is_session=True),)
