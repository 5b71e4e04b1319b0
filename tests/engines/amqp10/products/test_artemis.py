"""What Artemis does its own way, with a real one: where BATONMQ_TEST_ARTEMIS names one, as `make engines` does."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

import batonmq
from batonmq.testing.contract import SOON, bodies, take
from tests.support.waiting import until


@pytest.fixture(scope="module")
def url() -> str:
    found = os.environ.get("BATONMQ_TEST_ARTEMIS")
    if not found:
        pytest.skip("BATONMQ_TEST_ARTEMIS is not set: make engines sets it")
    return found


@pytest.fixture
def mq(url: str) -> Iterator[batonmq.Connection]:
    with batonmq.connect(url) as mq:
        yield mq


@pytest.fixture
def queue(mq: batonmq.Connection, name: str) -> Iterator[str]:
    yield name
    mq.delete(name)


@pytest.fixture
def dead(mq: batonmq.Connection, name: str) -> Iterator[str]:
    yield f"{name}-dead"
    mq.delete(f"{name}-dead")


def is_there(mq: batonmq.Connection, queue: str) -> bool:
    try:
        mq.count(queue)
    except batonmq.NotFound:
        return False
    return True


def test_who_does_not_log_in_is_refused(url: str) -> None:
    parts = urlsplit(url)
    with pytest.raises(batonmq.AccessRefused, match="does not let us in: AMQ229031"):
        batonmq.connect(f"{parts.scheme}://{parts.hostname}:{parts.port}")


# ---------------------------------------------------------------------- queues


def test_what_is_not_there_is_not_made_by_being_used(mq: batonmq.Connection, name: str) -> None:
    with pytest.raises(batonmq.NotFound, match=name):
        mq.send(name, b"lost?")
    with pytest.raises(batonmq.NotFound), mq.receiver(name):
        pass
    with pytest.raises(batonmq.NotFound):
        mq.peek(name)
    with pytest.raises(batonmq.NotFound):
        mq.count(name)


def test_a_queue_that_was_deleted_is_not_made_anew_over_the_link_that_there_was(
    mq: batonmq.Connection, queue: str
) -> None:
    mq.declare(queue)
    mq.send(queue, b"")
    mq.delete(queue)
    with pytest.raises(batonmq.NotFound):
        mq.send(queue, b"")
    with pytest.raises(batonmq.NotFound):
        mq.count(queue)


def test_settings_go_with_their_queue(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue, max_length=1, overflow="refuse")
    mq.delete(queue)
    mq.declare(queue)
    mq.send_many(queue, [b"1", b"2"])
    assert mq.count(queue) == 2


def test_options_that_are_there_otherwise_are_told(mq: batonmq.Connection, queue: str, dead: str) -> None:
    mq.declare(queue, max_deliveries=3, dead_letter=dead, ttl=60, single_consumer=True)
    mq.declare(queue, max_deliveries=3, dead_letter=dead, ttl=60, single_consumer=True)
    for options, told in (
        ({"max_deliveries": 4, "single_consumer": True}, "max_deliveries is 3 there, and 4 was asked for"),
        ({"ttl": 5, "single_consumer": True}, "ttl is 60 there, and 5 was asked for"),
        ({}, "single_consumer is True there, and False was asked for"),
        ({"single_consumer": True, "durable": False}, "durable is True there, and False was asked for"),
    ):
        with pytest.raises(batonmq.PreconditionFailed, match=told):
            mq.declare(queue, **options)


@pytest.mark.parametrize("option", [{"max_bytes": 10}, {"expires": 5}, {"max_priority": 10}, {"max_length": 0}])
def test_what_it_has_not_is_refused_before_anything_is_made(
    mq: batonmq.Connection, name: str, option: dict[str, int]
) -> None:
    with pytest.raises(batonmq.UnsupportedFeature, match=next(iter(option))):
        mq.declare(name, **option)  # type: ignore[arg-type]
    with pytest.raises(batonmq.NotFound):
        mq.count(name)


@pytest.mark.parametrize("wild", ["t-all.*", "t-all.#", "t-a::b"])
def test_a_wildcard_is_no_name_of_a_queue(mq: batonmq.Connection, wild: str) -> None:
    with pytest.raises(batonmq.UnsupportedFeature, match="name of a queue"):
        mq.declare(wild)


# ---------------------------------------------------------------------- counts


def test_the_count_goes_on_over_copies_and_is_not_shown(mq: batonmq.Connection, queue: str, dead: str) -> None:
    mq.declare(queue, max_deliveries=4, dead_letter=dead)
    mq.send(queue, b"order", headers={"tenant": "a"}, id="m-1")
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        for count, delay in ((1, 0.05), (2, None), (3, 0.05), (4, None)):
            (delivery,) = take(receiver, 1)
            assert delivery.delivery_count == count
            assert delivery.redelivered == (count > 1)
            assert delivery.message.headers == {"tenant": "a"}
            assert delivery.message.id == "m-1"
            delivery.release(delay=delay)
        (letter,) = take(undertaker, 1)
        assert letter.body == b"order"
        letter.release()
    assert mq.replay(dead, queue) == 1
    with mq.receiver(queue) as receiver:
        (again,) = take(receiver, 1)
        assert (again.delivery_count, again.message.headers) == (1, {"tenant": "a"})


def test_a_last_release_for_later_is_the_end_as_well(mq: batonmq.Connection, queue: str, dead: str) -> None:
    mq.declare(queue, max_deliveries=1, dead_letter=dead)
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        take(receiver, 1)[0].release(delay=3600)
        assert bodies(take(undertaker, 1)) == [b"order"]


def test_what_was_sent_twice_is_dropped_and_a_copy_is_not(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue)
    for _ in range(2):
        mq.send(queue, b"order", headers={"_AMQ_DUPL_ID": queue})
    assert mq.count(queue) == 1
    with mq.receiver(queue) as receiver:
        take(receiver, 1)[0].release(delay=0.05)
        assert take(receiver, 1)[0].delivery_count == 2


def test_closing_waits_for_what_is_being_copied(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue)
    mq.send_many(queue, [b"%d" % number for number in range(50)])
    for count in (1, 2, 3):
        with mq.receiver(queue, prefetch=50) as receiver:
            for delivery in take(receiver, 50):
                assert delivery.delivery_count == count
                delivery.release(delay=0.01)
    until(lambda: mq.count(queue) == 50)


def test_closing_the_connection_gives_back_and_counts(url: str, mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue)
    mq.send_many(queue, [b"0", b"1"])
    with batonmq.connect(url) as other:
        take(other.receiver(queue, prefetch=2), 1)
    with mq.receiver(queue) as receiver:
        first, second = take(receiver, 2)
        assert (first.body, first.delivery_count) == (b"0", 2)
        # Nobody has seen it.
        assert (second.body, second.delivery_count) == (b"1", 1)


# ---------------------------------------------------------------------- the rest


def test_a_full_queue_refuses_in_its_own_words(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue, max_length=2, overflow="refuse")
    mq.send_many(queue, [b"1", b"2"])
    with pytest.raises(batonmq.ResourceError, match=queue):
        mq.send(queue, b"3")
    with mq.receiver(queue) as receiver:
        for delivery in take(receiver, 2):
            delivery.accept()
    mq.send(queue, b"4")
    assert mq.count(queue) == 1


def test_the_oldest_gives_way_in_a_queue_without_dead_letters(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue, max_length=2)
    mq.send_many(queue, [b"1", b"2", b"3"])
    with mq.receiver(queue) as receiver:
        assert bodies(take(receiver, 2)) == [b"2", b"3"]


def test_a_purge_leaves_what_waits_for_its_time(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue)
    mq.send_many(queue, [b"1", batonmq.Message(b"later", delay=0.5), b"2"])
    assert mq.purge(queue) == 2
    with mq.receiver(queue) as receiver:
        assert bodies(take(receiver, 1)) == [b"later"]


def test_a_purge_drops_all_that_is_ready(mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue)
    for _ in range(3):
        mq.send_many(queue, [b"%d" % number for number in range(2000)])
        assert mq.purge(queue) == 2000
    assert mq.count(queue) == 0


def test_a_large_message_goes_the_same_ways(mq: batonmq.Connection, queue: str, dead: str) -> None:
    mq.declare(queue, max_deliveries=3, dead_letter=dead)
    mq.send(queue, b"x" * 300_000, headers={"tenant": "a"})
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        for delay in (0.05, None):
            take(receiver, 1)[0].release(delay=delay)
        take(receiver, 1)[0].reject(reason="too large")
        (letter,) = take(undertaker, 1)
        assert (len(letter.body), letter.message.headers["x-reject-reason"]) == (300_000, "too large")


def test_a_reply_to_somebody_who_is_gone_makes_no_queue(url: str, mq: batonmq.Connection, queue: str) -> None:
    mq.declare(queue)
    other = batonmq.connect(url)

    def ask() -> None:
        with pytest.raises(batonmq.Closed):
            other.request(queue, b"ping", timeout=SOON)

    thread = threading.Thread(target=ask)
    thread.start()
    with mq.receiver(queue) as receiver:
        (request,) = take(receiver, 1)
        address = request.message.reply_to
        assert address is not None
        other.close()
        thread.join()
        until(lambda: not is_there(mq, address))
        mq.reply(request, b"pong")
        assert not is_there(mq, address)


def test_two_who_declare_at_once_both_have_it(url: str, mq: batonmq.Connection, queue: str) -> None:
    failed: list[batonmq.BatonError] = []
    barrier = threading.Barrier(4)

    def declare() -> None:
        try:
            with batonmq.connect(url) as other:
                barrier.wait(SOON)
                other.declare(queue, max_deliveries=3)
        except batonmq.BatonError as error:
            failed.append(error)

    threads = [threading.Thread(target=declare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    mq.send(queue, json.dumps(None).encode())
    assert mq.count(queue) == 1
