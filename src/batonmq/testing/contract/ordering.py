"""First in, first out; higher priorities first; and fair shares for receivers."""

from __future__ import annotations

import threading

import batonmq
from batonmq.testing.contract.hands import QUIET, SOON, bodies, has_ready, needs, numbered, take
from batonmq.testing.contract.place import Place

# ---------------------------------------------------------------------- 4: order


def test_first_in_first_out(mq: batonmq.Connection, queue: str) -> None:
    expected = [b"%d" % number for number in range(500)]
    mq.send_many(queue, numbered(250))
    for body in expected[250:]:
        mq.send(queue, body)
    found: list[bytes] = []
    with mq.receiver(queue) as receiver:
        while len(found) < 500:
            came = receiver.receive(20, wait=SOON)
            assert came, f"only {len(found)} of 500 messages came"
            for delivery in came:
                found.append(delivery.body)
                delivery.accept()
    assert found == expected


def test_many_sent_at_once_are_confirmed_and_come_in_order(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, [])
    mq.send_many(queue, numbered(2000))
    has_ready(mq, queue, 2000)
    with mq.receiver(queue, prefetch=500) as receiver:
        for number in range(2000):
            (delivery,) = take(receiver, 1)
            assert delivery.body == b"%d" % number
            delivery.accept()
        assert receiver.receive(wait=QUIET) == []


def test_a_higher_priority_comes_first(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "priority")
    queue = place.queue()
    mq.declare(queue, max_priority=5)
    for priority in (0, 5, 1, 5):
        mq.send(queue, b"%d" % priority, priority=priority)
    with mq.receiver(queue) as receiver:
        assert bodies(take(receiver, 4)) == [b"5", b"5", b"1", b"0"]


# ---------------------------------------------------------------------- 5: fair shares


def test_a_slow_receiver_holds_no_more_than_its_prefetch(mq: batonmq.Connection, queue: str) -> None:
    with mq.receiver(queue, prefetch=2) as slow, mq.receiver(queue, prefetch=2) as quick:
        mq.send_many(queue, numbered(20))
        held = take(slow, 1)
        done: list[bytes] = []
        while len(done) + 2 < 20:
            came = quick.receive(2, wait=SOON)
            assert came, f"only {len(done)} of 18 messages came"
            for delivery in came:
                done.append(delivery.body)
                delivery.accept()
        assert len(held) == 1
        assert len(set(done)) == len(done)


def test_receivers_that_wait_get_one_message_each(mq: batonmq.Connection, queue: str) -> None:
    found: list[list[bytes]] = []
    with mq.receiver(queue, prefetch=1) as one, mq.receiver(queue, prefetch=1) as other:
        threads = [
            threading.Thread(target=lambda receiver=receiver: found.append(bodies(receiver.receive(1, wait=SOON))))
            for receiver in (one, other)
        ]
        for thread in threads:
            thread.start()
        mq.send_many(queue, numbered(2))
        for thread in threads:
            thread.join()
    assert sorted(found) == [[b"0"], [b"1"]]


def test_a_single_consumer_has_all_until_it_goes(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "single_consumer")
    queue = place.queue()
    mq.declare(queue, single_consumer=True)
    with mq.receiver(queue, prefetch=1) as waiting_later:
        mq.send_many(queue, numbered(2))
        (held,) = take(waiting_later, 1)
        with mq.receiver(queue, prefetch=1) as other:
            assert other.receive(wait=QUIET) == []
            held.accept()
            assert other.receive(wait=QUIET) == []
            waiting_later.close()
            (again,) = take(other, 1)
            assert again.body == b"1"
