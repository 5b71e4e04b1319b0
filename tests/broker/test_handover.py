"""The plain hand-over: to whom, how many, and what must be on the disk before a client may see it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven, Taker

from batonmq.store import SqliteStore


class Waiting(Taker):
    """Notes the batch that its deliveries wait for."""

    held_for = 0

    def hold(self, batch: int) -> None:
        self.held_for = batch


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    return Driven(tmp_path / "store.db")


def waiting(driven: Driven, prefetch: int = 10) -> Waiting:
    taker = Waiting(driven.operations.find_queue("q"), "", prefetch, no_ack=False, priority=0)
    driven.operations.subscribe(taker.queue, taker)
    return taker


def test_a_delivery_of_what_is_in_the_store_already_is_noted_and_does_not_wait(driven: Driven) -> None:
    driven.queue()
    driven.publish("a")
    driven.settle()
    taker = waiting(driven)
    driven.broker.end_turn()
    assert taker.seen == ["a"]
    assert taker.held_for == 0


@pytest.fixture
def without_notes(driven: Driven) -> None:
    """Notes cannot be made beside the store."""
    store = driven.broker.store
    assert isinstance(store, SqliteStore)
    store._journal.end()


@pytest.mark.usefixtures("without_notes")
def test_where_it_cannot_be_noted_it_waits_for_its_mark(driven: Driven) -> None:
    driven.queue()
    driven.publish("a")
    driven.settle()
    taker = waiting(driven)
    driven.broker.end_turn()
    assert taker.seen == ["a"]
    assert taker.held_for == driven.broker.store.batch


def test_what_comes_again_waits_for_its_count(driven: Driven) -> None:
    driven.queue()
    driven.publish("a")
    driven.settle()
    first = driven.consume()
    driven.settle()
    first.leave()
    driven.settle()
    taker = waiting(driven)
    driven.broker.end_turn()
    assert taker.seen == ["a"]
    assert taker.held_for == driven.broker.store.batch


@pytest.mark.usefixtures("without_notes")
def test_a_transient_message_ahead_does_not_hide_that(driven: Driven) -> None:
    driven.queue()
    driven.publish("transient", persistent=False)
    driven.publish("durable")
    driven.settle()
    taker = waiting(driven)
    driven.broker.end_turn()
    assert taker.seen == ["transient", "durable"]
    assert taker.held_for == driven.broker.store.batch


def test_a_delivery_of_what_is_written_with_the_same_batch_does_not_wait(driven: Driven) -> None:
    driven.queue()
    taker = waiting(driven)
    driven.publish("a")
    driven.broker.end_turn()
    assert taker.seen == ["a"]
    assert taker.held_for == 0


def test_a_delivery_of_a_transient_message_does_not_wait(driven: Driven) -> None:
    driven.queue()
    driven.publish("a", persistent=False)
    driven.settle()
    taker = waiting(driven)
    driven.broker.end_turn()
    assert taker.seen == ["a"]
    assert taker.held_for == 0


def test_consumers_with_room_take_turns(driven: Driven) -> None:
    driven.queue()
    first, second = driven.consume(prefetch=10), driven.consume(prefetch=10)
    for number in range(6):
        driven.publish(str(number))
    driven.settle()
    assert (first.seen, second.seen) == (["0", "2", "4"], ["1", "3", "5"])


def test_a_consumer_without_room_starves_nobody(driven: Driven) -> None:
    driven.queue()
    slow, quick = driven.consume(prefetch=1), driven.consume(prefetch=100)
    for number in range(10):
        driven.publish(str(number))
    driven.settle()
    assert len(slow.seen) == 1
    assert len(quick.seen) == 9
