"""Links: attach, detach, settle modes, credit (part 2 §2.6)."""

from __future__ import annotations

import pytest

from tests.conformance.amqp10.conftest import Connect10
from tests.support.amqp10_codec import Composite, Sym, composite, encode, symbols, ubyte
from tests.support.amqp10_wire import RECEIVER, SENDER, Link10, Session10, Wire10


def test_attach_is_answered_by_the_other_role_with_the_same_name(session: Session10, queue: str) -> None:
    answer = session.sender(queue, name="one").answer
    assert (answer["name"], answer["role"]) == ("one", RECEIVER)
    assert answer.part("target")["address"] == queue
    answer = session.receiver(queue, name="two").answer
    assert (answer["name"], answer["role"]) == ("two", SENDER)
    assert answer.part("source")["address"] == queue
    assert answer["initial_delivery_count"] is not None


def test_a_name_may_be_that_of_a_link_of_either_direction(session: Session10, queue: str) -> None:
    sender = session.sender(queue, name="same")
    receiver = session.receiver(queue, 1, name="same")
    sender.send(b"there and back")
    assert receiver.receive().body == b"there and back"


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_the_senders_mode_of_settling_is_the_one_asked_for(session: Session10, queue: str, mode: int) -> None:
    sender = session.sender(queue, snd_settle_mode=ubyte(mode))
    assert sender.answer.number("snd_settle_mode", 2) == mode
    receiver = session.receiver(queue, snd_settle_mode=ubyte(mode))
    assert receiver.answer.number("snd_settle_mode", 2) == mode


def test_the_receivers_mode_of_settling_is_first_where_it_is_asked_for(session: Session10, queue: str) -> None:
    assert session.sender(queue, rcv_settle_mode=ubyte(0)).answer.number("rcv_settle_mode", 0) == 0
    assert session.receiver(queue, rcv_settle_mode=ubyte(0)).answer.number("rcv_settle_mode", 0) == 0


@pytest.mark.parametrize("role", [SENDER, RECEIVER])
def test_a_node_that_is_not_there_is_refused(session: Session10, product: str, name: str, role: bool) -> None:
    if product not in ("RabbitMQ", "BatonMQ"):
        pytest.skip("it makes any queue")
    link = session.attach(role, f"/queues/{name}")
    if product == "RabbitMQ":  # which ends the session
        return
    assert link.refused() == "amqp:not-found"
    link.perform("detach", closed=True)
    session.echo()


@pytest.mark.parametrize("closed", [True, False])
def test_detach_is_answered_with_the_same(session: Session10, sender: Link10, closed: bool) -> None:
    answer = sender.detach(closed=closed)
    assert bool(answer["closed"]) is closed
    assert answer["error"] is None
    session.echo()


def test_a_link_may_attach_again(session: Session10, queue: str) -> None:
    for closed in (False, True, False):
        sender = session.sender(queue, name="again")
        sender.send()
        sender.detach(closed=closed)


def test_what_a_detached_link_held_goes_to_another(session: Session10, sender: Link10, queue: str) -> None:
    sender.send(b"held")
    first = session.receiver(queue, 1)
    first.receive()
    first.detach()
    assert session.receiver(queue, 1).receive().body == b"held"


def test_resumption_has_nothing_to_resume(session: Session10, queue: str) -> None:
    unsettled = {b"tag": composite("accepted")}
    sender = session.sender(queue, unsettled=unsettled)
    assert not sender.answer["unsettled"]
    receiver = session.receiver(queue, unsettled=unsettled)
    assert not receiver.answer["unsettled"]
    sender.send()


def test_outcomes_are_told(session: Session10, queue: str) -> None:
    names = symbols("amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list")
    source = composite("source", address=queue, outcomes=names, capabilities=Sym("queue"))
    found = session.receiver(queue, source=source).answer.part("source")
    assert isinstance(found["outcomes"], tuple)
    assert {"amqp:accepted:list", "amqp:released:list"} <= set(found["outcomes"])


def test_a_dynamic_node_has_an_address(session: Session10) -> None:
    source = composite("source", dynamic=True, capabilities=Sym("temporary-queue"), expiry_policy=Sym("link-detach"))
    receiver = session.receiver(None, 5, source=source)
    address = receiver.answer.part("source")["address"]
    assert isinstance(address, str)
    session.sender(address).send(b"to whoever asked")
    assert receiver.receive().body == b"to whoever asked"


# Credit


def test_nothing_comes_without_credit(session: Session10, sender: Link10, receiver: Link10) -> None:
    sender.send()
    session.echo()
    receiver.give(1)
    receiver.receive()


def test_no_more_comes_than_there_is_credit_for(session: Session10, sender: Link10, receiver: Link10) -> None:
    for number in range(5):
        sender.send(bytes((number,)))
    receiver.give(2)
    assert [receiver.receive().body for _ in range(2)] == [b"\0", b"\1"]
    session.echo()
    receiver.give(1)
    assert receiver.receive().body == b"\2"
    session.echo()
    receiver.give(100)
    assert [receiver.receive().body for _ in range(2)] == [b"\3", b"\4"]


def test_credit_counts_from_the_delivery_count_that_the_receiver_knew(
    session: Session10, sender: Link10, receiver: Link10
) -> None:
    receiver.give(3)
    for _ in range(2):
        sender.send()
        receiver.receive()
    # As if it were sent before the two came: of 3 credits 2 are used.
    session.flow(handle=receiver.handle, delivery_count=receiver.count - 2, link_credit=3)
    for _ in range(2):
        sender.send()
    receiver.receive()
    session.echo("flow")
    receiver.give(1)
    receiver.receive()


def test_credit_can_be_taken_back(session: Session10, sender: Link10, receiver: Link10) -> None:
    receiver.give(10)
    receiver.give(0)
    session.echo("flow")
    sender.send()
    session.echo("flow")
    receiver.give(1)
    receiver.receive()


def test_drain_uses_all_credit_up(session: Session10, sender: Link10, receiver: Link10) -> None:
    before = receiver.count
    receiver.give(10, drain=True)
    flow = session.wire.expect("flow")
    while flow["handle"] is None or flow["link_credit"] != 0:
        flow = session.wire.expect("flow")
    assert flow["handle"] is not None
    assert flow["drain"] is True
    assert flow.number("delivery_count") == before + 10
    receiver.count = before + 10
    # None of it is left.
    sender.send()
    session.echo("flow")
    receiver.give(1)
    receiver.receive()


def test_drain_gives_what_there_is_first(session: Session10, sender: Link10, receiver: Link10) -> None:
    for _ in range(3):
        sender.send()
    before = receiver.count
    receiver.give(10, drain=True)
    for _ in range(3):
        receiver.receive()
    flow = session.wire.expect("flow")
    assert (flow.number("delivery_count"), flow["link_credit"]) == (before + 10, 0)


def test_a_links_flow_that_asks_for_an_echo_gets_the_links_numbers(
    session: Session10, sender: Link10, receiver: Link10
) -> None:
    del sender
    receiver.give(7, echo=True)
    flow = session.wire.expect("flow")
    assert flow["handle"] is not None
    assert (flow["delivery_count"], flow["link_credit"]) == (receiver.count, 7)


def test_senders_get_credit_for_as_long_as_they_send(sender: Link10) -> None:
    first = sender.credit
    assert first > 0
    for _ in range(3 * min(first, 1000)):
        while sender.credit <= 0:
            sender.take_credit(sender.session.wire.expect("flow"))
        sender.transfer(b"\x00\x53\x75\xa0\x01x", settled=True)
    sender.session.echo("flow")


def test_more_than_there_is_credit_for_is_an_error_of_the_link(session: Session10, sender: Link10) -> None:
    # In one piece, so that no new credit can be on its way: what is beyond it is refused, or was still given.
    sent: list[bytes] = []
    send = session.wire.send
    session.wire.send = lambda *parts: sent.extend(parts)  # type: ignore[method-assign]
    for _ in range(3 * sender.credit):
        sender.transfer(b"\x00\x53\x75\xa0\x01x", settled=True)
    session.wire.send = send  # type: ignore[method-assign]
    session.wire.send(*sent)
    session.flow(echo=True)
    while True:
        found = session.wire.read()
        if found.name == "detach":
            assert found.performative is not None
            assert found.performative.part("error")["condition"] == "amqp:link:transfer-limit-exceeded"
            break
        if found.name == "flow" and found.performative is not None and found.performative["handle"] is None:
            break
        assert found.name in ("flow", "empty")


# Stealing


def test_a_link_of_the_same_name_takes_the_place_of_the_older(
    connect10: Connect10, product: str, name: str, queue: str
) -> None:
    if product == "RabbitMQ":
        pytest.skip("it does not do it between connections")
    first = connect10(container_id=name).session()
    first.sender(queue).detach()
    old = first.receiver(queue, 1, name="mine")
    new = connect10(container_id=name).session().receiver(queue, 1, name="mine")
    assert first.wire.error("detach", "flow") == "amqp:link:stolen"
    old.perform("detach", closed=True)
    first.sender(queue, name="sender").send(b"for the new one")
    assert new.receive().body == b"for the new one"


def test_other_containers_have_names_of_their_own(wire10: Wire10, other: Session10, queue: str) -> None:
    mine = wire10.session().sender(queue, name="mine")
    other.wire.close_socket()
    assert isinstance(mine.answer, Composite)
    mine.send()


def test_a_name_may_be_of_any_length_and_letters(session: Session10, queue: str) -> None:
    for name in ("x" * 2000, "", "ü \U0001f600\0", encode("utf-8").decode("latin-1")):
        session.sender(queue, name=name).send()
