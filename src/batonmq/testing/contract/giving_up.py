"""What a worker logs when it gives a message up, and what the dead letter carries, through every engine."""

from __future__ import annotations

import threading

import pytest

import batonmq
from batonmq.testing.contract.hands import SOON, needs, take
from batonmq.testing.contract.place import Place
from batonmq.testing.contract.working import at_work


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in said.records if record.name == "batonmq.worker"]


def fail(_: batonmq.Delivery) -> None:
    raise LookupError("no such customer \udcff")


def test_each_failure_says_what_comes_next(
    place: Place, mq: batonmq.Connection, said: pytest.LogCaptureFixture
) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"poison", id="o-17")
    with at_work(mq, queue, fail, attempts=2, backoff=0.01), mq.receiver(dead) as undertaker:
        (letter,) = take(undertaker, 1)
    error = "LookupError: no such customer"
    first, last = lines(said)
    assert first.startswith(f"message 'o-17' of queue '{queue}' failed at attempt 1 of 2, again in 0.01 s: {error}")
    assert last.startswith(f"message 'o-17' of queue '{queue}' failed at attempt 2 of 2, to {dead}: {error}")
    assert all(record.exc_info for record in said.records)
    if mq.capabilities.reject_reason:
        assert letter.message.headers["x-reject-reason"] == f"{error} ?"


def test_what_has_no_dead_letters_is_dropped_and_the_log_says_so(
    place: Place, mq: batonmq.Connection, said: pytest.LogCaptureFixture
) -> None:
    queue = place.queue()
    mq.declare(queue)
    over = threading.Event()

    def handle(delivery: batonmq.Delivery) -> None:
        if delivery.body == b"next":
            over.set()
        else:
            fail(delivery)

    mq.send_many(queue, [b"poison", b"next"])
    with at_work(mq, queue, handle, attempts=1):
        assert over.wait(SOON)
    (line,) = lines(said)
    ends = ["dropped, as the queue has no dead letters"]
    if not mq.capabilities.dead_letter:
        # An engine that declares none need not know of any: ``fate`` may stay as it is.
        ends.append("rejected, to the dead letters of the queue if it has any")
    assert line.startswith(
        tuple(f"a message of queue '{queue}' failed at attempt 1 of 1, {end}: Lookup" for end in ends)
    )


def test_the_limit_of_the_queue_is_told_as_well(
    place: Place, mq: batonmq.Connection, said: pytest.LogCaptureFixture
) -> None:
    needs(mq, "dead_letter", "max_deliveries")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, max_deliveries=2)
    mq.send(queue, b"poison")
    with at_work(mq, queue, fail, backoff=0.01), mq.receiver(dead) as undertaker:
        (letter,) = take(undertaker, 1)
    if mq.capabilities.reject_reason:
        assert letter.message.headers["x-reject-reason"] == "LookupError: no such customer ?"
    assert f"attempt 2, to {dead}: the queue hands it out 2 times at most: LookupError" in lines(said)[1]


def test_what_another_declared_goes_wherever_it_goes(
    place: Place, mq: batonmq.Connection, said: pytest.LogCaptureFixture
) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    place.connect().declare(queue, dead_letter=dead)
    mq.send(queue, b"poison")
    with at_work(mq, queue, fail, attempts=1), mq.receiver(dead) as undertaker:
        take(undertaker, 1)
    (line,) = lines(said)
    assert f"to {dead}" in line or "rejected, to the dead letters of the queue if it has any" in line
