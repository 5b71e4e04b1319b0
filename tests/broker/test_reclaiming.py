"""Messages whose holder lives on while the store goes to another broker: handed on, and claimed again."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven, Taker

from batonmq.broker.queues.reclaiming import hand_on, reclaim
from batonmq.queued import HELD


@pytest.fixture
def stored(tmp_path: Path) -> Driven:
    driven = Driven(tmp_path / "store.db")
    driven.queue(x_delivery_limit=5)
    return driven


def hold(driven: Driven, *bodies: str) -> Taker:
    """A consumer that holds these."""
    for body in bodies:
        driven.publish(body)
    driven.settle()
    taker = driven.consume(prefetch=len(bodies))
    driven.settle()
    assert taker.seen == list(bodies)
    return taker


def hand_on_all(driven: Driven, taker: Taker) -> list[int]:
    """The broker gives the store away; returns the rows of what the consumer holds."""
    driven.broker.serve(False)
    hand_on(taker.queue, taker.held)
    rows = [queued.row for queued in taker.held]
    driven.settle()
    return rows


def test_what_nobody_claims_comes_back_counted_and_in_its_place(stored: Driven) -> None:
    taker = hold(stored, "a", "b")
    stored.publish("c")
    stored.settle()
    hand_on_all(stored, taker)
    stored.crash()
    again = stored.consume(prefetch=10)
    stored.settle()
    assert again.seen == ["a", "b", "c"]
    assert [queued.return_count for queued in again.held] == [1, 1, 0]


def test_what_is_claimed_is_in_its_holders_hands_as_if_nothing_had_been(stored: Driven) -> None:
    rows = hand_on_all(stored, hold(stored, "a", "b"))
    stored.crash()
    queue = stored.operations.find_queue("q")
    holder = stored.taker()
    claimed = reclaim(queue, rows[0], 1, holder)
    assert claimed is not None
    assert (claimed.message.body, claimed.state, claimed.return_count) == (b"a", HELD, 0)
    assert (queue.unsettled, queue.ready_count) == (1, 1)
    queue.accept(claimed)
    stored.settle()
    stored.crash()
    assert stored.bodies() == ["b"]


def test_what_was_claimed_and_not_settled_comes_back_after_a_crash(stored: Driven) -> None:
    rows = hand_on_all(stored, hold(stored, "a"))
    stored.crash()
    assert reclaim(stored.operations.find_queue("q"), rows[0], 1, None) is not None
    stored.settle()
    stored.crash()
    again = stored.consume()
    stored.settle()
    assert [queued.return_count for queued in again.held] == [1]


def test_a_claim_ends_when_somebody_else_has_had_the_message(stored: Driven) -> None:
    rows = hand_on_all(stored, hold(stored, "a"))
    stored.crash()
    other = stored.consume()
    stored.settle()
    other.leave()
    stored.settle()
    queue = stored.operations.find_queue("q")
    assert reclaim(queue, rows[0], 1, None) is None
    assert queue.ready_count == 1


def test_a_claim_of_what_is_settled_or_never_was_is_none(stored: Driven) -> None:
    rows = hand_on_all(stored, hold(stored, "a"))
    stored.crash()
    assert stored.bodies() == ["a"]
    queue = stored.operations.find_queue("q")
    queue.purge()
    assert reclaim(queue, rows[0], 1, None) is None
    assert reclaim(queue, rows[0] + 1000, 1, None) is None


def test_a_queue_with_selectors_knows_who_holds_what_was_claimed(stored: Driven) -> None:
    rows = hand_on_all(stored, hold(stored, "a"))
    stored.crash()
    queue = stored.operations.find_queue("q")
    choosy = Taker(queue, "choosy", 5, no_ack=False, priority=0)
    plain = stored.taker(prefetch=5)
    stored.operations.subscribe(queue, choosy)
    claimed = reclaim(queue, rows[0], 1, choosy)
    assert claimed is not None
    stored.operations.subscribe(queue, plain)
    stored.settle()
    # In hands: nobody is given it.
    assert (choosy.seen, plain.seen) == ([], [])


def test_what_its_holder_had_of_a_deleted_queue_is_let_go(stored: Driven) -> None:
    taker = hold(stored, "a")
    queue = taker.queue
    stored.operations.delete_queue("q")
    stored.broker.serve(False)
    hand_on(queue, taker.held)
    stored.settle()
    assert queue.unsettled == 0


def test_nothing_expires_before_its_holder_had_its_time_to_claim_it(tmp_path: Path) -> None:
    stored = Driven(tmp_path / "store.db")
    stored.queue(x_message_ttl=500)
    # More than a window has: the rest is looked for in the store.
    rows = hand_on_all(stored, hold(stored, *(str(number) for number in range(100))))
    stored.clock.now += 1
    stored.crash()
    stored.broker.serve(False)
    for _ in range(5):
        stored.turn()
    queue = stored.operations.find_queue("q")
    claimed = [reclaim(queue, row, 1, stored.taker()) for row in rows]
    assert None not in claimed
    stored.broker.serve()
    stored.settle()
    assert queue.unsettled == len(rows)


def test_nothing_falls_due_while_holders_have_yet_to_claim(stored: Driven) -> None:
    """The first claim is written before the second one comes, and then what has waited for the store may go on."""
    stored.queue("dead")
    stored.queue("brief", x_message_ttl=1000, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    for body in ("a", "b", "c"):
        stored.publish(body, queue="brief")
    taker = stored.consume("brief", prefetch=3)
    stored.settle()
    rows = hand_on_all(stored, taker)
    stored.clock.now += 2.0
    stored.crash()
    stored.broker.serve(False)
    queue = stored.operations.find_queue("brief")
    for row in rows[:2]:
        claimed = reclaim(queue, row, 1, None)
        assert claimed is not None
        queue.accept(claimed)
        stored.turn()
    stored.broker.serve()
    stored.settle()
    assert stored.bodies("brief") == []
    assert stored.bodies("dead") == ["c"]


def test_what_comes_back_to_a_full_queue_pushes_out_nothing_that_may_be_claimed(stored: Driven) -> None:
    stored.queue("full", x_max_length=2)
    stored.publish("a", queue="full")
    first = stored.consume("full")
    stored.settle()
    stored.publish("b", queue="full")
    stored.publish("c", queue="full")
    stored.settle()
    rows = hand_on_all(stored, first)
    stored.crash()
    stored.broker.serve(False)
    queue = stored.operations.find_queue("full")
    waiting = stored.consume("full")
    claimed = reclaim(queue, rows[0], 1, None)
    assert claimed is not None
    queue.release([claimed])
    stored.turn()
    assert (queue.ready_count, waiting.seen) == (3, [])
    stored.broker.serve()
    stored.settle()
    assert (len(waiting.seen), queue.ready_count) == (1, 1)
