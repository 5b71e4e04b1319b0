"""What is done for one of thousands costs as much as for one alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.driven import Driven, HandClock
from tests.support.timed import Timed

from batonmq.broker.lanes.consumers import Line
from batonmq.broker.model.outcomes import KEPT
from batonmq.broker.vhosts.policy import read_policy
from batonmq.message import Message
from batonmq.properties import Properties

MANY = 10_000


@pytest.mark.parametrize("arguments", ["", "x_single_active_consumer", "x_max_priority"])
def test_consumers_come_and_go(arguments: str) -> None:
    driven = Driven()
    driven.queue("q", durable=True, **({arguments: True if "single" in arguments else 3} if arguments else {}))
    started = time.process_time()
    takers = [driven.consume(priority=number % 3) for number in range(MANY)]
    for taker in takers:
        taker.leave()
    # Quadratic it was a hundred times as much.
    assert time.process_time() - started < 3
    assert not driven.operations.find_queue("q").consumers


def test_consumers_of_groups_and_selectors_come_and_go() -> None:
    driven = Driven()
    driven.queue()
    driven.publish("a", {"x-group": "g"})
    first = driven.consume()
    driven.settle()
    started = time.process_time()
    takers = [driven.consume() for _ in range(MANY)]
    for taker in takers:
        taker.leave()
    assert time.process_time() - started < 3
    assert first.seen == ["a"]


def test_bound_queues_are_deleted() -> None:
    driven = Driven()
    operations = driven.operations
    kinds = ("direct", "fanout", "topic", "headers")
    for kind in kinds:
        operations.declare_exchange(kind, kind)
    for number in range(MANY):
        driven.queue(f"q{number}", durable=False)
        for kind in kinds:
            operations.bind_queue(f"q{number}", kind, "k", {})
    started = time.process_time()
    for number in range(MANY):
        operations.delete_queue(f"q{number}")
    assert time.process_time() - started < 8
    assert not any(operations.find_exchange(kind).bindings for kind in kinds)


def test_one_queue_is_bound_by_many_keys() -> None:
    driven = Driven()
    driven.queue(durable=False)
    driven.operations.declare_exchange("x", "direct")
    started = time.process_time()
    for number in range(MANY):
        driven.operations.bind_queue("q", "x", f"{number}", {"a": number})
    for number in range(MANY):
        driven.operations.unbind_queue("q", "x", f"{number}", {"a": number})
    assert time.process_time() - started < 3


def test_messages_with_new_keys_find_their_way_among_many_bindings() -> None:
    driven = Driven()
    operations = driven.operations
    for kind in ("direct", "topic"):
        operations.declare_exchange(kind, kind)
    operations.declare_exchange("by-headers", "headers")
    for number in range(MANY):
        driven.queue(f"q{number}", durable=False)
        operations.bind_queue(f"q{number}", "direct", f"k{number}", {})
        operations.bind_queue(f"q{number}", "topic", "all", {})
    started = time.process_time()
    for number in range(1_000):
        assert operations.resolve("direct", f"k{number}").queue is operations.find_queue(f"q{number}")
        operations.unbind_queue(f"q{MANY - 1 - number}", "topic", "all", {})
    # Each of them took a walk along all bindings, 40 ms, and along all of the same key, 1 ms.
    assert time.process_time() - started < 3
    operations.bind_exchange("by-headers", "direct", "a", {})
    operations.bind_exchange("by-headers", "direct", "b", {})
    assert not operations.resolve("direct", "k1").by_key
    operations.unbind_exchange("by-headers", "direct", "a", {})
    assert not operations.resolve("direct", "k1").by_key
    operations.unbind_exchange("by-headers", "direct", "b", {})
    assert operations.resolve("direct", "k1").by_key


class Ticking(HandClock):
    """A millisecond goes by at each look."""

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now


def test_a_policy_for_many_queues_is_applied_bit_by_bit(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store")
    for number in range(100):
        driven.queue(f"q{number}")
    driven.broker.scheduler.clock = Ticking()
    queues = driven.operations.vhost.queues
    driven.operations.set_policy(read_policy("p", "^q", {"max-length": 5}))
    done = [queue.settings.max_length for queue in queues.values()].count(5)
    assert 0 < done < 100
    # Another comes before the first is done; and a queue, which has what counts from the beginning.
    driven.operations.set_policy(read_policy("q", "^q", {"max-length": 7}, priority=1))
    assert driven.queue("qnew").settings.max_length == 7
    driven.operations.delete_queue("q99")
    for _ in range(100):
        driven.wait(0.01)
    assert {queue.settings.max_length for queue in queues.values()} == {7}
    driven.operations.clear_policy("q")
    driven.operations.clear_policy("p")
    for _ in range(100):
        driven.wait(0.01)
    assert {queue.settings.max_length for queue in queues.values()} == {None}


def test_the_line_goes_by_priority_and_then_by_who_has_waited_longest() -> None:
    driven = Driven()
    driven.queue()
    line = Line()
    takers = {
        name: driven.taker(tag=name, priority=priority)
        for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", -1), ("e", 5), ("f", 2))
    }
    for taker in takers.values():
        line.join(taker)
    assert [taker.tag for taker in line] == ["b", "e", "f", "a", "c", "d"]
    line.served(takers["b"])
    order = []
    while (head := line.head()) is not None:
        order.append(head.tag)
        assert line.count == 7 - len(order)
        line.leave(head)
    assert order == ["e", "b", "f", "a", "c", "d"]
    assert not line.count


def test_a_start_reads_nothing_that_nobody_wants_and_keeps_within_its_budget(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store", memory_limit=1 << 20)
    count = 200
    for number in range(count):
        driven.queue(f"q{number}")
        for index in range(30):
            driven.publish(f"{index}", queue=f"q{number}", size=1_000)
    driven.settle()
    driven.broker.close()
    driven.start()
    driven.settle()
    assert driven.broker.scheduler.memory.used == 0
    for number in range(count):
        driven.consume(f"q{number}")
    driven.settle()
    memory = driven.broker.scheduler.memory
    used = sum(queue.lane.bytes for queue in driven.operations.vhost.queues.values())
    # Each window may have a message or two whatever is left.
    assert memory.used == used <= 2 * memory.limit
    assert driven.bodies("q7") == [f"{index}" for index in range(1, 30)]


def test_what_is_published_to_a_queue_that_is_gone_is_nowhere(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store")
    queue = driven.queue(durable=True)
    driven.settle()
    driven.operations.delete_queue("q")
    for headers in (None, {"x-delay": 1_000}):
        message = Message("", "q", Properties.make(delivery_mode=2, headers=headers), b"late")
        assert queue.publish(message) == KEPT
    assert queue.featured
    driven.wait(2)
    driven.crash()
    assert driven.queue(durable=True).ready_count == 0
