"""Links: attaching, credit, windows, transfers, outcomes, and how they end (part 2 §2.5 to §2.8)."""

from __future__ import annotations

import time

import pytest

from batonmq.engines.amqp10.client.channel import WINDOW
from batonmq.engines.amqp10.client.receiver import ACCEPTED, Receiver
from batonmq.errors import AccessRefused, BrokerError, ConnectionLost, NotFound, ResourceError
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Close,
    Detach,
    Disposition,
    End,
    Error,
    Flow,
    Modified,
    Open,
    Received,
    Rejected,
    Released,
    Source,
    Transfer,
)
from tests.engines.amqp10.client.scripted import PLAIN_BODY, Scripted, Takes


@pytest.fixture
def script() -> Scripted:
    return Scripted().open()


# ---------------------------------------------------------------------- attaching


def test_begin_and_attach_go_out_together(script: Scripted) -> None:
    session = script.client.begin()
    session.attach(Receiver("r", Source(address="q"), Takes()), receives=True)
    assert [type(event[2]).__name__ for event in script.listen() if event[0] == 2] == ["Begin", "Attach"]


def test_a_refused_link_tells_why_and_was_never_attached(script: Scripted) -> None:
    session = script.client.begin()
    user = Takes()
    session.attach(Receiver("r", Source(address="q"), user), receives=True)
    script.begin()
    script.listen()
    script.say(
        Attach(name="r", handle=0, role=False, initial_delivery_count=0),
        Detach(handle=0, closed=True, error=Error(condition="amqp:not-found", description="no queue 'q'")),
    )
    assert user.attach is None
    (error,) = user.ended
    assert isinstance(error, NotFound)
    assert str(error) == "no queue 'q'"
    assert script.said(Detach) == [Detach(handle=0, closed=True)]


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("amqp:unauthorized-access", AccessRefused),
        ("amqp:resource-deleted", NotFound),
        ("amqp:resource-limit-exceeded", ResourceError),
        ("amqp:link:stolen", BrokerError),
    ],
)
def test_a_link_that_the_broker_ends_has_its_words(script: Scripted, condition: str, kind: type[BrokerError]) -> None:
    link, user = script.receiver()
    script.say(Detach(handle=0, closed=True, error=Error(condition=condition, description="that is why")))
    (error,) = user.ended
    assert type(error) is kind
    assert "that is why" in str(error)
    assert link.is_gone


def test_a_link_is_closed_once_and_what_comes_meanwhile_is_nobodys(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(5)
    link.close()
    link.close()
    assert script.said(Detach) == [Detach(handle=0, closed=True)]
    script.transfer(0)
    script.say(Detach(handle=0, closed=True))
    assert (user.came, user.ended) == ([], [None])
    assert script.said(Detach) == []


def test_handles_are_used_again(script: Scripted) -> None:
    link, _ = script.receiver(handle=4)
    link.close()
    script.say(Detach(handle=4, closed=True))
    script.listen()
    again = Receiver("again", Source(address="q"), Takes())
    session = next(iter([script.client.begin()]))
    session.attach(again, receives=True)
    (attach,) = script.said(Attach)
    assert attach.handle == 0


def test_a_session_has_as_many_links_as_the_broker_takes(script: Scripted) -> None:
    session = script.client.begin()
    script.begin(handle_max=1)
    for name in ("a", "b"):
        session.attach(Receiver(name, Source(address="q"), Takes()), receives=True)
    with pytest.raises(ConnectionLost, match="2 links"):
        session.attach(Receiver("c", Source(address="q"), Takes()), receives=True)


def test_a_session_that_the_broker_ends_takes_its_links_along(script: Scripted) -> None:
    _, first = script.receiver()
    script.say(End(error=Error(condition="amqp:internal-error", description="oops")))
    assert script.said(End) == [End()]
    (error,) = first.ended
    assert "oops" in str(error)
    assert script.client.is_open


def test_of_a_session_that_ends_for_a_link_that_was_refused_the_others_are_lost(script: Scripted) -> None:
    session = script.client.begin()
    innocent, refused = Takes(), Takes()
    session.attach(Receiver("innocent", Source(address="q"), innocent), receives=True)
    script.begin()
    script.say(Attach(name="innocent", handle=0, role=False, source=Source(), initial_delivery_count=0))
    session.attach(Receiver("refused", Source(address="x"), refused), receives=True)
    script.say(End(error=Error(condition="amqp:not-found", description="no queue 'x'")))
    assert [type(each) for each in innocent.ended] == [ConnectionLost]
    assert [type(each) for each in refused.ended] == [NotFound]


def test_a_session_for_one_link_ends_with_it(script: Scripted) -> None:
    session = script.client.begin(for_one=True)
    link = Receiver("r", Source(address="q"), Takes())
    session.attach(link, receives=True)
    script.begin()
    script.say(Attach(name="r", handle=0, role=False, source=Source(), initial_delivery_count=0))
    link.close()
    script.listen()
    script.say(Detach(handle=0, closed=True))
    assert script.said(End) == [End()]
    assert session.is_gone


# ---------------------------------------------------------------------- receiving


def test_credit_is_said_with_the_count_of_the_link(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(3)
    (flow,) = script.said(Flow)
    assert (flow.handle, flow.delivery_count, flow.link_credit, flow.next_incoming_id) == (0, 0, 3, 0)
    script.transfer(0)
    script.transfer(1)
    assert [number for number, _, _ in user.came] == [0, 1]
    assert link.credit == 1
    link.give_credit(5)
    (flow,) = script.said(Flow)
    assert (flow.delivery_count, flow.link_credit, flow.next_incoming_id) == (2, 5, 2)


def test_a_message_in_several_transfers_is_one(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(2)
    script.transfer(0, b"one ", more=True)
    script.transfer(None, b"two ", more=True)
    script.transfer(0, b"three")
    assert user.came == [(0, b"one two three", False)]
    assert link.credit == 1


def test_a_message_that_is_aborted_never_came(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(2)
    script.transfer(0, b"one ", more=True)
    script.transfer(None, b"", aborted=True)
    script.transfer(1, PLAIN_BODY)
    assert user.came == [(1, PLAIN_BODY, False)]


@pytest.mark.parametrize("transfers", [1, 2])
def test_the_credit_of_a_message_that_is_aborted_is_given_again(script: Scripted, transfers: int) -> None:
    link, user = script.receiver()
    link.give_credit(1)
    script.listen()
    if transfers == 2:
        script.transfer(0, b"one ", more=True)
    script.transfer(0, b"", aborted=True, more=True)
    (flow,) = script.said(Flow)
    assert (flow.delivery_count, flow.link_credit, link.credit) == (1, 1, 1)
    script.transfer(1)
    assert user.came == [(1, PLAIN_BODY, False)]


@pytest.mark.parametrize("how", [(False, False), (True, False), (False, True)])
def test_more_messages_than_there_was_credit_for_end_the_link_alone(script: Scripted, how: tuple[bool, bool]) -> None:
    link, user = script.receiver()
    other, others = script.receiver()
    link.give_credit(1)
    other.give_credit(1)
    script.transfer(0)
    script.listen()
    for number in range(1, 50):
        script.transfer(number, aborted=how[0], more=how[1])
    # §2.8.14: said once, and nothing of what came is kept.
    (detach,) = script.said(Detach)
    assert (detach.handle, detach.closed) == (0, True)
    assert detach.error is not None
    assert detach.error.condition == "amqp:link:transfer-limit-exceeded"
    assert [number for number, _, _ in user.came] == [0]
    (error,) = user.ended
    assert isinstance(error, BrokerError)
    assert "transfer-limit-exceeded: the broker sent more messages on link" in str(error)
    assert link.is_gone
    link.close()
    script.say(Detach(handle=0, closed=True))
    assert len(user.ended) == 1
    assert script.said(Detach) == []
    # The connection, and who else is on it, go on.
    made = Transfer(handle=0, delivery_id=0, delivery_tag=b"t", message_format=0)
    script.client.receive(frame(1, made, PLAIN_BODY))
    assert ([number for number, _, _ in others.came], others.ended) == ([0], [])


def test_what_was_on_its_way_when_credit_was_taken_back_is_taken(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(3)
    script.transfer(0)
    link.give_credit(0)
    for number in (1, 2):
        script.transfer(number)
    link.give_credit(1)
    script.transfer(3)
    assert (len(user.came), user.ended) == (4, [])
    script.transfer(4)
    assert (len(user.came), len(user.ended)) == (4, 1)


def test_a_drain_takes_back_what_was_not_used(script: Scripted) -> None:
    link, user = script.receiver()
    link.drain(5)
    script.transfer(0)
    script.give_credit(0, seen=5, drain=True)
    assert user.drains == 1
    script.transfer(1)
    assert (len(user.came), len(user.ended)) == (1, 1)


def test_a_drain_ends_with_a_message_that_is_aborted(script: Scripted) -> None:
    link, user = script.receiver()
    link.drain(1)
    script.transfer(0, b"", aborted=True)
    assert (user.came, user.drains) == ([], 1)


def test_a_message_in_many_transfers_costs_no_more_for_each(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(1)
    piece = Transfer(handle=0, more=True)
    before = time.process_time()
    for _ in range(20_000):
        link.take(piece, 0, b".")
    link.take(Transfer(handle=0), 0, b".")
    assert len(user.came[0][1]) == 20_001
    # A hundredth; it was more than two when all pieces were counted with each.
    assert time.process_time() - before < 0.5


def test_outcomes_that_follow_each_other_are_one_range(script: Scripted) -> None:
    link, _ = script.receiver()
    link.give_credit(9)
    for number in range(6):
        script.transfer(number)
    script.listen()
    released = Released()
    for number, state in ((0, ACCEPTED), (1, ACCEPTED), (2, ACCEPTED), (3, released), (5, ACCEPTED)):
        link.settle(number, state)
    said = [(each.first, each.last, each.state, each.settled, each.role) for each in script.said(Disposition)]
    assert said == [
        (0, 2, Accepted(), True, True),
        (3, None, Released(), True, True),
        (5, None, Accepted(), True, True),
    ]


def test_outcomes_go_out_before_what_is_said_after_them(script: Scripted) -> None:
    link, _ = script.receiver()
    link.give_credit(1)
    script.transfer(0)
    script.listen()
    link.settle(0, ACCEPTED)
    link.give_credit(1)
    kinds = [type(event[2]).__name__ for event in script.listen() if event[0] == 2]
    assert kinds == ["Disposition", "Flow"]


@pytest.mark.parametrize("used", [0, 2])
def test_a_drain_ends_when_the_broker_has_given_what_there_is(script: Scripted, used: int) -> None:
    link, user = script.receiver()
    link.drain(5)
    (flow,) = script.said(Flow)
    assert (flow.link_credit, flow.drain) == (5, True)
    for number in range(used):
        script.transfer(number)
    assert user.drains == 0
    script.say(
        Flow(
            next_incoming_id=0,
            incoming_window=9,
            next_outgoing_id=used,
            outgoing_window=9,
            handle=0,
            delivery_count=5,
            link_credit=0,
            drain=True,
        )
    )
    assert (user.drains, link.credit) == (1, 0)
    link.give_credit(1)
    assert script.said(Flow)[0].delivery_count == 5


def test_a_drain_ends_when_all_of_its_credit_was_used(script: Scripted) -> None:
    link, user = script.receiver()
    link.drain(1)
    script.transfer(0)
    assert user.drains == 1


def test_who_stops_is_told_when_what_was_on_its_way_has_come(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(2)
    script.listen()
    link.stop()
    (flow,) = script.said(Flow)
    assert (flow.link_credit, flow.echo) == (0, True)
    script.transfer(0)
    assert (user.came, user.drains) == ([(0, PLAIN_BODY, False)], 0)
    for _ in range(2):
        script.say(
            Flow(
                next_incoming_id=0,
                incoming_window=9,
                next_outgoing_id=1,
                outgoing_window=9,
                handle=0,
                delivery_count=1,
                link_credit=0,
            )
        )
    assert user.drains == 1


def test_the_window_is_renewed_before_it_is_used_up(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(WINDOW)
    script.listen()
    for number in range(WINDOW // 2 + 1):
        script.transfer(number)
    (flow,) = script.said(Flow)
    assert (flow.handle, flow.next_incoming_id, flow.incoming_window) == (None, WINDOW // 2 + 1, WINDOW)
    assert len(user.came) == WINDOW // 2 + 1


def test_what_the_broker_settles_by_itself_is_told(script: Scripted) -> None:
    link, user = script.receiver()
    link.give_credit(2)
    script.transfer(0)
    script.transfer(1)
    script.say(Disposition(role=False, first=0, last=5, settled=True, state=Released()))
    assert user.changes == [(0, Released()), (1, Released())]
    script.say(Disposition(role=False, first=0, settled=True, state=Released()))
    assert len(user.changes) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        frame(0, Transfer(handle=3, delivery_id=0, delivery_tag=b"0"), PLAIN_BODY),
        frame(0, Transfer(handle=0, message_format=0), PLAIN_BODY),
        frame(0, Detach(handle=3)),
        frame(0, Attach(name="other", handle=3, role=False, source=Source(), initial_delivery_count=0)),
        frame(0, Attach(name="link", handle=0, role=False, source=Source(), initial_delivery_count=0)),
        frame(0, Flow(next_incoming_id=0, incoming_window=1, next_outgoing_id=0, outgoing_window=1, handle=9)),
        frame(0, Open(container_id="again")),
    ],
)
def test_what_does_not_belong_there_ends_the_connection(script: Scripted, wrong: bytes) -> None:
    _, user = script.receiver()
    script.client.receive(wrong)
    (close,) = script.said(Close)
    assert close.error is not None
    assert [type(each) for each in user.ended] == [ConnectionLost]


def test_a_delivery_that_begins_amid_another_ends_the_connection(script: Scripted) -> None:
    link, _ = script.receiver()
    link.give_credit(2)
    script.transfer(0, b"one", more=True)
    script.transfer(1, b"two")
    assert script.client.is_closed


# ---------------------------------------------------------------------- sending


def test_messages_wait_for_the_attach_and_for_credit(script: Scripted) -> None:
    link, user = script.sender(credit=0)
    link.send((PLAIN_BODY,) * 3, "batch")
    assert script.sent() == []
    script.give_credit(2)
    assert [number for _, number, _ in script.sent()] == [0, 1]
    script.give_credit(2, seen=2)
    assert [number for _, number, _ in script.sent()] == [2]
    script.say(Disposition(role=True, first=0, last=2, settled=True, state=Accepted()))
    assert user.outcomes == [("batch", Accepted())] * 3


def test_messages_wait_for_the_window(script: Scripted) -> None:
    link, _ = script.sender(credit=50, window=2)
    link.send((PLAIN_BODY,) * 5, "batch")
    assert len(script.sent()) == 2
    script.give_credit(50, seen=2, window=1)
    assert len(script.sent()) == 1
    script.say(Flow(next_incoming_id=3, incoming_window=9, next_outgoing_id=0, outgoing_window=9))
    assert len(script.sent()) == 2


def test_a_large_message_goes_out_in_frames_that_the_broker_takes() -> None:
    script = Scripted().open(Open(container_id="broker", max_frame_size=512))
    link, user = script.sender(credit=9, window=2)
    link.send((bytes(1500), PLAIN_BODY), "batch")
    parts = script.sent()
    script.give_credit(9, seen=2, window=9)
    parts += script.sent()
    assert [shape.more for shape, _, _ in parts] == [True, True, True, False, None]
    assert b"".join(payload for _, _, payload in parts[:4]) == bytes(1500)
    assert parts[4][1:] == (1, PLAIN_BODY)
    script.say(Disposition(role=True, first=0, last=1, settled=True, state=Accepted()))
    assert user.outcomes == [("batch", Accepted())] * 2


@pytest.mark.parametrize("state", [Accepted(), Released(), Modified(delivery_failed=True), Rejected()])
def test_an_outcome_that_is_not_settled_is_settled_by_us(
    script: Scripted, state: Accepted | Released | Modified | Rejected
) -> None:
    link, user = script.sender()
    link.send((PLAIN_BODY,), "one")
    script.listen()
    script.say(Disposition(role=True, first=0, state=state))
    assert user.outcomes == [("one", state)]
    (settled,) = script.said(Disposition)
    assert (settled.role, settled.first, settled.settled) == (False, 0, True)


def test_how_far_the_broker_has_got_is_no_outcome(script: Scripted) -> None:
    link, user = script.sender()
    link.send((PLAIN_BODY,), "one")
    script.say(Disposition(role=True, first=0, state=Received(section_number=0, section_offset=4)))
    assert user.outcomes == []


def test_a_range_of_nonsense_settles_what_is_in_it(script: Scripted) -> None:
    link, user = script.sender()
    link.send((PLAIN_BODY,) * 2, "two")
    script.say(Disposition(role=True, first=5, last=3, settled=True, state=Accepted()))
    assert user.outcomes == []
    script.say(Disposition(role=True, first=2**32 - 5, last=2**31 - 20, settled=True, state=Accepted()))
    assert len(user.outcomes) == 2


def test_credit_that_is_drained_is_given_back(script: Scripted) -> None:
    link, _ = script.sender(credit=0)
    script.give_credit(7, drain=True)
    (flow,) = script.said(Flow)
    assert (flow.delivery_count, flow.link_credit, flow.drain) == (7, 0, True)
    link.send((PLAIN_BODY,), "late")
    assert script.sent() == []
    script.give_credit(1, seen=7)
    assert len(script.sent()) == 1


def test_an_echo_is_answered(script: Scripted) -> None:
    script.sender(credit=0)
    script.give_credit(4, echo=True)
    (flow,) = script.said(Flow)
    assert (flow.handle, flow.link_credit) == (0, 4)
    script.say(Flow(next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9, echo=True))
    assert script.said(Flow)[0].handle is None


def test_credit_that_is_taken_back_stops_the_link(script: Scripted) -> None:
    link, _ = script.sender(credit=2)
    script.give_credit(0)
    link.send((PLAIN_BODY,), "one")
    assert script.sent() == []


def test_no_outcome_is_told_after_the_link_is_gone(script: Scripted) -> None:
    link, user = script.sender()
    link.send((PLAIN_BODY,), "one")
    script.say(Detach(handle=0, closed=True, error=Error(condition="amqp:resource-deleted")))
    script.say(Disposition(role=True, first=0, settled=True, state=Accepted()))
    assert user.outcomes == []
    assert [type(each) for each in user.ended] == [NotFound]


def test_the_size_that_the_broker_takes_is_known(script: Scripted) -> None:
    link, _ = script.sender(max_message_size=1000)
    assert link.max_message_size == 1000
