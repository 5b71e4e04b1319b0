"""Transfers to the broker, and what it says to them (part 2 §2.6.12 to §2.6.14, part 3 §3.2)."""

from __future__ import annotations

import pytest

from tests.support.amqp10_codec import Raw, Sym, composite, data, described, encode, message, ubyte, ulong
from tests.support.amqp10_wire import Link10, Session10, link_error

BARE = [
    data(b""),
    data(b"one") + data(b"two"),
    described(0x77, None),
    described(0x77, "text"),
    described(0x77, {"key": [1, True, None, 2]}),
    described(0x77, Raw(b"\x98" + bytes(range(16)))),
    described(0x76, [1, "two", b"three"]),
    described(0x76, []) + described(0x76, [Sym("x")]),
    described(0x73, [ulong(7), b"guest", "to", "subject", "reply", Raw(b"\x53\x05"), Sym("text/plain")]) + data(b"x"),
    described(0x74, {"text": "ü", "number": Raw(b"\x54\xff"), "none": None, "time": Raw(b"\x83" + bytes(8))})
    + data(b"x"),
    described(0x73, []) + described(0x74, {}) + data(b"x" * 300),
]


@pytest.mark.parametrize("bare", BARE)
def test_the_bare_message_arrives_byte_for_byte(sender: Link10, receiver: Link10, bare: bytes) -> None:
    sender.send_payload(bare)
    receiver.give(1)
    assert receiver.receive().bare == bare


def test_annotations_and_footer_arrive(sender: Link10, receiver: Link10) -> None:
    annotations = described(0x72, {Sym("x-opt-mine"): "a note"})
    footer = described(0x78, {Sym("x-opt-sum"): b"\x01\x02"})
    sender.send_payload(annotations + data(b"x") + footer)
    receiver.give(1)
    came = receiver.receive()
    found, last = came.section(0x72), came.section(0x78)
    assert isinstance(found, dict)
    assert found["x-opt-mine"] == "a note"
    assert isinstance(last, dict)
    assert last["x-opt-sum"] == b"\x01\x02"


def test_durable_and_priority_arrive(sender: Link10, receiver: Link10) -> None:
    sender.send(b"x", durable=True, priority=ubyte(7))
    receiver.give(1)
    header = receiver.receive().header
    assert header["durable"] is True
    assert header["priority"] == 7


def test_a_message_that_nobody_had_says_so(sender: Link10, receiver: Link10) -> None:
    sender.send(b"x", first_acquirer=False, delivery_count=5)
    receiver.give(1)
    assert not receiver.receive().header["delivery_count"]


def test_unsettled_transfers_are_accepted(sender: Link10) -> None:
    assert [sender.outcome(sender.transfer(message())) for _ in range(5)] == ["accepted"] * 5


def test_settled_transfers_are_not_answered(session: Session10, sender: Link10, receiver: Link10) -> None:
    sender.transfer(message(b"silent"), settled=True)
    session.echo("flow")
    receiver.give(1)
    assert receiver.receive().body == b"silent"


def test_a_link_may_send_both_kinds(sender: Link10, receiver: Link10) -> None:
    sender.transfer(message(b"1"), settled=True)
    assert sender.outcome(sender.transfer(message(b"2"))) == "accepted"
    receiver.give(2)
    assert [receiver.receive().body for _ in range(2)] == [b"1", b"2"]


def test_the_state_accepted_before_the_broker_settles_changes_nothing(sender: Link10) -> None:
    delivery = sender.transfer(message(), state=composite("accepted"))
    assert sender.outcome(delivery) == "accepted"


# Several frames


def test_a_message_in_several_frames_is_one(session: Session10, sender: Link10, receiver: Link10) -> None:
    whole = message(bytes(range(200)))
    delivery = session.deliveries
    for at in range(0, len(whole), 50):
        more = at + 50 < len(whole)
        head: dict[str, object] = (
            {"delivery_id": delivery, "delivery_tag": b"t", "message_format": 0} if at == 0 else {}
        )
        sender.perform("transfer", whole[at : at + 50], more=more, **head)
        session.next_outgoing += 1
        if more:
            session.echo("flow")
    assert sender.outcome(delivery) == "accepted"
    receiver.give(1)
    assert receiver.receive().body == bytes(range(200))


def test_the_last_of_several_frames_may_be_empty_and_settle(
    session: Session10, sender: Link10, receiver: Link10
) -> None:
    sender.perform("transfer", message(b"all"), delivery_id=0, delivery_tag=b"t", message_format=0, more=True)
    sender.perform("transfer", settled=True, more=False)
    session.next_outgoing += 2
    session.echo("flow")
    receiver.give(1)
    assert receiver.receive().body == b"all"


def test_an_aborted_delivery_never_was(session: Session10, sender: Link10, receiver: Link10, product: str) -> None:
    if product == "RabbitMQ":
        pytest.skip("it has no aborted deliveries")
    sender.perform("transfer", message(b"no"), delivery_id=0, delivery_tag=b"t", message_format=0, more=True)
    sender.perform("transfer", aborted=True)
    session.next_outgoing += 2
    session.deliveries = 1
    assert sender.outcome(sender.transfer(message(b"yes"))) == "accepted"
    receiver.give(2)
    assert receiver.receive().body == b"yes"
    session.echo("flow")


def test_deliveries_of_two_links_may_come_frame_by_frame_in_turns(
    session: Session10, sender: Link10, queue: str
) -> None:
    second = session.sender(queue)
    one, two = message(b"one"), message(b"two")
    sender.perform("transfer", one[:4], delivery_id=0, delivery_tag=b"a", message_format=0, more=True)
    second.perform("transfer", two[:3], delivery_id=1, delivery_tag=b"b", message_format=0, more=True)
    sender.perform("transfer", one[4:])
    second.perform("transfer", two[3:])
    session.next_outgoing += 4
    outcomes: set[int] = set()
    while outcomes != {0, 1}:
        found = session.wire.expect("disposition", "flow")
        assert found.part("state").name == "accepted"
        outcomes |= set(range(found.number("first"), found.number("last", found.number("first")) + 1))
    receiver = session.receiver(queue, 2)
    assert {receiver.receive().body for _ in range(2)} == {b"one", b"two"}


def test_another_delivery_in_the_middle_of_one_is_an_error(session: Session10, sender: Link10) -> None:
    sender.perform("transfer", message()[:3], delivery_id=0, delivery_tag=b"a", message_format=0, more=True)
    sender.perform("transfer", message(), delivery_id=1, delivery_tag=b"b", message_format=0)
    _fails(session)


# What is wrong


@pytest.mark.parametrize(
    "fields",
    [
        {"delivery_id": None},
        {"delivery_tag": None},
        {"delivery_tag": b"x" * 33},
        {"delivery_tag": "text"},
        {"delivery_id": "text"},
        {"message_format": Sym("x")},
    ],
)
def test_a_transfer_that_lacks_what_it_must_have_is_an_error(
    session: Session10, sender: Link10, fields: dict[str, object]
) -> None:
    whole = {"delivery_id": 0, "delivery_tag": b"t", "message_format": 0, **fields}
    sender.perform("transfer", message(), **whole)
    _fails(session)


@pytest.mark.parametrize(
    "payload",
    [
        b"garbage",
        b"\x00\x53\x75\xa0\x05x",
        b"\x00\x53\x75\xa1\x01x",
        b"\x00\x53\x73\xa0\x00" + data(b"x"),
        b"\x00\x53\x74\xc1\x03\x01\x40\x40" + data(b"x"),
        b"\x00\x53\x20" + encode("x"),
        data(b"x") + described(0x73, []),
        data(b"x") + described(0x77, "x"),
        described(0x77, "x") + described(0x77, "y"),
    ],
)
def test_a_payload_that_is_no_message_is_not_accepted(session: Session10, sender: Link10, payload: bytes) -> None:
    delivery = sender.transfer(payload)
    found = session.wire.read()
    while found.name in ("flow", "empty"):
        found = session.wire.read()
    performative = found.performative
    assert performative is not None
    if found.name == "disposition":
        assert performative["first"] == delivery
        assert performative.part("state").name == "rejected"
        session.echo("flow")
        return
    assert performative.part("error")["condition"] in ("amqp:decode-error", "amqp:invalid-field")


def test_a_receivers_link_takes_no_transfers(session: Session10, receiver: Link10) -> None:
    receiver.perform("transfer", message(), delivery_id=0, delivery_tag=b"t", message_format=0)
    _fails(session)


def test_a_message_larger_than_the_link_takes_is_an_error_of_the_link(session: Session10, sender: Link10) -> None:
    most = sender.answer["max_message_size"]
    if not isinstance(most, int) or not 0 < most < 1 << 20:
        pytest.skip("it takes too much to try")
    with link_error(sender, "amqp:link:message-size-exceeded"):
        sender.perform("transfer", bytes(most + 1), delivery_id=0, delivery_tag=b"t", message_format=0)


def _fails(session: Session10) -> None:
    """A link, the session or the connection ends with an error, and the broker serves others."""
    found = session.wire.read()
    while found.name in ("flow", "empty", "disposition"):
        found = session.wire.read()
    assert found.name in ("detach", "end", "close")
    assert found.performative is not None
    assert str(found.performative.part("error")["condition"]).startswith("amqp:")
