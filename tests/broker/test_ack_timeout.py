"""The ack timeout: what is held for too long is taken back, that message alone."""

from __future__ import annotations

import pytest
from tests.support.timed import Holder, Timed

from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue


def test_a_late_message_goes_to_another_consumer(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    slow = Holder(driven)
    other = Holder(driven)
    driven.wait(9.9)
    assert other.seen == []
    driven.wait(0.2)
    assert (slow.taken_back, other.seen) == (["a"], ["a"])
    assert other.held[0].return_count == 1
    assert queue.unsettled == 1


def test_what_got_less_time_is_taken_back_once(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    slow = Holder(driven)
    queue.renew(slow.held[0], 5.0)
    # Both times are over when somebody looks.
    driven.wait(11)
    assert slow.taken_back == ["a"]
    assert (queue.ready_count, queue.unsettled, queue.counts().returned) == (1, 0, 1)
    assert driven.bodies() == ["a"]


@pytest.mark.parametrize("how", ["accept", "release", "reject"])
def test_settling_it_late_has_no_effect(driven: Timed, how: str) -> None:
    driven.queue("dead")
    queue = driven.queue(x_consumer_timeout=10_000, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("a")
    slow = Holder(driven)
    other = Holder(driven)
    driven.wait(10.1)
    slow.prefetch = 0
    slow.settle(how)
    driven.settle()
    assert (queue.ready_count, queue.unsettled, driven.bodies("dead")) == (0, 1, [])
    other.settle("accept")
    driven.settle()
    assert (queue.ready_count, queue.unsettled) == (0, 0)


def test_a_stuck_consumer_gets_no_more(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    driven.publish("b")
    stuck = Holder(driven)
    driven.wait(10.1)
    driven.wait(30)
    assert stuck.seen == ["a"]
    assert queue.ready_count == 2
    stuck.settle("accept")
    driven.settle()
    assert stuck.seen == ["a", "a"]


def test_what_is_settled_in_time_is_left_alone(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=10_000)
    for body in "abc":
        driven.publish(body)
    holder = Holder(driven)
    for _ in range(3):
        driven.wait(6)
        holder.settle("accept")
        driven.settle()
    driven.wait(20)
    assert (holder.taken_back, queue.ready_count, queue.unsettled) == ([], 0, 0)


def test_only_the_late_one_is_taken_back(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    holder = Holder(driven, prefetch=2)
    driven.wait(5)
    driven.publish("b")
    driven.settle()
    driven.wait(5.1)
    assert holder.taken_back == ["a"]
    driven.wait(5)
    assert holder.taken_back == ["a", "b"]


def test_a_message_that_was_given_back_gets_its_time_anew(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    holder = Holder(driven)
    driven.wait(6)
    holder.settle("release")
    driven.settle()
    driven.wait(6)
    assert (holder.seen, holder.taken_back) == (["a", "a"], [])
    driven.wait(4.1)
    assert holder.taken_back == ["a"]


def test_past_the_delivery_limit_it_is_dead_lettered(driven: Timed) -> None:
    driven.queue("dead")
    queue = driven.queue(
        x_consumer_timeout=1_000, x_delivery_limit=0, x_dead_letter_exchange="", x_dead_letter_routing_key="dead"
    )
    driven.publish("a")
    Holder(driven)
    driven.wait(1.1)
    assert (queue.ready_count, queue.unsettled, driven.bodies("dead")) == (0, 0, ["a"])


def test_it_waits_where_retries_wait(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=1_000, x_retry_delay=5_000)
    driven.publish("a")
    Holder(driven)
    driven.wait(1.1)
    assert (queue.ready_count, queue.delayed_count) == (0, 1)


def test_the_consumer_says_otherwise_than_its_queue(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    driven.publish("b")
    patient = Holder(driven, arguments={"x-consumer-timeout": 60_000})
    usual = Holder(driven)
    driven.wait(10.1)
    assert (patient.taken_back, usual.taken_back) == ([], ["b"])
    driven.wait(50)
    assert patient.taken_back == ["a"]


def test_a_consumer_alone_can_ask_for_it(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("a")
    holder = Holder(driven, arguments={"x-consumer-timeout": 1_000})
    driven.wait(1.1)
    assert holder.taken_back == ["a"]
    queue.unsubscribe(holder)
    assert not queue.featured


@pytest.mark.parametrize("value", [0, -1, "1", 1.5, True])
def test_arguments_that_mean_nothing_are_refused(driven: Timed, value: FieldValue) -> None:
    with pytest.raises(PreconditionFailed, match="invalid arg 'x-consumer-timeout'"):
        driven.operations.declare_queue("q", arguments={"x-consumer-timeout": value})
    queue = driven.queue()
    with pytest.raises(PreconditionFailed, match="invalid arg 'x-consumer-timeout'"):
        Holder(driven, arguments={"x-consumer-timeout": value})
    assert not queue.consumers


def test_what_was_fetched_has_the_deadline_of_the_queue(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=1_000)
    driven.publish("a")
    queued = queue.get()
    assert queued is not None
    driven.wait(1.1)
    assert queue.ready_count == 1
    queued.settlement.accept(queued)
    assert (queue.ready_count, queue.unsettled) == (1, 0)


def test_a_choosy_hand_over_has_deadlines_too(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=1_000)
    driven.publish("a", {"x-group": "g"})
    holder = Holder(driven)
    assert queue.selection is not None
    driven.wait(1.1)
    assert holder.taken_back == ["a"]


def test_a_delivery_is_renewed(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    holder = Holder(driven)
    for _ in range(5):
        driven.wait(9)
        assert queue.renew(holder.held[0], 10)
    driven.wait(9.9)
    assert holder.taken_back == []
    driven.wait(0.2)
    assert holder.taken_back == ["a"]
    late = holder.held[0]
    assert not late.settlement.renew(late, 10)
    assert not queue.renew(late, 10)


def test_a_renewal_can_shorten_the_time(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=60_000)
    driven.publish("a")
    holder = Holder(driven)
    assert queue.renew(holder.held[0], 1)
    driven.wait(1.1)
    assert holder.taken_back == ["a"]


def test_a_renewal_ends_with_its_delivery(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=10_000)
    driven.publish("a")
    holder = Holder(driven)
    queue.renew(holder.held[0], 3_600)
    holder.settle("release")
    driven.settle()
    driven.wait(10.1)
    assert holder.taken_back == ["a"]


def test_without_a_deadline_there_is_nothing_to_renew(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("a")
    holder = Holder(driven)
    assert queue.renew(holder.held[0], 10)
    queue.accept(holder.held[0])
    assert not queue.renew(holder.held[0], 10)


def test_what_was_settled_takes_no_memory(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=3_600_000)
    holder = Holder(driven, prefetch=10)
    for number in range(10_000):
        driven.publish(f"{number}")
        driven.broker.end_turn()
        queue.renew(holder.held[0], 60)
        holder.settle("accept")
    assert queue.ack_timeouts is not None
    assert len(queue.ack_timeouts._heap) <= 1_100
    assert len(queue.ack_timeouts._renewed) <= 1_100


def test_late_messages_are_taken_back_a_slice_a_turn(driven: Timed) -> None:
    queue = driven.queue(x_consumer_timeout=1_000)
    for number in range(1_000):
        driven.publish(f"{number}")
    holder = Holder(driven, prefetch=1_000)
    driven.clock.now += 1.1
    driven.broker.run_timers()
    taken = 0
    while queue.unsettled:
        driven.turn()
        assert 0 < len(holder.taken_back) - taken <= 256
        taken = len(holder.taken_back)
    assert driven.bodies() == [f"{number}" for number in range(1_000)]


def test_a_late_message_survives_a_crash_and_counts_once(stored: Timed) -> None:
    stored.queue(x_consumer_timeout=1_000)
    stored.publish("a")
    Holder(stored)
    stored.wait(1.1)
    stored.crash()
    holder = Holder(stored)
    assert [(queued.message.body, queued.return_count) for queued in holder.held] == [(b"a", 1)]


def test_a_late_message_that_the_disk_refused_is_gone(stored: Timed) -> None:
    """It was handed out before it was committed, and came back before the commit failed."""
    queue = stored.queue(x_consumer_timeout=1_000)
    stored.settle()
    stored.publish("a")
    taker = stored.consume()
    stored.broker.dispatch_touched()
    assert taker.seen == ["a"]
    stored.broker.store.stage()
    stored.clock.now += 1.1
    stored.broker.run_timers()
    assert queue.ack_timeouts is not None
    queue.ack_timeouts.work(10)
    assert queue.ready_count == 1
    stored.fail_staged()
    assert queue.ready_count == 0


def test_a_deleted_queue_has_no_deadlines(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=1_000)
    driven.publish("a")
    holder = Holder(driven)
    driven.operations.delete_queue("q")
    driven.wait(2)
    assert holder.taken_back == []
