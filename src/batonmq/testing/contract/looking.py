"""The contract: listing queues, their figures and contents, and receiving until a queue is empty."""

from __future__ import annotations

import time

import pytest

import batonmq
from batonmq.testing.contract.hands import SOON, bodies, has_ready, needs, numbered, take
from batonmq.testing.contract.place import Place


def test_queues_that_were_declared_are_listed(place: Place, mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "queues")
    other = place.queue()
    mq.declare(other)
    listed = {one.name: one for one in mq.queues()}
    assert {queue, other} <= listed.keys()
    assert list(listed) == sorted(listed)
    assert "queue" in listed[queue].kind
    mq.delete(other)
    assert other not in {one.name for one in mq.queues()}


def test_a_listed_queue_says_what_it_was_declared_with(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "queues", "dead_letter", "max_deliveries")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, max_deliveries=3)
    (found,) = [one for one in mq.queues() if one.name == queue]
    if found.options is None:
        pytest.skip(f"{mq.capabilities.engine} does not tell what a queue was declared with")
    options = found.options
    assert (options.dead_letter, options.max_deliveries, options.durable) == (dead, 3, True)


def test_statistics_tell_what_is_ready_and_what_is_held(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "stats")
    mq.send_many(queue, [b"12345", b"12345", b"12345"])
    before = mq.stats(queue)
    assert before.ready == 3
    with mq.receiver(queue, prefetch=1) as receiver:
        (held,) = take(receiver, 1)
        stats = mq.stats(queue)
        assert stats.ready == 2
        assert stats.held in (1, None)
        assert stats.consumers in (1, None)
        # The framing of a body may be counted, too.
        assert stats.bytes is None or stats.bytes >= 10
        held.accept()
    after = _stats_with(mq, queue, ready=2, held=0)
    rates = after.rates(before)
    if after.entered is not None and after.accepted is not None:
        assert rates.entered == 0
        assert rates.accepted is not None
        assert rates.accepted > 0
    with pytest.raises(ValueError, match="earlier"):
        before.rates(after)


def _stats_with(mq: batonmq.Connection, queue: str, *, ready: int, held: int) -> batonmq.QueueStats:
    """The statistics, as soon as they have these values: the last settlement may be on its way."""
    until = time.monotonic() + SOON
    while True:
        stats = mq.stats(queue)
        if (stats.ready, stats.held or 0) == (ready, held):
            return stats
        assert time.monotonic() < until, stats
        time.sleep(0.01)


def test_what_is_told_of_a_queue_that_is_not_there_is_that(mq: batonmq.Connection) -> None:
    can = mq.capabilities
    if can.stats:
        with pytest.raises(batonmq.NotFound, match="t-nowhere"):
            mq.stats("t-nowhere")
    if can.peek and can.count:
        with pytest.raises(batonmq.NotFound):
            mq.peek("t-nowhere")


def test_peek_shows_messages_as_they_were_sent_in_their_order(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "peek")
    sent = [batonmq.Message(b"\xff%d" % number, id=f"m-{number}", headers={"n": number}) for number in range(12)]
    mq.send_many(queue, sent)
    # A browser of ActiveMQ Classic may see a message twice that the queue is just taking in.
    has_ready(mq, queue, 12)
    found = mq.peek(queue, 100)
    assert [(one.body, one.id, one.headers["n"]) for one in found] == [
        (one.body, one.id, one.headers["n"]) for one in sent
    ]
    has_ready(mq, queue, 12)
    with mq.receiver(queue) as receiver:
        assert not any(one.redelivered for one in take(receiver, 12))


def test_a_receiver_until_empty_ends_when_nothing_is_ready(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "until_empty")
    mq.send_many(queue, numbered(50))
    with mq.receiver(queue, until_empty=True) as receiver:
        held = list(receiver)
        assert bodies(held) == [b"%d" % number for number in range(50)]
        assert receiver.receive() == []
        mq.send(queue, b"late")
        assert bodies(list(receiver)) == [b"late"]
        for delivery in held:
            delivery.accept()
    # The message that was not settled is back.
    has_ready(mq, queue, 1)


def test_a_receiver_until_empty_of_an_empty_queue_brings_nothing(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "until_empty")
    with mq.receiver(queue, until_empty=True) as receiver:
        assert list(receiver) == []
    with pytest.raises(ValueError, match="until_empty"):
        mq.receiver(queue, until_empty=True, wait=1)


def test_dead_letters_go_back_to_where_they_died(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter", "replay_home", "count")
    first, second, dead = place.queue(), place.queue(), place.queue()
    for queue in (first, second):
        mq.declare(queue, dead_letter=dead)
    mq.send_many(first, [b"a", b"b"])
    mq.send(second, b"c")
    mq.send(dead, b"was never dead")
    for queue, count in ((first, 2), (second, 1)):
        with mq.receiver(queue) as receiver:
            for delivery in take(receiver, count):
                delivery.reject()
    with mq.receiver(dead) as receiver:
        for delivery in take(receiver, 4):
            delivery.release()
    assert mq.replay(dead) == 3
    for queue, expected in ((first, {b"a", b"b"}), (second, {b"c"})):
        with mq.receiver(queue) as receiver:
            again = take(receiver, len(expected))
            assert set(bodies(again)) == expected
            assert not any(
                name.startswith(("x-death", "x-last-death")) for one in again for name in one.message.headers
            )
            for delivery in again:
                delivery.accept()
    has_ready(mq, dead, 1)
