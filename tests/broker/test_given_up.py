"""The delivery limit holds however a message comes back: also by the end of the process that had handed it out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.fields import FieldValue


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    driven = Driven(tmp_path / "store.db")
    driven.queue("dead")
    return driven


def limited(driven: Driven, limit: int) -> None:
    driven.queue(x_delivery_limit=limit, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")


def reasons(driven: Driven) -> list[FieldValue]:
    taker = driven.consume("dead", prefetch=1_000_000)
    driven.settle()
    return [(queued.message.properties.headers or {}).get("x-last-death-reason") for queued in taker.held]


def kill_in_hands(driven: Driven, count: int = 1) -> list[str]:
    """A consumer takes so many messages, and the process ends."""
    taker = driven.consume(prefetch=count)
    driven.settle()
    driven.crash()
    return taker.seen


@pytest.mark.parametrize("headers", [None, {"x-group": "a"}], ids=["plain", "grouped"])
def test_what_ends_the_process_each_time_is_given_up(driven: Driven, headers: dict[str, FieldValue] | None) -> None:
    limited(driven, 2)
    driven.publish("poison", headers)
    driven.publish("good")
    driven.settle()
    assert [kill_in_hands(driven) for _ in range(3)] == [["poison"]] * 3
    taker = driven.consume(prefetch=9)
    driven.settle()
    assert taker.seen == ["good"]
    assert driven.operations.find_queue("q").ready_count == 0
    assert reasons(driven) == ["delivery_limit"]


def test_without_dead_letters_it_is_gone(driven: Driven) -> None:
    driven.queue(x_delivery_limit=0)
    driven.publish("poison")
    driven.settle()
    kill_in_hands(driven)
    driven.settle()
    driven.crash()
    assert driven.bodies() == []


def test_thousands_are_given_up_and_the_rest_is_served_in_order(driven: Driven) -> None:
    limited(driven, 0)
    for number in range(3_000):
        driven.publish(str(number), size=100)
    driven.settle()
    assert len(kill_in_hands(driven, 2_500)) == 2_500
    taker = driven.consume(no_ack=True)
    driven.settle()
    assert taker.seen == [str(number) for number in range(2_500, 3_000)]
    assert len(reasons(driven)) == 2_500


def test_what_is_fetched_one_by_one_is_never_past_the_limit(driven: Driven) -> None:
    limited(driven, 0)
    driven.publish("poison")
    driven.publish("good")
    driven.settle()
    kill_in_hands(driven)
    queued = driven.operations.find_queue("q").get()
    assert queued is not None
    assert queued.message.body == b"good"
