"""What a receiver says of its deliveries, and what becomes of them (part 2 §2.6.12, part 3 §3.4)."""

from __future__ import annotations

import pytest

from tests.support.amqp10_codec import Sym, composite, ubyte, ulong
from tests.support.amqp10_wire import ACCEPTED, RECEIVER, REJECTED, RELEASED, Delivery, Link10, Session10


def _deliver(sender: Link10, receiver: Link10, count: int = 1) -> list[Delivery]:
    for number in range(count):
        sender.send(bytes((number,)))
    receiver.give(count)
    return [receiver.receive() for _ in range(count)]


@pytest.mark.parametrize("state", [ACCEPTED, REJECTED])
def test_what_is_accepted_or_rejected_is_gone(
    session: Session10, sender: Link10, receiver: Link10, other: Session10, queue: str, state: bytes
) -> None:
    (delivery,) = _deliver(sender, receiver)
    assert not delivery.settled
    session.dispose(delivery.id, state=state)
    session.echo("flow", "disposition")
    receiver.detach()
    assert other.receiver(queue).is_empty()


def test_what_is_released_comes_again_uncounted(session: Session10, sender: Link10, receiver: Link10) -> None:
    (delivery,) = _deliver(sender, receiver)
    session.dispose(delivery.id, state=RELEASED)
    receiver.give(1)
    again = receiver.receive()
    assert again.body == delivery.body
    assert not again.header["delivery_count"]


def test_what_failed_comes_again_and_is_counted(session: Session10, sender: Link10, receiver: Link10) -> None:
    (delivery,) = _deliver(sender, receiver)
    for count in (1, 2, 3):
        session.dispose(delivery.id, state=composite("modified", delivery_failed=True))
        receiver.give(1)
        delivery = receiver.receive()
        assert delivery.header["delivery_count"] == count
        assert not delivery.header["first_acquirer"]


def test_annotations_of_modified_are_there_when_it_comes_again(
    session: Session10, sender: Link10, receiver: Link10
) -> None:
    (delivery,) = _deliver(sender, receiver)
    noted = composite("modified", delivery_failed=True, message_annotations={Sym("x-opt-why"): "tired"})
    session.dispose(delivery.id, state=noted)
    receiver.give(1)
    annotations = receiver.receive().section(0x72)
    assert isinstance(annotations, dict)
    assert annotations["x-opt-why"] == "tired"


def test_what_is_undeliverable_here_does_not_come_here_again(
    session: Session10, sender: Link10, receiver: Link10, product: str
) -> None:
    (delivery,) = _deliver(sender, receiver)
    session.dispose(delivery.id, state=composite("modified", delivery_failed=True, undeliverable_here=True))
    receiver.give(1)
    session.echo("flow", "disposition")
    del product


def test_a_range_settles_all_that_are_in_it_and_no_other(
    session: Session10, sender: Link10, receiver: Link10, other: Session10, queue: str
) -> None:
    deliveries = _deliver(sender, receiver, 6)
    session.dispose(deliveries[1].id, deliveries[4].id)
    session.echo("flow", "disposition")
    receiver.detach()
    rest = other.receiver(queue, 6)
    assert {rest.receive().body for _ in range(2)} == {b"\0", b"\5"}
    assert rest.is_empty()


def test_a_range_may_hold_what_is_settled_already(session: Session10, sender: Link10, receiver: Link10) -> None:
    deliveries = _deliver(sender, receiver, 4)
    session.dispose(deliveries[2].id)
    session.dispose(deliveries[0].id, deliveries[3].id)
    session.dispose(deliveries[0].id, deliveries[3].id + 100)
    session.echo("flow", "disposition")
    receiver.detach()
    assert session.receiver(sender.answer.part("target")["address"]).is_empty()


def test_deliveries_may_be_settled_in_any_order(
    session: Session10, sender: Link10, receiver: Link10, queue: str
) -> None:
    deliveries = _deliver(sender, receiver, 4)
    for index in (3, 1, 0, 2):
        session.dispose(deliveries[index].id)
    session.echo("flow", "disposition")
    receiver.detach()
    assert session.receiver(queue).is_empty()


def test_an_outcome_that_is_not_settled_is_settled_by_the_broker(
    session: Session10, sender: Link10, receiver: Link10, queue: str
) -> None:
    (delivery,) = _deliver(sender, receiver)
    session.dispose(delivery.id, settled=False)
    answer = session.wire.expect("disposition", "flow")
    assert answer["role"] is not RECEIVER
    assert (answer["first"], answer["settled"]) == (delivery.id, True)
    session.dispose(delivery.id)
    session.echo("flow")
    receiver.detach()
    assert session.receiver(queue).is_empty()


def test_received_is_no_outcome(session: Session10, sender: Link10, receiver: Link10, queue: str) -> None:
    (delivery,) = _deliver(sender, receiver)
    session.dispose(delivery.id, state=composite("received", section_number=0, section_offset=ulong(0)), settled=False)
    session.echo("flow")
    receiver.detach()
    assert session.receiver(queue, 1).receive().body == delivery.body


def test_settled_without_a_state_has_the_default_outcome(session: Session10, sender: Link10, queue: str) -> None:
    source = composite("source", address=queue, default_outcome=RELEASED, capabilities=Sym("queue"))
    receiver = session.receiver(queue, source=source)
    if receiver.answer.part("source")["default_outcome"] is None:
        pytest.skip("there is no default outcome")
    (delivery,) = _deliver(sender, receiver)
    session.dispose(delivery.id, state=None)
    receiver.give(1)
    assert receiver.receive().body == delivery.body


def test_deliveries_that_are_settled_from_the_start_are_gone(session: Session10, sender: Link10, queue: str) -> None:
    receiver = session.receiver(queue, snd_settle_mode=ubyte(1))
    (delivery,) = _deliver(sender, receiver)
    assert delivery.settled
    session.dispose(delivery.id)  # has nothing to say any more
    receiver.detach()
    assert session.receiver(queue).is_empty()


def test_the_tag_of_each_unsettled_delivery_is_its_own(sender: Link10, receiver: Link10) -> None:
    tags = [delivery.first["delivery_tag"] for delivery in _deliver(sender, receiver, 5)]
    assert all(isinstance(tag, bytes) and len(tag) <= 32 for tag in tags)
    assert len(set(tags)) == 5


def test_delivery_ids_count_up_over_all_links_of_a_session(session: Session10, sender: Link10, queue: str) -> None:
    one, two = session.receiver(queue, 2), session.receiver(queue, 2)
    del one, two
    for _ in range(4):
        sender.send()
    ids: list[int] = []
    while len(ids) < 4:
        found = session.wire.read()
        if found.name == "transfer" and found.performative is not None:
            ids.append(found.performative.number("delivery_id"))
    assert ids == [ids[0] + index for index in range(4)]


def test_a_browser_leaves_everything_where_it_is(session: Session10, sender: Link10, queue: str, product: str) -> None:
    if product == "RabbitMQ":
        pytest.skip("it does not browse")
    for body in (b"1", b"2"):
        sender.send(body)
    source = composite("source", address=queue, distribution_mode=Sym("copy"), capabilities=Sym("queue"))
    browser = session.receiver(queue, 10, source=source, snd_settle_mode=ubyte(1))
    assert browser.answer.part("source")["distribution_mode"] == "copy"
    assert [browser.receive().body for _ in range(2)] == [b"1", b"2"]
    browser.detach()
    receiver = session.receiver(queue, 2)
    assert [receiver.receive().body for _ in range(2)] == [b"1", b"2"]


def test_a_disposition_backwards_does_no_harm(session: Session10, sender: Link10, receiver: Link10) -> None:
    deliveries = _deliver(sender, receiver, 2)
    session.perform("disposition", role=RECEIVER, first=deliveries[1].id, last=deliveries[0].id, settled=True)
    session.flow(echo=True)
    assert session.wire.read().name in ("end", "close", "flow")
