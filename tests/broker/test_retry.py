"""Retries: what is given back waits, longer each time, and returns to its place."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from tests.support.timed import Holder, Timed

from batonmq.broker.features.retry import retry_delay
from batonmq.broker.model.settings import TIME_MAX, Settings
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue


@pytest.mark.parametrize(
    ("backoff", "most", "expected"),
    [
        (1, None, [100, 100, 100, 100]),
        (2, None, [100, 200, 400, 800]),
        (1.5, None, [100, 150, 225, 337]),
        (10, 5_000, [100, 1_000, 5_000, 5_000]),
        (1, 50, [50, 50, 50, 50]),
    ],
)
def test_the_delay_grows_with_the_count(backoff: float, most: int | None, expected: list[int]) -> None:
    settings = Settings(retry_delay=100, retry_backoff=backoff, retry_max_delay=most)
    assert [retry_delay(settings, count) for count in range(1, 5)] == expected


def test_the_delay_ends_at_a_century() -> None:
    assert retry_delay(Settings(retry_delay=1, retry_backoff=10.0), 100_000) == TIME_MAX


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-retry-delay", -1),
        ("x-retry-delay", "1"),
        ("x-retry-delay", 1.5),
        ("x-retry-backoff", 0.5),
        ("x-retry-backoff", "2"),
        ("x-retry-backoff", True),
        ("x-retry-backoff", float("nan")),
        ("x-retry-backoff", float("inf")),
        ("x-retry-max-delay", -1),
        ("x-retry-max-delay", TIME_MAX + 1),
    ],
)
def test_arguments_that_mean_nothing_are_refused(driven: Timed, name: str, value: FieldValue) -> None:
    arguments: dict[str, FieldValue] = {"x-retry-delay": 1, name: value}
    with pytest.raises(PreconditionFailed, match=f"invalid arg '{name}'"):
        driven.operations.declare_queue("q", arguments=arguments)


@pytest.mark.parametrize("name", ["x-retry-backoff", "x-retry-max-delay"])
def test_there_is_no_backoff_without_a_delay(driven: Timed, name: str) -> None:
    with pytest.raises(PreconditionFailed, match="but_no_retry_delay"):
        driven.operations.declare_queue("q", arguments={name: 2})


def test_a_decimal_multiplies_too(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=100, x_retry_backoff=Decimal("1.5"))
    assert queue.settings.retry_backoff == 1.5


def test_a_released_message_comes_back_after_its_delay(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=1_000, x_retry_backoff=3)
    driven.publish("a")
    holder = Holder(driven)
    for seconds in (1, 3, 9):
        holder.settle("release")
        driven.settle()
        assert (queue.ready_count, queue.unsettled, queue.delayed_count) == (0, 0, 1)
        driven.wait(seconds - 0.1)
        assert holder.held == []
        driven.wait(0.2)
        assert len(holder.held) == 1
    queued = holder.held[0]
    assert queued.return_count == 3
    assert (queued.message.properties.headers or {})["x-delivery-count"] == 3


def test_it_returns_to_its_place(driven: Timed) -> None:
    driven.queue(x_retry_delay=1_000)
    for body in "abcd":
        driven.publish(body)
    holder = Holder(driven, prefetch=3)
    holder.settle("release", 1)
    holder.settle("release", 0)
    driven.settle()
    assert holder.seen == ["a", "b", "c", "d"]
    holder.prefetch = 0
    holder.settle("release")
    holder.settle("release")
    driven.publish("e")
    driven.wait(1.1)
    assert driven.bodies() == ["a", "b", "c", "d", "e"]


def test_others_are_not_held_up_meanwhile(driven: Timed) -> None:
    driven.queue(x_retry_delay=60_000)
    driven.publish("poison")
    driven.publish("fine")
    holder = Holder(driven)
    holder.settle("release")
    driven.settle()
    assert holder.seen == ["poison", "fine"]


def test_past_the_limit_it_is_dead_lettered_at_once(driven: Timed) -> None:
    driven.queue("dead")
    queue = driven.queue(
        x_retry_delay=1_000, x_delivery_limit=2, x_dead_letter_exchange="", x_dead_letter_routing_key="dead"
    )
    driven.publish("poison")
    holder = Holder(driven)
    for _ in range(2):
        holder.settle("release")
        driven.wait(1.1)
    holder.settle("release")
    driven.settle()
    assert (queue.ready_count, queue.delayed_count, queue.unsettled) == (0, 0, 0)
    assert driven.bodies("dead") == ["poison"]


def test_what_is_given_up_together_dies_in_the_order_of_its_hand_over(driven: Timed) -> None:
    driven.queue("dead")
    driven.queue(x_delivery_limit=0, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    for body in ("a", "b", "c"):
        driven.publish(body)
    taker = driven.consume(prefetch=3)
    driven.settle()
    taker.leave()
    driven.settle()
    assert driven.bodies("dead") == ["a", "b", "c"]


def test_a_consumer_that_is_lost_counts(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=1_000)
    driven.publish("a")
    taker = driven.consume()
    driven.settle()
    taker.leave()
    driven.settle()
    assert (queue.ready_count, queue.delayed_count) == (0, 1)


def test_the_time_to_live_goes_on_while_it_waits(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=5_000, x_message_ttl=3_000)
    driven.publish("a")
    holder = Holder(driven)
    holder.settle("release")
    driven.wait(5.1)
    assert (queue.ready_count, queue.delayed_count, len(holder.held)) == (0, 0, 0)


def test_a_transient_message_is_tried_again_too(driven: Timed) -> None:
    driven.queue(x_retry_delay=1_000)
    driven.publish("a", persistent=False)
    holder = Holder(driven)
    holder.settle("release")
    driven.wait(1.1)
    assert holder.seen == ["a", "a"]


def test_a_message_in_the_middle_of_what_is_paged_out_keeps_its_place(stored: Timed) -> None:
    """After a restart nothing is in the window yet when it comes back."""
    stored.queue(x_retry_delay=5_000)
    for number in range(300):
        stored.publish(f"{number}", size=1_000)
    holder = Holder(stored, prefetch=3)
    for _ in range(3):
        holder.prefetch -= 1
        holder.settle("release")
    stored.settle()
    stored.crash()
    stored.operations.pause_queue("q", paused=True)
    queue = stored.operations.find_queue("q")
    stored.wait(5.1)
    assert (queue.ready_count, queue.delayed_count) == (300, 0)
    stored.operations.pause_queue("q", paused=False)
    taker = stored.consume(prefetch=1_000)
    stored.settle()
    assert taker.seen == [f"{number}" for number in range(300)]
    assert [queued.return_count for queued in taker.held[:4]] == [1, 1, 1, 0]


def test_count_and_delay_survive_a_crash(stored: Timed) -> None:
    stored.queue(x_retry_delay=1_000, x_retry_backoff=4)
    stored.publish("a")
    holder = Holder(stored)
    holder.settle("release")
    stored.wait(1.1)
    holder.settle("release")
    stored.settle()
    stored.crash()
    holder = Holder(stored)
    stored.wait(3.8)
    assert holder.seen == []
    stored.wait(0.3)
    assert holder.seen == ["a"]
    assert holder.held[0].return_count == 2


def test_what_is_back_and_held_again_when_the_process_dies_counts_once_more(stored: Timed) -> None:
    stored.queue(x_retry_delay=1_000)
    stored.publish("a")
    holder = Holder(stored)
    holder.settle("release")
    stored.wait(1.1)
    assert holder.held[0].return_count == 1
    stored.crash()
    assert Holder(stored).held[0].return_count == 2


def test_accepted_after_a_retry_is_gone(stored: Timed) -> None:
    stored.queue(x_retry_delay=1_000)
    stored.publish("a")
    holder = Holder(stored)
    holder.settle("release")
    stored.wait(1.1)
    holder.settle("accept")
    stored.settle()
    stored.crash()
    stored.wait(2)
    assert stored.bodies() == []


def test_returns_that_the_disk_refused_are_made_good(stored: Timed) -> None:
    stored.queue(x_retry_delay=1_000)
    stored.publish("a")
    holder = Holder(stored)
    holder.settle("release")
    stored.fail()
    stored.settle()
    stored.wait(1.1)
    holder.settle("release")
    stored.fail()
    stored.settle()
    stored.crash()
    stored.wait(1.1)
    holder = Holder(stored)
    assert [(queued.message.body, queued.return_count) for queued in holder.held] == [(b"a", 2)]


def test_what_comes_back_when_the_process_is_killed_counts_against_the_length(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store")
    driven.queue("dead")
    driven.queue(x_max_length=2, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    taker = driven.consume(prefetch=3)
    for body in ("a", "b", "c", "d", "e"):
        driven.publish(body)
        driven.settle()
    assert taker.seen == ["a", "b", "c"]
    driven.crash()
    driven.wait(1)
    assert driven.operations.find_queue("q").ready_count == 2
    assert driven.bodies() == ["d", "e"]
    assert driven.bodies("dead") == ["a", "b", "c"]
