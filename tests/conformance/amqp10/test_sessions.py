"""Sessions: channels, handles, windows (part 2 §2.5)."""

from __future__ import annotations

import pytest

from tests.conformance.amqp10.conftest import Connect10
from tests.support.amqp10_codec import Sym, composite, message
from tests.support.amqp10_wire import ACCEPTED, SENDER, Link10, Session10, Wire10, connection_error, session_error

LAST = 0xFFFF_FFFF


def test_begin_is_answered_with_the_channel_that_it_came_on(wire10: Wire10) -> None:
    begun = wire10.session(5).begun
    assert begun["remote_channel"] == 5
    assert begun.number("incoming_window") > 0
    assert begun["outgoing_window"] is not None


def test_sessions_end_on_their_own(wire10: Wire10) -> None:
    first, second = wire10.session(0), wire10.session(1)
    first.end()
    second.echo()
    first = wire10.session(0)
    assert first.begun["remote_channel"] == 0
    second.end()
    first.echo()


def test_end_with_an_error_is_answered_without(session: Session10) -> None:
    session.perform("end", error=composite("error", condition=Sym("amqp:internal-error")))
    assert session.wire.expect("end")["error"] is None
    session.wire.session().end()


def test_links_of_an_ended_session_are_gone_and_their_deliveries_come_back(
    wire10: Wire10, sender: Link10, queue: str
) -> None:
    sender.send(b"back")
    second = wire10.session(1)
    assert second.receiver(queue, 1).receive().body == b"back"
    second.end()
    again = wire10.session(1).receiver(queue, 1)
    assert again.receive().body == b"back"


# Handles


def test_a_handle_in_use_is_an_error_of_the_session(session: Session10, sender: Link10, queue: str) -> None:
    with session_error(session, "amqp:session:handle-in-use"):
        session.next_handle = sender.handle
        target = composite("target", address=queue)
        session.perform("attach", name="b", handle=sender.handle, role=SENDER, target=target, initial_delivery_count=0)


@pytest.mark.parametrize("name", ["flow", "transfer", "detach"])
def test_a_handle_that_is_not_attached_is_an_error_of_the_session(session: Session10, name: str) -> None:
    fields: dict[str, dict[str, object]] = {
        "flow": {
            "incoming_window": 1,
            "next_outgoing_id": 0,
            "outgoing_window": 1,
            "delivery_count": 0,
            "link_credit": 1,
        },
        "transfer": {"delivery_id": 0, "delivery_tag": b"t", "message_format": 0},
        "detach": {"closed": True},
    }
    with session_error(session, "amqp:session:unattached-handle"):
        session.perform(name, message() if name == "transfer" else b"", handle=7, **fields[name])


def test_a_handle_above_handle_max_is_a_framing_error(session: Session10, queue: str) -> None:
    most = session.begun.number("handle_max", LAST)
    if most == LAST:
        pytest.skip("all handles are there")
    with connection_error(session.wire, "amqp:connection:framing-error"):
        target = composite("target", address=queue)
        session.perform("attach", name="high", handle=most + 1, role=SENDER, target=target, initial_delivery_count=0)


def test_a_handle_is_free_again_when_its_link_is_detached(session: Session10, sender: Link10, queue: str) -> None:
    sender.detach()
    session.next_handle = sender.handle
    session.sender(queue, name="next").send()


# Windows


def test_the_session_takes_no_more_transfers_than_its_window_has(wire10: Wire10, sender: Link10, queue: str) -> None:
    for _ in range(5):
        sender.send()
    session = wire10.session(1, incoming_window=2)
    receiver = session.attach(True, queue)
    receiver.count = receiver.answer.number("initial_delivery_count")
    receiver.give(10, incoming_window=2)
    assert [receiver.receive().id for _ in range(2)] == [0, 1] or receiver.count
    session.flow(incoming_window=0, echo=True)
    assert wire10.expect("flow")["handle"] is None
    session.flow(incoming_window=3)
    for _ in range(3):
        receiver.receive()


def test_a_window_of_nothing_holds_everything_back(wire10: Wire10, sender: Link10, queue: str) -> None:
    sender.send()
    session = wire10.session(1, incoming_window=0)
    receiver = session.attach(True, queue)
    receiver.count = receiver.answer.number("initial_delivery_count")
    receiver.give(10, incoming_window=0)
    session.flow(incoming_window=0, echo=True)
    assert wire10.expect("flow")["link_credit"] in (None, 10)
    session.flow(incoming_window=1)
    receiver.receive()


def test_a_flow_that_asks_for_an_echo_gets_the_numbers_of_the_session(session: Session10, sender: Link10) -> None:
    for _ in range(3):
        sender.send()
    flow = session.echo()
    assert flow["next_incoming_id"] == session.next_outgoing == 3
    assert flow.number("incoming_window") > 0
    assert flow["next_outgoing_id"] == session.next_incoming
    assert flow["outgoing_window"] is not None


def test_transfer_ids_go_round(connect10: Connect10, queue: str) -> None:
    session = connect10().session(next_outgoing_id=LAST - 1)
    sender = session.sender(queue)
    for _ in range(4):
        sender.send()
    assert session.echo()["next_incoming_id"] == 2


def test_delivery_ids_go_round(session: Session10, sender: Link10) -> None:
    session.deliveries = LAST - 1
    waiting = [sender.transfer(message()) for _ in range(4)]
    assert waiting == [LAST - 1, LAST, 0, 1]
    settled: set[int] = set()
    while len(settled) < 4:
        found = session.wire.expect("disposition", "flow")
        first, last = found.number("first"), found.number("last", found.number("first"))
        assert found.part("state").name == "accepted"
        settled |= {(first + index) & LAST for index in range(((last - first) & LAST) + 1)}
    assert settled == set(waiting)


def test_more_transfers_than_the_brokers_window_are_a_window_violation(session: Session10, sender: Link10) -> None:
    window = session.begun.number("incoming_window")
    if window > 5000:
        pytest.skip("the window is too large to fill")
    parts = session.wire
    # A message of as many frames as may come, and one more: the broker opens no window in the middle, or does.
    for index in range(window):
        sender.perform("transfer", b"", delivery_id=0, delivery_tag=b"t", message_format=0, more=True)
        session.next_outgoing += 1
        del index
    parts.perform("flow", 0, incoming_window=10, next_outgoing_id=session.next_outgoing, outgoing_window=10, echo=True)
    flow = parts.expect("flow")
    assert flow.number("incoming_window") > 0


@pytest.mark.parametrize("role", [True, False])
def test_a_disposition_of_what_was_never_delivered_does_nothing(session: Session10, role: bool) -> None:
    session.perform("disposition", role=role, first=1000, last=2_000_000_000, settled=True, state=ACCEPTED)
    session.perform("disposition", role=role, first=3, settled=True, state=ACCEPTED)
    session.echo()
