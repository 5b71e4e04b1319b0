"""A message keeps its form wherever it goes inside the broker, and counts with all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.driven import LITTLE_MEMORY, Driven

from batonmq.broker import REFUSED
from batonmq.fields import FieldValue
from batonmq.message import Framing, Message, framing_of
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage

KEPT = framing_of(6)
HEAD, TAIL = b"head ", b" tail"
WEIGHT = len(HEAD) + 4 + len(TAIL)


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    """A queue, one for its dead letters, and one to move to."""
    driven = Driven(tmp_path / "store.db")
    driven.queue("dead")
    driven.queue("to")
    driven.queue("q", x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_delivery_limit=3)
    return driven


def publish(driven: Driven, queue: str = "q", head: bytes = HEAD, headers: dict[str, FieldValue] | None = None) -> int:
    payload = head + b"body" + TAIL
    properties = Properties.make(delivery_mode=2, headers=headers)
    message = Message("", queue, properties, payload, len(head), 4, KEPT, len(payload))
    return driven.operations.vhost.router.publish(message, driven.operations.resolve("", queue).targets)


def take(driven: Driven, queue: str) -> QueuedMessage:
    queued = driven.operations.find_queue(queue).get()
    assert queued is not None
    return queued


def reject(driven: Driven) -> str:
    driven.operations.find_queue("q").reject(take(driven, "q"), "broken")
    return "dead"


def expire(driven: Driven) -> str:
    driven.queue("short", x_message_ttl=1000, x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.operations.move_messages("q", "short", lambda _: None)
    driven.settle()
    driven.wait(2)
    return "dead"


def deliver_too_often(driven: Driven) -> str:
    for _ in range(5):
        if queued := driven.operations.find_queue("q").get():
            driven.operations.find_queue("q").release([queued])
    return "dead"


def move(driven: Driven) -> str:
    driven.operations.move_messages("q", "to", lambda _: None)
    return "to"


def replay(driven: Driven) -> str:
    reject(driven)
    driven.settle()
    driven.operations.replay_queue("dead", lambda _: None)
    return "q"


def delay(driven: Driven) -> str:
    queue = driven.operations.find_queue("q")
    queue.release([take(driven, "q")], 1000)
    driven.settle()
    driven.crash()
    driven.wait(2)
    return "q"


@pytest.mark.parametrize(
    ("way", "is_edited"),
    [(reject, True), (expire, True), (deliver_too_often, True), (move, False), (replay, True), (delay, True)],
)
@pytest.mark.parametrize("crashes", [False, True])
def test_it_keeps_its_form_on_every_way(
    driven: Driven, way: Callable[[Driven], str], is_edited: bool, crashes: bool
) -> None:
    publish(driven)
    driven.settle()
    queue = way(driven)
    driven.settle()
    if crashes:
        driven.crash()
    message = take(driven, queue).message
    assert (message.payload, message.start, message.size) == (HEAD + b"body" + TAIL, len(HEAD), 4)
    assert message.framing is (KEPT.edited if is_edited else KEPT)
    assert message.weight == WEIGHT
    assert message.body == b"body"


def test_a_schedule_repeats_it_in_its_form(driven: Driven) -> None:
    publish(driven, headers={"AMQ_SCHEDULED_PERIOD": 1000, "AMQ_SCHEDULED_REPEAT": 2})
    driven.settle()
    driven.wait(1)
    driven.wait(1)
    queue = driven.operations.find_queue("q")
    assert queue.ready_count > 1
    while queued := queue.get():
        assert queued.message.framing in (KEPT, KEPT.edited)
        assert queued.message.body == b"body"
        queue.accept(queued)


def test_a_framing_that_is_not_kept_is_left_behind() -> None:
    message = Message("", "q", Properties.make(), b"[body]", 1, 4, Framing())
    copy = message.with_properties(Properties.make(message_id="1"))
    assert (copy.payload, copy.framing, copy.size, copy.weight) == (b"body", None, 4, 4)


def test_a_copy_with_the_same_properties_is_as_it_was() -> None:
    properties = Properties.make()
    message = Message("", "q", properties, b"[body]", 1, 4, KEPT, 6)
    assert Message.copy_of(message, "x", "k", properties).framing is KEPT
    assert Message.copy_of(message, "x", "k", Properties.make(message_id="1")).framing is KEPT.edited


def test_what_is_around_the_body_counts_in_the_length_limit(driven: Driven) -> None:
    queue = driven.queue("full", x_max_length_bytes=2 * WEIGHT, x_overflow="reject-publish")
    assert publish(driven, "full") != REFUSED
    assert publish(driven, "full") != REFUSED
    assert queue.ready_bytes == 2 * WEIGHT
    assert publish(driven, "full") == REFUSED


def test_what_is_around_the_body_counts_in_memory_and_after_a_restart(driven: Driven) -> None:
    queue = driven.operations.find_queue("q")
    for _ in range(100):
        publish(driven, head=bytes(4000))
        driven.settle()
    assert queue.lane.paged > 50
    assert driven.broker.scheduler.memory.used <= LITTLE_MEMORY
    assert queue.ready_bytes == 100 * (4000 + 4 + len(TAIL))
    driven.crash()
    queue = driven.operations.find_queue("q")
    assert queue.ready_bytes == 100 * (4000 + 4 + len(TAIL))
    taker = driven.consume(prefetch=1_000)
    driven.settle()
    assert [queued.message.size for queued in taker.held] == [4] * 100
    assert queue.ready_bytes == 0
