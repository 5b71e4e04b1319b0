"""De-duplication: of messages with one key only the first is taken, within the window, over restarts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.support.timed import Holder, Timed

from batonmq.broker import KEPT, STORED
from batonmq.broker.features.publish_headers import key_of
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue, LongLong, UnsignedByte

KEY = "x-deduplication-header"


def rows(driven: Timed) -> int:
    store = driven.broker.store
    count: int = store._db.execute("SELECT count(*) FROM seen").get  # type: ignore[attr-defined]
    return count


def test_the_second_of_two_is_dropped_and_safe(driven: Timed) -> None:
    driven.queue(x_deduplication_window=60_000)
    assert driven.publish("first", {KEY: "k"}) == STORED
    # Its confirm waits for the first one's.
    assert driven.publish("second", {KEY: "k"}) == STORED
    driven.settle()
    assert driven.publish("third", {KEY: "k"}) == KEPT
    assert driven.publish("other", {KEY: "l"}) == STORED
    assert driven.publish("none") == STORED
    assert driven.bodies() == ["first", "other", "none"]


def test_it_stays_dropped_when_the_first_is_done_with(driven: Timed) -> None:
    queue = driven.queue(x_deduplication_window=60_000)
    driven.publish("first", {KEY: "k"})
    holder = Holder(driven)
    holder.settle("accept")
    driven.publish("second", {KEY: "k"})
    driven.settle()
    assert queue.ready_count == 0


def test_a_queue_that_was_not_asked_to_takes_all(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("first", {KEY: "k"})
    driven.publish("second", {KEY: "k"})
    assert queue.ready_count == 2


def test_the_window_ends(driven: Timed) -> None:
    queue = driven.queue(x_deduplication_window=10_000)
    driven.publish("first", {KEY: "k"})
    driven.wait(9)
    driven.publish("second", {KEY: "k"})
    assert queue.ready_count == 1
    driven.wait(1.1)
    driven.publish("third", {KEY: "k"})
    driven.publish("fourth", {KEY: "k"})
    assert driven.bodies() == ["first", "third"]


def test_so_many_keys_are_known(driven: Timed) -> None:
    driven.queue(x_deduplication_size=3)
    for key in "abcd":
        driven.publish(key, {KEY: key})
    driven.publish("b again", {KEY: "b"})
    driven.publish("a again", {KEY: "a"})
    assert driven.bodies() == ["a", "b", "c", "d", "a again"]


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), ("a", b"a"), ("a", "A"), (1, 2), ("", "0")], ids=["number", "binary", "case", "2", ""]
)
def test_different_values_differ(one: FieldValue, other: FieldValue) -> None:
    assert key_of({KEY: one}) != key_of({KEY: other})


def test_a_number_is_the_same_whatever_its_width() -> None:
    assert key_of({KEY: UnsignedByte(7)}) == key_of({KEY: LongLong(7)}) == key_of({KEY: 7})


@pytest.mark.parametrize("value", [1.5, True, [1], {"a": 1}, Decimal("1.5")])
def test_what_is_no_key_is_refused(driven: Timed, value: FieldValue) -> None:
    driven.queue(x_deduplication_window=60_000)
    with pytest.raises(PreconditionFailed, match=f"invalid header '{KEY}'"):
        driven.publish("a", {KEY: value})


@pytest.mark.parametrize("name", ["x-deduplication-window", "x-deduplication-size"])
@pytest.mark.parametrize("value", [0, -1, "1", 1.5, True])
def test_arguments_that_mean_nothing_are_refused(driven: Timed, name: str, value: FieldValue) -> None:
    with pytest.raises(PreconditionFailed, match=f"invalid arg '{name}'"):
        driven.operations.declare_queue("q", arguments={name: value})


def test_a_refused_message_leaves_no_key(driven: Timed) -> None:
    queue = driven.queue(x_deduplication_window=60_000, x_max_length=1, x_overflow="reject-publish")
    driven.publish("full")
    driven.publish("refused", {KEY: "k"})
    queue.purge()
    driven.publish("taken", {KEY: "k"})
    assert driven.bodies() == ["taken"]


def test_a_delayed_message_is_known_at_once(driven: Timed) -> None:
    queue = driven.queue(x_deduplication_window=60_000)
    driven.publish("first", {KEY: "k", "x-delay": 1_000})
    driven.publish("second", {KEY: "k"})
    assert (queue.ready_count, queue.delayed_count) == (0, 1)
    driven.wait(1.1)
    assert driven.bodies() == ["first"]


def test_a_dead_letter_that_comes_back_is_no_duplicate(driven: Timed) -> None:
    driven.queue(x_deduplication_window=60_000, x_dead_letter_exchange="", x_dead_letter_routing_key="wait")
    driven.queue("wait", x_message_ttl=1_000, x_dead_letter_exchange="", x_dead_letter_routing_key="q")
    driven.publish("a", {KEY: "k"})
    holder = Holder(driven)
    holder.settle("reject")
    driven.wait(1.1)
    assert holder.seen == ["a", "a"]


def test_each_queue_knows_its_own(driven: Timed) -> None:
    driven.queue("one", x_deduplication_window=60_000)
    driven.queue("two", x_deduplication_window=60_000)
    driven.publish("a", {KEY: "k"}, queue="one")
    driven.publish("a", {KEY: "k"}, queue="two")
    assert driven.bodies("one") == driven.bodies("two") == ["a"]


@pytest.mark.parametrize("orderly", [True, False])
def test_keys_survive_a_restart(stored: Timed, orderly: bool) -> None:
    stored.queue(x_deduplication_window=60_000)
    stored.publish("first", {KEY: "k"})
    stored.publish("transient", {KEY: "t"}, persistent=False)
    stored.settle()
    if orderly:
        stored.broker.close()
        stored.start()
    else:
        stored.crash()
    stored.publish("second", {KEY: "k"})
    # A transient message is gone after a restart, and with it what would keep it from being sent again.
    stored.publish("again", {KEY: "t"})
    stored.publish("and again", {KEY: "t"})
    assert stored.bodies() == ["first", "again"]


def test_the_window_goes_on_over_a_restart(stored: Timed) -> None:
    stored.queue(x_deduplication_window=60_000)
    stored.publish("first", {KEY: "k"})
    stored.settle()
    stored.crash()
    stored.wait(60.1)
    stored.publish("second", {KEY: "k"})
    assert stored.bodies() == ["first", "second"]


def test_keys_leave_the_store_in_slices_when_their_time_is_over(stored: Timed) -> None:
    queue = stored.queue(x_deduplication_window=10_000)
    for number in range(1_000):
        stored.publish(f"{number}", {KEY: number})
    stored.settle()
    assert rows(stored) == 1_000
    stored.clock.now += 11
    stored.broker.run_timers()
    assert queue.keys is not None
    left = 1_000
    while left:
        stored.turn()
        assert 0 < left - len(queue.keys) <= 256
        left = len(queue.keys)
        assert rows(stored) == left


def test_keys_leave_as_others_come(stored: Timed) -> None:
    queue = stored.queue(x_deduplication_size=10)
    for number in range(1_000):
        stored.publish(f"{number}", {KEY: number})
    stored.settle()
    assert queue.keys is not None
    assert len(queue.keys) == 10
    assert rows(stored) == 10


def test_the_keys_of_a_deleted_queue_go(stored: Timed) -> None:
    stored.queue(x_deduplication_window=60_000)
    for number in range(100):
        stored.publish(f"{number}", {KEY: number})
    stored.settle()
    stored.operations.delete_queue("q")
    stored.settle()
    assert rows(stored) == 0
    queue = stored.queue(x_deduplication_window=60_000)
    stored.publish("again", {KEY: 1})
    assert queue.ready_count == 1


def test_a_lost_message_leaves_no_key(stored: Timed) -> None:
    queue = stored.queue(x_deduplication_window=60_000)
    stored.settle()
    stored.publish("lost", {KEY: "k"})
    stored.fail()
    assert queue.ready_count == 0
    stored.settle()
    stored.publish("again", {KEY: "k"})
    stored.settle()
    stored.crash()
    stored.publish("and again", {KEY: "k"})
    assert stored.bodies() == ["again"]


@pytest.mark.parametrize("delay", [0, 1_000])
def test_a_duplicate_takes_the_place_of_a_first_that_is_lost(stored: Timed, delay: int) -> None:
    """Its own producer was not told of any failure: he comes with the next batch, which succeeds."""
    stored.queue(x_deduplication_window=60_000)
    stored.settle()
    stored.publish("first", {KEY: "k", "x-delay": delay})
    store = stored.broker.store
    store.stage()
    assert stored.publish("second", {KEY: "k", "x-delay": delay}) == STORED
    stored.fail_staged()
    stored.settle()
    stored.publish("third", {KEY: "k"})
    stored.wait(1.1)
    stored.crash()
    stored.wait(1.1)
    assert stored.bodies() == ["second"]


def test_what_waits_to_be_replaced_is_bounded(stored: Timed) -> None:
    queue = stored.queue(x_deduplication_window=60_000)
    for number in range(100):
        stored.publish(f"{number}", {KEY: number})
        stored.turn()
    assert queue.keys is not None
    assert len(queue.keys._fresh) + len(queue.keys._older) <= 2


@pytest.mark.parametrize("paged", [True, False])
@pytest.mark.parametrize("held", [True, False])
def test_the_key_of_a_lost_message_goes_wherever_the_message_is(stored: Timed, paged: bool, held: bool) -> None:
    """Its producer is told that it was not kept, and sends it again."""
    queue = stored.queue(x_deduplication_window=60_000)
    for number in range(200 if paged else 1):
        stored.publish(f"{number}", size=1_000)
    holder = Holder(stored, prefetch=1_000 if held and not paged else 0)
    stored.publish("lost", {KEY: "k"})
    assert (queue.lane.paged > 0) == paged
    stored.broker.dispatch_touched()
    assert ("lost" in holder.seen) == (held and not paged)
    stored.fail()
    stored.settle()
    assert stored.publish("again", {KEY: "k"}) == STORED
    stored.settle()
    stored.crash()
    assert stored.bodies()[-1] == "again"
