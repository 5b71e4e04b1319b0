"""What each call of the API does, and which error it raises when it cannot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import batonmq
from batonmq.testing.contract.hands import QUIET, SOON, bodies, has_ready, is_not_there, needs, numbered, take
from batonmq.testing.contract.place import Place


def test_deliveries_are_counted(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "delivery_count")
    mq.send(queue, b"")
    with mq.receiver(queue) as receiver:
        for count in (1, 2, 3):
            (delivery,) = take(receiver, 1)
            assert delivery.delivery_count == count
            delivery.release()


def test_of_two_messages_with_one_key_a_queue_takes_the_first(place: Place, mq: batonmq.Connection) -> None:
    queue = place.queue()
    if not mq.capabilities.deduplication:
        with pytest.raises(batonmq.UnsupportedFeature, match="deduplication"):
            mq.declare(queue, deduplication=60)
        return
    mq.declare(queue, deduplication=60)
    for body, key in ((b"first", "o-17"), (b"again", "o-17"), (b"other", "o-18")):
        mq.send(queue, body, headers={"x-deduplication-header": key})
    with mq.receiver(queue) as receiver:
        assert bodies(take(receiver, 2)) == [b"first", b"other"]
        assert receiver.receive(wait=QUIET) == []


def test_a_reason_goes_along_with_the_dead_letter(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "reject_reason", "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"bad")
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        take(receiver, 1)[0].reject(reason="no such customer")
        (died,) = take(undertaker, 1)
        assert died.message.headers["x-reject-reason"] == "no such customer"
        died.release()
    if not mq.capabilities.replay:
        return
    assert mq.replay(dead, queue, 1) == 1
    with mq.receiver(queue) as receiver:
        assert take(receiver, 1)[0].message.headers == {}


def test_a_queue_that_is_not_there_is_not_found(mq: batonmq.Connection) -> None:
    with pytest.raises(batonmq.NotFound):
        mq.send("t-nowhere", b"")
    with pytest.raises(batonmq.NotFound), mq.receiver("t-nowhere"):
        pass
    can = mq.capabilities
    for possible, ask in (
        (can.count, lambda: mq.count("t-nowhere")),
        (can.request, lambda: mq.request("t-nowhere", b"", timeout=SOON)),
    ):
        with pytest.raises(batonmq.NotFound if possible else batonmq.UnsupportedFeature):
            ask()


def test_a_queue_declared_otherwise_is_refused_and_the_connection_goes_on(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "max_length")
    mq.declare(queue)
    with pytest.raises(batonmq.PreconditionFailed):
        mq.declare(queue, max_length=3)
    mq.send(queue, b"")
    has_ready(mq, queue, 1)


def test_a_purge_drops_what_is_ready_and_leaves_what_is_held(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "purge")
    mq.send_many(queue, numbered(3))
    with mq.receiver(queue, prefetch=1) as receiver:
        (held,) = take(receiver, 1)
        assert mq.purge(queue) == 2
        held.release()
        assert bodies(take(receiver, 1)) == [b"0"]


def test_dead_letters_are_replayed_in_order_and_can_die_again(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter", "max_deliveries", "replay", "count")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, max_deliveries=1)
    mq.send_many(queue, numbered(3))
    for _ in range(2):
        with mq.receiver(queue) as receiver:
            again = take(receiver, 3)
            assert [(one.body, one.delivery_count) for one in again] == [(b"0", 1), (b"1", 1), (b"2", 1)]
            for delivery in again:
                delivery.reject()
        with mq.receiver(dead) as undertaker:
            take(undertaker, 3)
        assert mq.replay(dead, queue) == 3


def test_a_replay_between_queues_of_which_one_is_missing_is_refused(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "replay")
    queue = place.queue()
    mq.declare(queue)
    limits = (0, 5, None) if mq.capabilities.count else (0, 5)
    for most in limits:
        # Also where there is nothing to be moved.
        with pytest.raises(batonmq.NotFound):
            mq.replay(queue, queue + "-missing", most)
        with pytest.raises(batonmq.NotFound):
            mq.replay(queue + "-missing", queue, most)
        other = place.queue()
        mq.declare(other)
        assert mq.replay(queue, other, most) == 0


def test_a_request_gets_its_reply(place: Place, mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "request")

    def answer() -> None:
        with batonmq.connect(place.url) as server, server.receiver(queue) as receiver:
            for _ in range(2):
                with take(receiver, 1)[0] as delivery:
                    server.reply(delivery, delivery.body.upper())

    thread = threading.Thread(target=answer)
    thread.start()
    assert mq.request(queue, b"one", timeout=SOON).body == b"ONE"
    assert mq.request(queue, b"two", timeout=SOON).body == b"TWO"
    thread.join()


def test_a_request_without_a_reply_times_out(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "request")
    with pytest.raises(TimeoutError):
        mq.request(queue, b"anybody?", timeout=0.05)


def test_a_delivery_is_settled_once(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"")
    with mq.receiver(queue) as receiver:
        (delivery,) = take(receiver, 1)
        delivery.accept()
        for again in (delivery.accept, delivery.release, delivery.reject):
            with pytest.raises(batonmq.AlreadySettled):
                again()


def test_a_block_accepts_and_an_exception_in_it_releases(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"work")
    with mq.receiver(queue, wait=SOON) as receiver:
        with pytest.raises(ZeroDivisionError), next(receiver):
            raise ZeroDivisionError
        with next(receiver) as delivery:
            assert delivery.redelivered
    with mq.receiver(queue, wait=QUIET) as receiver:
        assert list(receiver) == []


def test_a_deleted_queue_ends_its_receivers(mq: batonmq.Connection, queue: str) -> None:
    receiver = mq.receiver(queue)
    assert receiver.receive(wait=0) == []
    mq.delete(queue)
    with pytest.raises(batonmq.NotFound):
        receiver.receive(wait=SOON)


def test_closed_means_closed(mq: batonmq.Connection, queue: str) -> None:
    receiver = mq.receiver(queue)
    receiver.close()
    with pytest.raises(batonmq.Closed):
        receiver.receive(wait=0)
    mq.close()
    mq.close()
    with pytest.raises(batonmq.Closed):
        mq.send(queue, b"")
    with pytest.raises((batonmq.Closed, batonmq.UnsupportedFeature)):
        _ = mq.native


class Loop:
    """A thread that receives messages in a loop, until something ends it."""

    def __init__(self, receiver: batonmq.Receiver) -> None:
        self.took = threading.Event()
        self._receiver = receiver
        self._pool = ThreadPoolExecutor(1)
        self._done = self._pool.submit(self._run)

    def _run(self) -> list[bytes]:
        found = []
        for delivery in self._receiver:
            found.append(delivery.body)
            delivery.accept()
            self.took.set()
        return found

    def outcome(self) -> list[bytes] | BaseException:
        """The messages that it received until its end, or the error that ended it."""
        with self._pool:
            error = self._done.exception(SOON)
            return self._done.result() if error is None else error


def test_closing_a_receiver_ends_its_loop_in_another_thread(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"17")
    receiver = mq.receiver(queue)
    loop = Loop(receiver)
    assert loop.took.wait(SOON)
    receiver.close()
    assert loop.outcome() == [b"17"]
    with pytest.raises(batonmq.Closed):
        iter(receiver)


def test_closing_a_connection_is_told_to_a_loop_in_another_thread(place: Place, queue: str) -> None:
    other = place.connect()
    other.send(queue, b"17")
    loop = Loop(other.receiver(queue))
    assert loop.took.wait(SOON)
    other.close()
    assert isinstance(loop.outcome(), batonmq.Closed)


def test_what_a_closed_connection_has_left_takes_no_messages(place: Place, mq: batonmq.Connection, queue: str) -> None:
    """Another connection of this process may go on."""
    other = place.connect()
    receiver = other.receiver(queue)
    assert receiver.receive(wait=0) == []
    other.close()
    mq.send(queue, b"17")
    with pytest.raises(batonmq.Closed):
        receiver.receive(wait=QUIET)
    with mq.receiver(queue) as remaining:
        (delivery,) = take(remaining, 1)
        assert delivery.delivery_count == 1
        delivery.accept()


def test_what_is_not_supported_is_refused_before_anything_is_sent(
    place: Place, mq: batonmq.Connection, queue: str
) -> None:
    can = mq.capabilities
    other = place.queue()
    attempts: list[tuple[bool, str, Callable[[], object]]] = [
        (can.delay, "delay", lambda: mq.send_many(queue, [b"first", batonmq.Message(b"later", delay=60)])),
        (can.ttl, "ttl", lambda: mq.send_many(queue, [b"first", batonmq.Message(b"short", ttl=60)])),
        (can.priority, "priority", lambda: mq.send_many(queue, [b"first", batonmq.Message(b"high", priority=1)])),
        (can.group, "group", lambda: mq.send(queue, b"", group="a")),
        (can.ttl, "ttl", lambda: mq.declare(other, ttl=60)),
        (can.priority, "priority", lambda: mq.declare(other, max_priority=5)),
        (can.max_deliveries, "max_deliveries", lambda: mq.declare(other, max_deliveries=3)),
        (can.dead_letter, "dead_letter", lambda: mq.declare(other, dead_letter=queue)),
        (can.max_length, "max_length", lambda: mq.declare(other, max_length=1)),
        (can.max_length, "max_bytes", lambda: mq.declare(other, max_bytes=1)),
        (can.max_length, "overflow", lambda: mq.declare(other, overflow="refuse")),
        (can.expires, "expires", lambda: mq.declare(other, expires=60)),
        (can.single_consumer, "single_consumer", lambda: mq.declare(other, single_consumer=True)),
        (can.request, "request", lambda: mq.request(queue, b"", timeout=SOON)),
        (can.transactions, "transactions", mq.transaction),
        (can.peek, "peek", lambda: mq.peek(queue)),
        (can.count, "count", lambda: mq.count(queue)),
        (can.purge, "purge", lambda: mq.purge(queue)),
        (can.replay, "replay", lambda: mq.replay(queue, queue + "-other", 1)),
        (can.replay_home, "replay", lambda: mq.replay(queue, max=1)),
        (can.queues, "queues", mq.queues),
        (can.stats, "stats", lambda: mq.stats(queue)),
        (can.until_empty, "until_empty", lambda: mq.receiver(queue, until_empty=True)),
    ]
    for possible, feature, attempt in attempts:
        if not possible:
            with pytest.raises(batonmq.UnsupportedFeature, match=feature):
                attempt()
    is_not_there(mq, other)
    mq.send(queue, b"held")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        assert held.body == b"held"
        if not can.release_delay:
            with pytest.raises(batonmq.UnsupportedFeature):
                held.release(delay=60)
        if not can.reject_reason:
            with pytest.raises(batonmq.UnsupportedFeature):
                held.reject(reason="why")
        held.accept()
    has_ready(mq, queue, 0)


def test_a_transaction_is_all_or_nothing(place: Place, mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "transactions")
    following = place.queue()
    mq.declare(following)
    mq.send(queue, b"step 1")
    with mq.receiver(queue) as receiver:
        (delivery,) = take(receiver, 1)
        failing = mq.transaction()
        failing.accept(delivery)
        failing.send(following, b"step 2")
        failing.send("t-nowhere", b"step 3")
        with pytest.raises(batonmq.NotFound), failing:
            pass
        assert not delivery.settled
        has_ready(mq, following, 0)
        with mq.transaction() as tx:
            tx.accept(delivery)
            tx.send(following, b"step 2")
    has_ready(mq, queue, 0)
    has_ready(mq, following, 1)


def test_a_transaction_that_cannot_be_kept_does_nothing(place: Place, mq: batonmq.Connection, queue: str) -> None:
    # Other brokers report a full queue after the rest is done, or let a few more in: only BatonMQ has leases.
    needs(mq, "transactions", "max_length", "lease")
    full = place.queue()
    mq.declare(full, max_length=1, overflow="refuse")
    mq.send(full, b"first")
    mq.send(queue, b"step 1")
    with mq.receiver(queue) as receiver:
        (delivery,) = take(receiver, 1)
        failing = mq.transaction()
        failing.accept(delivery)
        failing.send(queue, b"step 2")
        failing.send(full, b"second")
        with pytest.raises(batonmq.ResourceError, match=full), failing:
            pass
        # It is still held here.
        delivery.accept()
    has_ready(mq, queue, 0)


def test_a_receiver_goes_on_after_a_transaction(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "transactions")
    mq.send_many(queue, numbered(6))
    with mq.receiver(queue, prefetch=6) as receiver:
        first, second, third, fourth, *rest = take(receiver, 6)
        with mq.transaction() as tx:
            tx.accept(first)
        second.accept()
        third.release()
        with mq.transaction() as tx:
            tx.accept(fourth)
            tx.send(queue, b"new")
        with pytest.raises(batonmq.AlreadySettled), mq.transaction() as tx:
            tx.accept(first)
        for delivery in rest:
            delivery.accept()
        (again,) = [one for one in take(receiver, 2) if one.redelivered]
        assert again.body == b"2"
        again.accept()
    # The message that was sent is back: it was held, and not settled.
    has_ready(mq, queue, 1)


def test_peek_takes_nothing_away(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "peek")
    mq.send_many(queue, numbered(3))
    assert [message.body for message in mq.peek(queue, 2)] == [b"0", b"1"]
    has_ready(mq, queue, 3)
