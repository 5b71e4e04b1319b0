"""A connection that ends takes thousands of exclusive queues with it, bit by bit: no turn is held up by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven, HandClock
from tests.support.timed import Timed

from batonmq.broker.model.events import QUEUE_DECLARED, QUEUE_DELETED
from batonmq.errors import NotFound

MANY = 100


class Ticking(HandClock):
    """A quarter of a millisecond goes by at each look."""

    def monotonic(self) -> float:
        self.now += 0.00025
        return self.now


@pytest.fixture
def driven(tmp_path: Path) -> Timed:
    """Where a connection has many exclusive queues, each bound and with a message."""
    driven = Timed(tmp_path / "store")
    driven.operations.declare_exchange("x", "direct", auto_delete=True)
    for number in range(MANY):
        driven.operations.declare_queue(f"q{number}", exclusive=True)
        driven.operations.bind_queue(f"q{number}", "x", "k", {})
        driven.publish("m", queue=f"q{number}")
    driven.settle()
    driven.broker.scheduler.clock = Ticking()
    return driven


def bindings(driven: Driven) -> int:
    exchange = driven.operations.vhost.router.exchange("x")
    return len(exchange.bindings) if exchange is not None else 0


def test_a_turn_ends_some_of_them_and_their_names_are_free_at_once(driven: Timed) -> None:
    vhost = driven.operations.vhost
    driven.operations.release_owned()
    assert 0 < bindings(driven) < MANY
    assert len(vhost.leaving) == bindings(driven)
    assert not vhost.queues
    with pytest.raises(NotFound):
        driven.operations.find_queue("q99")
    assert not driven.operations.resolve("", "q99").targets
    turns = 0
    while vhost.leaving:
        before = bindings(driven)
        driven.wait(0.001)
        assert 0 < before - bindings(driven) < 20
        turns += 1
    assert turns > 3
    # With the last of its bindings.
    assert vhost.router.exchange("x") is None


def test_a_name_that_is_taken_again_is_of_another_queue(driven: Timed) -> None:
    told: list[str] = []
    driven.broker.scheduler.events.listen(lambda event: told.append(event.kind))
    driven.operations.release_owned()
    queue = driven.queue("q99")
    assert told[-2:] == [QUEUE_DELETED, QUEUE_DECLARED]
    driven.publish("new", queue="q99")
    for _ in range(MANY):
        driven.wait(0.001)
    assert driven.operations.find_queue("q99") is queue
    assert queue.ready_count == 1
    assert not driven.operations.vhost.leaving


def test_what_they_have_counted_is_in_the_sums_all_the_time(driven: Timed) -> None:
    vhost = driven.operations.vhost
    driven.operations.release_owned()
    while vhost.leaving:
        assert vhost.of_deleted.enqueued == MANY
        driven.wait(0.001)
    assert vhost.of_deleted.enqueued == vhost.of_deleted.purged == MANY


def test_another_connection_that_ends_meanwhile_is_in_line(driven: Timed) -> None:
    vhost = driven.operations.vhost
    driven.operations.release_owned()
    left = len(vhost.leaving)
    driven.operations.declare_queue("more", exclusive=True)
    driven.operations.release_owned()
    assert len(vhost.leaving) == left + 1
    for _ in range(MANY):
        driven.wait(0.001)
    assert not vhost.leaving


def test_few_are_gone_at_once() -> None:
    driven = Driven()
    for number in range(3):
        driven.operations.declare_queue(f"q{number}", exclusive=True)
    driven.operations.release_owned()
    assert not driven.operations.vhost.leaving


def test_they_are_gone_with_their_virtual_host(driven: Timed) -> None:
    broker = driven.broker
    broker.create_vhost("elsewhere")
    vhost = broker.vhosts["elsewhere"]
    made = [
        vhost.add_queue(f"q{number}", durable=False, auto_delete=False, owner=driven, arguments={})
        for number in range(MANY)
    ]
    vhost.let_go(made)
    assert vhost.leaving
    deletion = broker.delete_vhost("elsewhere")
    for _ in range(MANY):
        driven.settle()
        driven.wait(0.001)
    assert deletion.is_done
    assert not vhost.leaving
