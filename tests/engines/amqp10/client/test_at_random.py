"""Bytes in any pieces mean the same, and bytes that mean nothing do no harm."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, strategies as st

from batonmq.engines.amqp10.client.receiver import Receiver
from batonmq.engines.amqp10.client.sender import Sender
from batonmq.errors import ConnectionLost
from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, SASL_HEADER
from batonmq.protocols.amqp10.codec.encoder import frame, sasl_frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Open,
    Performative,
    Rejected,
    Released,
    SaslMechanisms,
    SaslOutcome,
    Source,
    Target,
    Transfer,
)
from batonmq.protocols.amqp10.codec.values import Symbol
from tests.engines.amqp10.client.scripted import PLAIN_BODY, Scripted, Sends, Takes

LOGIN = (
    SASL_HEADER
    + sasl_frame(SaslMechanisms(sasl_server_mechanisms=[Symbol("PLAIN")]))
    + sasl_frame(SaslOutcome(code=0))
    + AMQP_HEADER
    + frame(0, Open(container_id="broker"))
)


def _transfer(number: int | None, payload: bytes, *, more: bool | None = None) -> bytes:
    tag = None if number is None else number.to_bytes(4, "big")
    return frame(0, Transfer(handle=0, delivery_id=number, delivery_tag=tag, message_format=0, more=more), payload)


def _flow(handle: int, credit: int) -> Flow:
    return Flow(
        next_incoming_id=0,
        incoming_window=100,
        next_outgoing_id=0,
        outgoing_window=100,
        handle=handle,
        delivery_count=0,
        link_credit=credit,
    )


ATTACHED = (
    frame(0, Begin(remote_channel=0, next_outgoing_id=0, incoming_window=100, outgoing_window=100))
    + frame(0, Attach(name="in", handle=0, role=False, source=Source(address="q"), initial_delivery_count=0))
    + frame(0, Attach(name="out", handle=1, role=True, target=Target(address="q")))
    + frame(0, _flow(1, 9))
)
TALK = (
    _transfer(0, PLAIN_BODY)
    + _transfer(1, b"one ", more=True)
    + _transfer(None, b"two")
    + b"\x00\x00\x00\x08\x02\x00\x00\x00"
    + _transfer(2, PLAIN_BODY)
    + frame(0, Disposition(role=True, first=0, last=1, settled=True, state=Accepted()))
    + frame(0, Disposition(role=False, first=0, settled=True, state=Released()))
    + frame(0, Detach(handle=1, closed=True, error=Error(condition="amqp:not-found", description="gone")))
    + frame(0, End())
    + frame(0, Close())
)


def _pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    before = 0
    for cut in sorted(cuts):
        yield data[before:cut]
        before = cut
    yield data[before:]


class _Talk:
    """A client that logs in, and has a link each way."""

    def __init__(self) -> None:
        self.script = Scripted()
        self.takes, self.sends = Takes(), Sends()

    def begin(self) -> None:
        session = self.script.client.begin()
        self.link = Receiver("in", Source(address="q"), self.takes)
        session.attach(self.link, receives=True)
        out = Sender("out", Target(address="q"), self.sends)
        session.attach(out, receives=False)
        out.send((PLAIN_BODY, PLAIN_BODY), "two")

    def seen(self) -> tuple[object, ...]:
        return (
            self.takes.came,
            self.takes.changes,
            [str(error) for error in self.takes.ended],
            self.sends.outcomes,
            [str(error) for error in self.sends.ended],
            [str(error) for error in self.script.user.ended],
        )


def _talk(login: list[int], attached: list[int], talk: list[int]) -> tuple[object, ...]:
    one = _Talk()
    for piece in _pieces(LOGIN, login):
        one.script.client.receive(piece)
    one.begin()
    for piece in _pieces(ATTACHED, attached):
        one.script.client.receive(piece)
    one.link.give_credit(9)
    for piece in _pieces(TALK, talk):
        one.script.client.receive(piece)
    return one.seen()


def _cuts(data: bytes) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(data)), max_size=12)


@given(_cuts(LOGIN), _cuts(ATTACHED), _cuts(TALK))
def test_bytes_in_any_pieces_mean_the_same(login: list[int], attached: list[int], talk: list[int]) -> None:
    seen = _talk(login, attached, talk)
    assert seen == _talk([], [], [])
    came, changes, _, outcomes, ended, _ = seen
    assert came == [(0, PLAIN_BODY, False), (1, b"one two", False), (2, PLAIN_BODY, False)]
    assert changes == [(0, Released())]
    assert outcomes == [("two", Accepted())] * 2
    assert ended == ["gone"]


def test_byte_by_byte_means_the_same() -> None:
    every = [list(range(len(data))) for data in (LOGIN, ATTACHED, TALK)]
    assert _talk(*every) == _talk([], [], [])


@given(st.integers(0, 3), st.binary(max_size=200), st.data())
def test_bytes_that_mean_nothing_end_the_connection_or_wait_for_more(
    stage: int, wrong: bytes, data: st.DataObject
) -> None:
    one = _Talk()
    client = one.script.client
    if stage == 0:
        client.receive(wrong)
    else:
        client.receive(LOGIN)
        one.begin()
        client.receive(ATTACHED)
        if stage == 2:
            wrong = len(wrong).to_bytes(4, "big") + b"\x02\x00\x00\x00" + wrong
        elif stage == 3:
            # Something sensible, with octets changed.
            raw = bytearray(TALK)
            for at in data.draw(st.lists(st.integers(0, len(TALK) - 1), min_size=1, max_size=3)):
                raw[at] = data.draw(st.integers(0, 255))
            wrong = bytes(raw)
        client.receive(wrong)
    client.take_output()
    client.lost(ConnectionLost("the socket"))
    assert client.is_closed
    assert len(one.script.user.ended) == 1
    for ended in (one.takes.ended, one.sends.ended):
        assert len(ended) == (1 if stage else 0)


NUMBERS = st.one_of(st.integers(0, 3), st.sampled_from([2**31, 2**32 - 1]))
OUTCOMES = st.one_of(st.none(), st.sampled_from([Accepted(), Released(), Rejected()]))
SAYINGS: st.SearchStrategy[Performative] = st.one_of(
    st.builds(
        Flow,
        next_incoming_id=st.one_of(st.none(), NUMBERS),
        incoming_window=NUMBERS,
        next_outgoing_id=NUMBERS,
        outgoing_window=NUMBERS,
        handle=st.one_of(st.none(), st.integers(0, 2)),
        delivery_count=st.one_of(st.none(), NUMBERS),
        link_credit=st.one_of(st.none(), NUMBERS),
        drain=st.booleans(),
        echo=st.booleans(),
    ),
    st.builds(
        Disposition,
        role=st.booleans(),
        first=NUMBERS,
        last=st.one_of(st.none(), NUMBERS),
        settled=st.booleans(),
        state=OUTCOMES,
    ),
    st.builds(Detach, handle=st.integers(0, 2), closed=st.booleans()),
    st.builds(Attach, name=st.sampled_from(["in", "out"]), handle=st.integers(0, 2), role=st.booleans()),
    st.builds(
        Begin,
        remote_channel=st.one_of(st.none(), st.integers(0, 1)),
        next_outgoing_id=NUMBERS,
        incoming_window=NUMBERS,
        outgoing_window=NUMBERS,
    ),
    st.just(End()),
    st.builds(Open, container_id=st.just("again")),
)


@given(st.lists(st.tuples(st.integers(0, 1), SAYINGS), max_size=12))
def test_anything_that_a_broker_can_say_is_taken_or_ends_the_connection(
    sayings: list[tuple[int, Performative]],
) -> None:
    one = _Talk()
    client = one.script.client
    client.receive(LOGIN)
    one.begin()
    client.receive(ATTACHED)
    one.link.give_credit(2)
    for channel, said in sayings:
        client.receive(frame(channel, said) + _transfer(0, PLAIN_BODY))
        client.take_output()
    client.lost(ConnectionLost("the socket"))
    assert len(one.script.user.ended) == 1
    assert (len(one.takes.ended), len(one.sends.ended)) == (1, 1)
    # Each message that went out has come to one thing at most.
    assert len(one.sends.outcomes) <= 2
