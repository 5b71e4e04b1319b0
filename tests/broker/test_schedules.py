"""Repeated schedules: a message is delivered again and again, each time as a copy that asks for nothing."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.support.timed import Timed

from batonmq.broker import KEPT, STORED
from batonmq.broker.features.due_heap import HEAP_MESSAGES
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.properties import Properties
from batonmq.queued import DURABLE, IN_MEMORY

DELAY = "AMQ_SCHEDULED_DELAY"
PERIOD = "AMQ_SCHEDULED_PERIOD"
REPEAT = "AMQ_SCHEDULED_REPEAT"
CRON = "AMQ_SCHEDULED_CRON"
# After 5 s, and three times more, 10 s apart.
SERIES: dict[str, FieldValue] = {DELAY: 5_000, PERIOD: 10_000, REPEAT: 3}
EVERY_MINUTE: dict[str, FieldValue] = {CRON: "* * * * *"}


def until(driven: Timed, second: int = 0) -> float:
    """How long until that second of the next minute."""
    return 60 - driven.clock.time() % 60 + second


def test_a_delay_and_its_repeats(driven: Timed) -> None:
    queue = driven.queue()
    assert driven.publish("m", SERIES) == STORED
    driven.settle()
    taker = driven.consume(prefetch=9)
    seen = []
    for _ in range(5):
        driven.wait(4.9)
        seen.append((len(taker.seen), queue.delayed_count))
        driven.wait(5.1)
        seen.append((len(taker.seen), queue.delayed_count))
    assert seen == [(0, 1), (1, 1), (1, 1), (2, 1), (2, 1), (3, 1), (3, 1), (4, 0), (4, 0), (4, 0)]
    assert [queued.return_count for queued in taker.held] == [0, 0, 0, 0]


def test_for_ever(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", {DELAY: 1_000, PERIOD: 1_000, REPEAT: -1})
    taker = driven.consume(no_ack=True)
    for count in range(1, 50):
        driven.wait(1)
        assert len(taker.seen) == count
    assert queue.delayed_count == 1


@pytest.mark.parametrize("headers", [{"x-delay": 2_000}, {DELAY: 2_000}])
def test_the_first_delivery_by_either_name_of_a_delay(driven: Timed, headers: dict[str, FieldValue]) -> None:
    driven.queue()
    driven.publish("m", headers | {PERIOD: 1_000, REPEAT: 1})
    driven.wait(1.9)
    assert driven.bodies() == []
    driven.wait(1.2)
    driven.wait(1)
    assert driven.bodies() == ["m", "m"]


def test_the_delay_of_a_single_delivery_by_that_name(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", {DELAY: 2_000})
    driven.wait(2.1)
    queued = queue.get()
    assert queued is not None
    assert queued.message.properties.headers == {DELAY: 2_000}


@pytest.mark.parametrize("first", ["delay", "moment", "past", "epoch"])
def test_the_first_delivery_at_once_or_at_a_moment(driven: Timed, first: str) -> None:
    now = int(driven.clock.time() * 1000)
    wish: dict[str, FieldValue] = {
        "delay": {DELAY: 0},
        "moment": {"x-deliver-at": now + 5_000},
        "past": {"x-deliver-at": now - 5_000},
        "epoch": {"x-deliver-at": 0},
    }[first]  # type: ignore[assignment]
    queue = driven.queue()
    driven.publish("m", wish | {PERIOD: 1_000, REPEAT: 1})
    driven.wait(5 if first == "moment" else 0)
    assert (queue.ready_count, queue.delayed_count) == (1, 1)
    driven.wait(1)
    assert driven.bodies() == ["m", "m"]


def test_without_a_delay_the_first_delivery_is_a_period_off(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", {PERIOD: 5_000, REPEAT: 1})
    driven.wait(4.9)
    assert (queue.ready_count, queue.delayed_count) == (0, 1)
    driven.wait(0.2)
    assert (queue.ready_count, queue.delayed_count) == (1, 1)
    driven.wait(5)
    assert driven.bodies() == ["m", "m"]
    assert queue.delayed_count == 0


@pytest.mark.parametrize(
    "headers",
    [{DELAY: 2_000, PERIOD: 1_000}, {DELAY: 2_000, PERIOD: 1_000, REPEAT: 0}, {DELAY: 2_000, PERIOD: 0, REPEAT: 0}],
)
def test_without_repeats_it_comes_once(driven: Timed, headers: dict[str, FieldValue]) -> None:
    queue = driven.queue()
    driven.publish("m", headers)
    driven.wait(1.9)
    assert queue.ready_count == 0
    driven.wait(60)
    assert driven.bodies() == ["m"]
    assert queue.delayed_count == 0


def test_a_cron_alone_comes_at_every_match(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", EVERY_MINUTE)
    taker = driven.consume(no_ack=True)
    driven.wait(until(driven) - 0.1)
    assert taker.seen == []
    driven.wait(0.2)
    for count in range(1, 6):
        assert (len(taker.seen), queue.delayed_count) == (count, 1)
        driven.wait(60)


def test_a_cron_in_local_time(driven: Timed) -> None:
    driven.queue()
    moment = datetime.fromtimestamp(driven.clock.time() + 3_600)
    driven.publish("m", {CRON: f"{moment.minute} {moment.hour} * * *"})
    driven.wait(3_600)
    assert driven.bodies() == ["m"]
    driven.wait(24 * 3_600)
    assert driven.bodies() == ["m", "m"]


def test_a_cron_begins_a_series_at_each_match(driven: Timed) -> None:
    driven.queue()
    driven.publish("m", EVERY_MINUTE | {DELAY: 5_000, PERIOD: 10_000, REPEAT: 2})
    taker = driven.consume(no_ack=True)
    driven.wait(until(driven) + 0.01)
    counts = []
    for _ in range(24):
        driven.wait(5)
        counts.append(len(taker.seen))
    # After 5, 15 and 25 s of each minute.
    assert counts == [1, 1, 2, 2] + [3] * 8 + [4, 4, 5, 5] + [6] * 8


def test_a_delay_longer_than_the_time_between_matches_leaves_none_out(driven: Timed) -> None:
    driven.queue()
    driven.publish("m", EVERY_MINUTE | {DELAY: 90_000})
    taker = driven.consume(no_ack=True)
    driven.wait(until(driven) + 0.01)
    counts = []
    for _ in range(6):
        driven.wait(30)
        counts.append(len(taker.seen))
    assert counts == [0, 0, 1, 1, 2, 2]


def test_no_series_begins_while_one_lasts(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", EVERY_MINUTE | {PERIOD: 50_000, REPEAT: 2})
    taker = driven.consume(no_ack=True)
    driven.wait(until(driven) + 0.01)
    counts = [len(taker.seen)]
    for _ in range(12):
        driven.wait(10)
        counts.append(len(taker.seen))
        assert queue.delayed_count == 1
    # At 0, 50 and 100 s, and the next minute after that.
    assert counts == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4]


def test_a_copy_asks_for_nothing(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", SERIES | {"own": 1, "x-delay": 5_000})
    driven.wait(5.1)
    queued = queue.get()
    assert queued is not None
    assert queued.message.properties.headers == {"own": 1}
    assert (queued.message.exchange, queued.message.routing_key, queued.message.body) == ("", "q", b"m")
    assert queued.message.properties.persistent
    driven.wait(10)
    plain = queue.get()
    assert plain is not None
    queue.release([queued, plain])
    driven.wait(0)
    assert (queue.ready_count, queue.delayed_count) == (2, 1)


def test_a_copy_without_other_headers_has_none(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", SERIES)
    driven.wait(5.1)
    queued = queue.get()
    assert queued is not None
    assert queued.message.properties.plain


def test_a_dead_letter_is_not_scheduled_again(driven: Timed) -> None:
    dead = driven.queue("dead")
    queue = driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m", SERIES)
    driven.wait(5.1)
    queued = queue.get()
    assert queued is not None
    queue.reject(queued)
    assert (dead.ready_count, dead.delayed_count) == (1, 0)


def test_what_an_older_version_carried_along_unread_is_not_scheduled_as_a_dead_letter(driven: Timed) -> None:
    dead = driven.queue("dead")
    queue = driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m", {DELAY: 1_000})
    driven.wait(1.1)
    queued = queue.get()
    assert queued is not None
    unread = Properties.make(headers={DELAY: "1000", PERIOD: "1000", REPEAT: "9", "own": 1})
    queued.message = queued.message.with_properties(unread)
    queue.reject(queued)
    assert (dead.ready_count, dead.delayed_count) == (1, 0)


def test_a_message_that_came_back_repeats_nothing(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=1_000)
    driven.publish("m", {DELAY: 1_000, PERIOD: 60_000, REPEAT: 1})
    driven.wait(1)
    queued = queue.get()
    assert queued is not None
    queue.release([queued])
    assert queue.delayed_count == 2
    driven.wait(1.1)
    assert (queue.ready_count, queue.delayed_count) == (1, 1)


def test_the_repeats_are_no_deliveries_that_failed(stored: Timed) -> None:
    queue = stored.queue(x_delivery_limit=2)
    stored.publish("m", SERIES)
    stored.settle()
    for _ in range(4):
        stored.wait(10)
        stored.crash()
        stored.settle()
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (4, 0)
    for _ in range(4):
        queued = queue.get()
        assert queued is not None
        assert (queued.return_count, queued.message.properties.headers) == (0, None)


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({DELAY: -1, PERIOD: 1, REPEAT: 1}, DELAY),
        ({DELAY: "soon"}, DELAY),
        ({DELAY: 1, PERIOD: 0, REPEAT: 1}, PERIOD),
        ({DELAY: 1, PERIOD: -1, REPEAT: 1}, PERIOD),
        ({DELAY: 1, PERIOD: "1", REPEAT: 1}, PERIOD),
        ({DELAY: 1, PERIOD: 1.5, REPEAT: 1}, PERIOD),
        ({DELAY: 1, PERIOD: True, REPEAT: 1}, PERIOD),
        ({DELAY: 1, PERIOD: 1 << 62, REPEAT: 1}, PERIOD),
        ({DELAY: 1, REPEAT: 1}, REPEAT),
        ({DELAY: 1, PERIOD: -1}, PERIOD),
        ({DELAY: 1, PERIOD: 1, REPEAT: -2}, REPEAT),
        ({DELAY: 1, PERIOD: 1, REPEAT: "3"}, REPEAT),
        ({DELAY: 1, PERIOD: 1, REPEAT: 1 << 31}, REPEAT),
        ({DELAY: 1, PERIOD: 1, REPEAT: True}, REPEAT),
        ({CRON: 5}, CRON),
        ({CRON: "daily"}, CRON),
        ({CRON: "0 0 30 2 *"}, CRON),
        ({CRON: "* * * * *", REPEAT: 1}, REPEAT),
        ({CRON: "* * * * *", "x-deliver-at": 5}, CRON),
    ],
)
def test_what_is_no_schedule_is_refused(driven: Timed, headers: dict[str, FieldValue], name: str) -> None:
    queue = driven.queue()
    with pytest.raises(PreconditionFailed, match=f"invalid header '{name}'"):
        driven.publish("never", headers)
    assert queue.ready_count == queue.delayed_count == 0


@pytest.mark.parametrize("headers", [SERIES, EVERY_MINUTE, EVERY_MINUTE | {PERIOD: 10_000, REPEAT: 2}])
def test_a_schedule_survives_a_crash_at_any_time(stored: Timed, headers: dict[str, FieldValue]) -> None:
    stored.queue()
    stored.publish("m", headers)
    stored.settle()
    stored.wait(until(stored) + 0.01)
    start = stored.operations.find_queue("q").ready_count
    counts = []
    for _ in range(12):
        stored.wait(5)
        stored.crash()
        stored.wait(0)
        counts.append(stored.operations.find_queue("q").ready_count)
    other = Timed()
    other.queue()
    other.publish("m", headers)
    other.wait(until(other) + 0.01)
    assert other.operations.find_queue("q").ready_count == start
    for count in counts:
        other.wait(5)
        assert other.operations.find_queue("q").ready_count == count


def test_an_orderly_stop_keeps_it_too(stored: Timed) -> None:
    stored.queue()
    stored.publish("m", SERIES)
    stored.wait(5.1)
    stored.broker.close()
    stored.start()
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (1, 1)
    for _ in range(5):
        stored.wait(10)
    assert (queue.ready_count, queue.delayed_count) == (4, 0)


def test_times_missed_while_the_broker_was_down_come_as_one(stored: Timed) -> None:
    stored.queue()
    stored.publish("m", SERIES)
    stored.settle()
    stored.crash()
    # The first and two repeats are over; what is left of the repeats comes at its places in time.
    stored.clock.now += 27
    stored.wait(0)
    stored.wait(0)
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (1, 1)
    counts = []
    for _ in range(8):
        stored.wait(4)
        counts.append(queue.ready_count)
    assert counts == [1, 2, 2, 2, 3, 3, 4, 4]
    assert queue.delayed_count == 0


def test_matches_missed_while_the_broker_was_down_come_as_one(stored: Timed) -> None:
    stored.queue()
    stored.publish("m", EVERY_MINUTE)
    stored.settle()
    stored.crash()
    stored.clock.now += 24 * 3_600
    stored.wait(0)
    stored.wait(0)
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (1, 1)
    stored.wait(until(stored) - 0.1)
    assert queue.ready_count == 1
    stored.wait(0.2)
    assert queue.ready_count == 2


@pytest.mark.parametrize("repeat", [1, 3])
def test_a_crash_before_the_commit_takes_back_both_the_copy_and_the_next_time(stored: Timed, repeat: int) -> None:
    stored.queue()
    stored.publish("m", {DELAY: 1_000, PERIOD: 3_600_000, REPEAT: repeat})
    stored.wait(1.1)
    assert stored.bodies() == ["m"]
    stored.clock.now += 3_600
    stored.broker.run_timers()
    stored.broker.end_turn()
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (2, repeat - 1 and 1)
    stored.broker.store.stage()
    stored.crash()
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (1, 1)
    stored.wait(0)
    stored.wait(0)
    assert (queue.ready_count, queue.delayed_count) == (2, repeat - 1 and 1)


@pytest.mark.parametrize("repeat", [1, 3])
def test_a_delivery_that_the_disk_refused_is_made_good(stored: Timed, repeat: int) -> None:
    stored.queue()
    stored.publish("m", {DELAY: 1_000, PERIOD: 3_600_000, REPEAT: repeat})
    stored.wait(1.1)
    stored.clock.now += 3_600
    stored.broker.run_timers()
    stored.broker.end_turn()
    stored.fail()
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (2, repeat - 1 and 1)
    stored.settle()
    stored.crash()
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (2, repeat - 1 and 1)
    for _ in range(3):
        stored.wait(3_600)
    assert queue.ready_count == repeat + 1


def test_a_schedule_that_the_disk_refused_is_gone(stored: Timed) -> None:
    queue = stored.queue()
    stored.settle()
    stored.publish("m", SERIES)
    stored.fail()
    assert queue.delayed_count == 0
    stored.wait(60)
    assert queue.ready_count == 0


def test_a_transient_message_repeats_in_memory_alone(stored: Timed) -> None:
    queue = stored.queue()
    assert stored.publish("m", SERIES, persistent=False) == KEPT
    stored.wait(5.1)
    queued = queue.get()
    assert queued is not None
    assert queued.stored == IN_MEMORY
    queue.release([queued])
    stored.settle()
    stored.crash()
    stored.wait(60)
    queue = stored.operations.find_queue("q")
    assert (queue.ready_count, queue.delayed_count) == (0, 0)


def test_a_queue_that_does_not_last_repeats_too(driven: Timed) -> None:
    queue = driven.queue(durable=False)
    assert driven.publish("m", SERIES) == KEPT
    driven.wait(5.1)
    driven.wait(10)
    assert queue.ready_count == 2
    queued = queue.get()
    assert queued is not None
    assert queued.stored != DURABLE


def test_time_to_live_counts_from_each_delivery(driven: Timed) -> None:
    queue = driven.queue(x_message_ttl=4_000)
    driven.publish("m", SERIES)
    counts = []
    driven.wait(0.5)
    for _ in range(7):
        driven.wait(5)
        counts.append(queue.ready_count)
    assert counts == [1, 0, 1, 0, 1, 0, 1]


def test_a_purge_leaves_the_schedule(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", SERIES)
    driven.wait(5.1)
    assert queue.purge() == 1
    driven.wait(10)
    assert (queue.ready_count, queue.delayed_count) == (1, 1)


def test_a_deleted_queue_takes_its_schedules_along(driven: Timed) -> None:
    driven.queue()
    driven.publish("m", SERIES)
    driven.publish("n", EVERY_MINUTE)
    driven.wait(5.1)
    driven.operations.delete_queue("q")
    driven.settle()
    queue = driven.queue()
    driven.wait(120)
    assert (queue.ready_count, queue.delayed_count) == (0, 0)
    assert driven.broker.scheduler.memory.used == 0


def test_each_copy_goes_to_the_lane_of_its_priority(driven: Timed) -> None:
    queue = driven.queue(x_max_priority=5)
    driven.publish("low")
    queue.publish(driven.message("high", {DELAY: 1_000, PERIOD: 1_000, REPEAT: 1}, priority=4))
    driven.wait(1.1)
    driven.wait(1)
    assert driven.bodies() == ["high", "high", "low"]


def test_a_full_queue_that_refuses_takes_no_copy(driven: Timed) -> None:
    dead = driven.queue("dead")
    queue = driven.queue(
        x_max_length=1, x_overflow="reject-publish-dlx", x_dead_letter_exchange="", x_dead_letter_routing_key="dead"
    )
    driven.publish("m", SERIES)
    driven.wait(5.1)
    driven.wait(10)
    assert (queue.ready_count, queue.delayed_count, dead.ready_count) == (1, 1, 1)
    assert driven.bodies() == ["m"]
    queue.purge()
    driven.wait(10)
    assert (queue.ready_count, dead.ready_count) == (1, 1)


def test_a_full_queue_drops_its_head(driven: Timed) -> None:
    queue = driven.queue(x_max_length=2)
    driven.publish("old")
    driven.publish("m", SERIES)
    driven.wait(5.1)
    driven.wait(10)
    assert queue.ready_count == 2
    assert driven.bodies() == ["m", "m"]


def test_each_queue_repeats_for_itself(driven: Timed) -> None:
    first, second = driven.queue("q"), driven.queue("p")
    message = driven.message("m" * 20_000, SERIES)
    driven.operations.vhost.router.publish(message, [first, second])
    driven.wait(5.1)
    driven.operations.delete_queue("p")
    for _ in range(4):
        driven.wait(10)
    assert driven.bodies("q") == ["m" * 20_000] * 4
    assert second.deleted


@pytest.mark.parametrize("persistent", [True, False])
def test_more_than_memory_holds(stored: Timed, persistent: bool) -> None:
    queue = stored.queue()
    count = HEAP_MESSAGES + 500
    for number in range(count):
        stored.publish(f"{number}", {DELAY: 1_000, PERIOD: 600_000, REPEAT: 1}, persistent=persistent)
        if number % 500 == 0:
            stored.settle()
    stored.wait(1.1)
    assert (queue.ready_count, queue.delayed_count) == (count, count)
    assert queue.delays is not None
    assert len(queue.delays._heap) <= HEAP_MESSAGES
    assert queue.purge() == count
    stored.wait(600)
    assert queue.delayed_count == 0
    assert stored.bodies() == [f"{number}" for number in range(count)]
