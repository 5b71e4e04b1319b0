"""x-dead-letter-strategy at-least-once: a dead letter that nobody takes stays in the queue where it died."""

from __future__ import annotations

from pathlib import Path

from tests.support.driven import Driven
from tests.support.timed import Timed

from batonmq.broker import REFUSED
from batonmq.fields import FieldValue


def declare(driven: Driven, **arguments: FieldValue) -> None:
    """A queue q, whose dead letters go to the queue dead, which takes one."""
    table: dict[str, FieldValue] = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    table |= {name.replace("_", "-"): value for name, value in arguments.items()}
    driven.operations.declare_queue("q", durable=True, arguments=table)
    driven.queue("dead", x_max_length=1, x_overflow="reject-publish")


def reject(driven: Driven, *bodies: str) -> None:
    for body in bodies:
        driven.publish(body)
    driven.settle()
    taker = driven.consume(prefetch=len(bodies))
    driven.settle()
    for queued in taker.held:
        taker.queue.reject(queued)
    taker.held = []
    taker.leave()
    driven.settle()


def test_what_a_full_queue_refuses_stays_and_comes_when_there_is_room(driven: Timed) -> None:
    declare(driven)
    reject(driven, "a", "b", "c")
    source, grave = driven.operations.find_queue("q"), driven.operations.find_queue("dead")
    assert (grave.ready_count, source.ready_count, source.delayed_count) == (1, 0, 2)
    driven.wait(100)
    assert (grave.ready_count, source.ready_count, source.delayed_count) == (1, 0, 2)
    arrived: list[str] = []
    for _ in range(3):
        taker = driven.consume("dead")
        driven.settle()
        (queued,) = taker.held
        arrived.append(queued.message.body.decode())
        headers = queued.message.properties.headers or {}
        assert isinstance(headers["x-death"], list)
        assert [entry["queue"] for entry in headers["x-death"] if isinstance(entry, dict)] == ["q"]
        taker.queue.accept(queued)
        taker.held = []
        taker.leave()
        driven.wait(31)
    assert sorted(arrived) == ["a", "b", "c"]
    assert (grave.ready_count, source.delayed_count) == (0, 0)


def test_soon_after_the_death_it_is_tried_each_second(driven: Timed) -> None:
    declare(driven)
    reject(driven, "a", "b")
    taker = driven.consume("dead", prefetch=2)
    driven.settle()
    taker.accept()
    assert taker.seen == ["a"]
    driven.wait(1.1)
    assert taker.seen == ["a", "b"]


def test_what_would_get_nowhere_stays_until_there_is_somewhere(driven: Timed) -> None:
    declare(driven, x_dead_letter_exchange="later", x_dead_letter_routing_key="k")
    reject(driven, "a")
    source = driven.operations.find_queue("q")
    assert source.delayed_count == 1
    driven.operations.declare_exchange("later", "direct", durable=True)
    driven.wait(31)
    assert source.delayed_count == 1
    driven.operations.bind_queue("dead", "later", "k", {})
    driven.wait(31)
    assert (source.delayed_count, driven.operations.find_queue("dead").ready_count) == (0, 1)


def test_it_outlives_a_crash(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store")
    declare(driven)
    reject(driven, "a", "b")
    driven.crash()
    source = driven.operations.find_queue("q")
    assert source.delayed_count == 1
    driven.wait(31)
    assert (source.ready_count, source.delayed_count) == (0, 1)
    assert driven.bodies("dead") == ["a"]
    driven.operations.purge_queue("dead")
    driven.wait(31)
    assert (source.delayed_count, driven.bodies("dead")) == (0, ["b"])


def test_a_disk_that_fails_loses_none(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store")
    declare(driven)
    driven.publish("a")
    driven.publish("b")
    driven.settle()
    taker = driven.consume(prefetch=2)
    driven.settle()
    for queued in taker.held:
        taker.queue.reject(queued)
    taker.held = []
    driven.fail()
    driven.settle()
    driven.crash()
    assert driven.operations.find_queue("dead").ready_count == 1
    assert driven.operations.find_queue("q").delayed_count == 1


def test_what_is_kept_back_counts_towards_the_length(driven: Timed) -> None:
    declare(driven, x_max_length=2)
    reject(driven, "a")
    reject(driven, "b", "c")
    assert driven.operations.find_queue("q").delayed_count == 2
    assert driven.publish("d") == REFUSED
    driven.operations.purge_queue("dead")
    driven.wait(31)
    assert driven.publish("e") != REFUSED


def test_without_it_what_a_full_queue_refuses_is_dropped(driven: Timed) -> None:
    declare(driven, x_dead_letter_strategy="at-most-once")
    reject(driven, "a", "b")
    assert driven.operations.find_queue("q").delayed_count == 0


def test_a_queue_that_drops_its_head_cannot_keep_back(driven: Timed) -> None:
    """RabbitMQ: at-least-once needs x-overflow reject-publish."""
    declare(driven, x_overflow="drop-head")
    reject(driven, "a", "b")
    assert driven.operations.find_queue("q").delayed_count == 0


def test_a_cycle_is_cut_all_the_same(driven: Timed) -> None:
    declare(driven, x_dead_letter_routing_key="q", x_message_ttl=1_000)
    driven.publish("a")
    driven.settle()
    driven.wait(2)
    source = driven.operations.find_queue("q")
    assert (source.ready_count, source.delayed_count) == (0, 0)
