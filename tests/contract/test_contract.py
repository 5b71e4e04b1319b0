"""The contract of DESIGN.md, rule by rule, through every engine."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

import batonmq
from batonmq.engines.messages import HeaderValue
from tests.contract.hands import SOON, bodies, needs, numbered, take
from tests.contract.places import Place

# ---------------------------------------------------------------------- 1: in exactly one place


def test_a_message_is_in_one_pair_of_hands_or_in_the_queue_or_gone(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, numbered(3))
    with mq.receiver(queue, prefetch=1) as one, mq.receiver(queue) as other:
        (first,) = take(one, 1)
        rest = take(other, 2)
        assert bodies([first, *rest]) == [b"0", b"1", b"2"]
        assert one.receive(wait=0.05) == []
        assert mq.count(queue) == 0
        first.accept()
    with mq.receiver(queue) as late:
        assert sorted(bodies(take(late, 2))) == [b"1", b"2"]
        assert late.receive(wait=0.05) == []


def test_a_rejected_message_goes_to_the_dead_letters_and_nowhere_else(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"bad", id="m-1", headers={"tenant": "a"})
    with mq.receiver(queue) as receiver:
        take(receiver, 1)[0].reject()
        with mq.receiver(dead) as undertaker:
            (letter,) = take(undertaker, 1)
            assert (letter.body, letter.message.id, letter.message.headers["tenant"]) == (b"bad", "m-1", "a")
        assert receiver.receive(wait=0.05) == []


def test_a_message_without_a_dead_letter_queue_is_gone_when_it_is_rejected(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"bad")
    with mq.receiver(queue) as receiver:
        take(receiver, 1)[0].reject()
        assert receiver.receive(wait=0.05) == []
    assert mq.count(queue) == 0


# ---------------------------------------------------------------------- 2: nothing confirmed is lost

SENDER = """
import os, signal, sys
import batonmq
mq = batonmq.connect(sys.argv[1])
for number in range(1000):
    mq.send(sys.argv[2], b"%d" % number)
    os.write(1, b"%d\\n" % number)
"""


def test_what_send_returned_for_survives_the_death_of_the_sender(place: Place) -> None:
    if not place.shared:
        pytest.skip("nothing outlives a process in memory")
    with batonmq.connect(place.url) as mq:
        queue = place.queue()
        mq.declare(queue)
    sender = subprocess.Popen([sys.executable, "-c", SENDER, place.url, queue], stdout=subprocess.PIPE)
    assert sender.stdout is not None
    with sender.stdout as output:
        for _ in range(50):
            assert output.readline()
        sender.kill()
        confirmed = 50 + len(output.readlines())
    sender.wait()
    with place.connect().receiver(queue, prefetch=2000) as receiver:
        found = bodies(take(receiver, confirmed))
    assert found == [b"%d" % number for number in range(confirmed)]


def test_durable_messages_survive_that_nobody_is_connected(place: Place) -> None:
    if not place.survives:
        pytest.skip("memory is gone with its last connection")
    queue = place.queue()
    with batonmq.connect(place.url) as mq:
        mq.declare(queue)
        mq.send(queue, b"kept", id="m-1", headers={"n": 1}, content_type="text/plain", correlation_id="c", type="t")
    with place.connect().receiver(queue) as receiver:
        message = take(receiver, 1)[0].message
    assert (message.body, message.id, message.headers) == (b"kept", "m-1", {"n": 1})
    assert (message.content_type, message.correlation_id, message.type) == ("text/plain", "c", "t")


def test_what_was_accepted_does_not_come_back(place: Place) -> None:
    if not place.survives:
        pytest.skip("memory is gone with its last connection")
    queue = place.queue()
    with batonmq.connect(place.url) as mq:
        mq.declare(queue)
        mq.send_many(queue, numbered(2))
        with mq.receiver(queue) as receiver:
            take(receiver, 1)[0].accept()
    with place.connect().receiver(queue) as receiver:
        assert bodies(take(receiver, 1)) == [b"1"]
        assert receiver.receive(wait=0.05) == []


# ---------------------------------------------------------------------- 3: what was held comes back


def test_what_a_closed_receiver_held_comes_back_at_its_old_place(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, numbered(4))
    with mq.receiver(queue, prefetch=3) as receiver:
        take(receiver, 3)
    with mq.receiver(queue) as receiver:
        again = take(receiver, 4)
    assert bodies(again) == [b"0", b"1", b"2", b"3"]
    assert [delivery.redelivered for delivery in again] == [True, True, True, False]
    assert [delivery.delivery_count for delivery in again] == [2, 2, 2, 1]


def test_what_a_closed_connection_held_comes_back(place: Place, mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"held")
    other = place.connect()
    (held,) = take(other.receiver(queue), 1)
    other.close()
    with pytest.raises(batonmq.LeaseLost):
        held.accept()
    with mq.receiver(queue) as receiver:
        (again,) = take(receiver, 1)
    assert (again.body, again.redelivered) == (b"held", True)


def test_a_released_message_comes_next(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, numbered(2))
    with mq.receiver(queue, prefetch=1) as receiver:
        take(receiver, 1)[0].release()
        (again,) = take(receiver, 1)
        assert (again.body, again.redelivered, again.delivery_count) == (b"0", True, 2)


HOLDER = """
import os, sys
import batonmq
mq = batonmq.connect(sys.argv[1])
receiver = mq.receiver(sys.argv[2], prefetch=1)
for delivery in receiver.receive(max=1, wait=10):
    # Its commit takes along that the first message was handed out.
    mq.send(sys.argv[2], b"2")
    os.write(1, delivery.body + b"\\n")
sys.stdin.read()
"""


def test_what_a_killed_process_held_comes_back_redelivered(place: Place) -> None:
    if not place.shared:
        pytest.skip("nothing outlives a process in memory")
    queue = place.queue()
    with batonmq.connect(place.url) as mq:
        mq.declare(queue)
        mq.send_many(queue, numbered(2))
    command = [sys.executable, "-c", HOLDER, place.url, queue]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout as output, holder.stdin:
        assert output.readline() == b"0\n"
        holder.kill()
        holder.wait()
    mq = place.connect()
    with mq.receiver(queue) as receiver:
        first, *others = take(receiver, 3)
    assert bodies([first, *others]) == [b"0", b"1", b"2"]
    assert first.redelivered


def test_what_ends_its_process_too_often_is_a_dead_letter(place: Place) -> None:
    if not place.shared:
        pytest.skip("nothing outlives a process in memory")
    queue, dead = place.queue(), place.queue()
    with batonmq.connect(place.url) as mq:
        mq.declare(queue, max_deliveries=1, dead_letter=dead)
        mq.send_many(queue, numbered(2))
    command = [sys.executable, "-c", HOLDER, place.url, queue]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout as output, holder.stdin:
        assert output.readline() == b"0\n"
        holder.kill()
        holder.wait()
    mq = place.connect()
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 1)) == [b"0"]
        assert bodies(take(receiver, 2)) == [b"1", b"2"]


def test_a_message_that_comes_back_too_often_is_a_dead_letter(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_deliveries=3, dead_letter=dead)
    mq.send(queue, b"poison")
    with mq.receiver(queue) as receiver:
        for count in (1, 2, 3):
            (delivery,) = take(receiver, 1)
            assert delivery.delivery_count == count
            delivery.release()
        with mq.receiver(dead) as undertaker:
            assert bodies(take(undertaker, 1)) == [b"poison"]


# ---------------------------------------------------------------------- 4: order


def test_first_in_first_out(mq: batonmq.Connection, queue: str) -> None:
    expected = [b"%d" % number for number in range(500)]
    mq.send_many(queue, numbered(250))
    for body in expected[250:]:
        mq.send(queue, body)
    found: list[bytes] = []
    with mq.receiver(queue) as receiver:
        while len(found) < 500:
            for delivery in receiver.receive(20, wait=SOON):
                found.append(delivery.body)
                delivery.accept()
    assert found == expected


def test_many_sent_at_once_are_confirmed_and_come_in_order(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, [])
    mq.send_many(queue, numbered(2000))
    assert mq.count(queue) == 2000
    with mq.receiver(queue, prefetch=500) as receiver:
        for number in range(2000):
            (delivery,) = take(receiver, 1)
            assert delivery.body == b"%d" % number
            delivery.accept()
        assert receiver.receive(wait=0.05) == []


def test_a_higher_priority_comes_first(place: Place, mq: batonmq.Connection) -> None:
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
            for delivery in quick.receive(2, wait=SOON):
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
            assert other.receive(wait=0.05) == []
            held.accept()
            assert other.receive(wait=0.05) == []
            waiting_later.close()
            (again,) = take(other, 1)
            assert again.body == b"1"


# ---------------------------------------------------------------------- what the API promises beside

HEADERS: dict[str, HeaderValue] = {
    "text": "grüße",
    "long text": "x" * 1000,
    "number": -(2**40),
    "small": 7,
    "fraction": 1.5,
    "yes": True,
    "bytes": b"\x00\xff",
    "nothing": None,
    "list": [1, "two", [3.0, None]],
    "table": {"inner": {"deep": [b"", ""]}},
}


@pytest.mark.parametrize("size", [0, 1, 300_000], ids=["empty", "small", "large"])
def test_a_message_arrives_as_it_was_sent(mq: batonmq.Connection, queue: str, size: int) -> None:
    sent = batonmq.Message(
        bytes(number & 0xFF for number in range(size)),
        id="m-1",
        headers=HEADERS,
        content_type="application/octet-stream",
        correlation_id="c-1",
        reply_to="answers",
        type="order",
        priority=3,
        ttl=3600.0,
        created_at=datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC),
    )
    mq.send(queue, sent)
    with mq.receiver(queue) as receiver:
        found = take(receiver, 1)[0].message
    assert found.body == sent.body
    assert found.headers == HEADERS
    for name in (
        "id",
        "content_type",
        "correlation_id",
        "reply_to",
        "type",
        "priority",
        "ttl",
        "created_at",
        "durable",
    ):
        assert getattr(found, name) == getattr(sent, name), name


def test_a_time_to_live_ends(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"late", ttl=0.02)
    with mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 1)) == [b"late"]
    assert mq.count(queue) == 0


def test_a_queues_time_to_live_ends(place: Place, mq: batonmq.Connection) -> None:
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead, ttl=0.02)
    mq.send_many(queue, numbered(2))
    with mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 2)) == [b"0", b"1"]
    assert mq.count(queue) == 0


def test_a_delayed_message_waits_and_lets_others_pass(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "delay")
    mq.send_many(queue, [batonmq.Message(b"later", delay=0.1), batonmq.Message(b"much later", delay=3600), b"now"])
    with mq.receiver(queue) as receiver:
        assert bodies(take(receiver, 2)) == [b"now", b"later"]
        assert receiver.receive(wait=0.05) == []


def test_a_full_queue_refuses(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length")
    queue = place.queue()
    mq.declare(queue, max_length=1, overflow="refuse")
    mq.send(queue, b"1")
    with pytest.raises(batonmq.ResourceError):
        mq.send(queue, b"2")
    assert mq.count(queue) == 1


def test_a_full_queue_takes_what_waits_for_its_time(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length")
    needs(mq, "delay")
    queue = place.queue()
    mq.declare(queue, max_length=1, overflow="refuse")
    mq.send(queue, b"1")
    mq.send(queue, b"later", delay=3600)
    with pytest.raises(batonmq.ResourceError):
        mq.send(queue, b"2")
    assert mq.count(queue) == 1


def test_in_a_full_queue_the_oldest_gives_way(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, max_length=2, dead_letter=dead)
    mq.send_many(queue, numbered(4))
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        assert bodies(take(undertaker, 2)) == [b"0", b"1"]
        assert bodies(take(receiver, 2)) == [b"2", b"3"]


def test_deliveries_are_counted(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "delivery_count")
    mq.send(queue, b"")
    with mq.receiver(queue) as receiver:
        for count in (1, 2, 3):
            (delivery,) = take(receiver, 1)
            assert delivery.delivery_count == count
            delivery.release()


def test_a_reason_goes_along_with_the_dead_letter(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "reject_reason")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"bad")
    with mq.receiver(queue) as receiver, mq.receiver(dead) as undertaker:
        take(receiver, 1)[0].reject(reason="no such customer")
        (died,) = take(undertaker, 1)
        assert died.message.headers["x-reject-reason"] == "no such customer"
        died.release()
    assert mq.replay(dead, queue) == 1
    with mq.receiver(queue) as receiver:
        assert take(receiver, 1)[0].message.headers == {}


def test_a_queue_that_is_not_there_is_not_found(mq: batonmq.Connection) -> None:
    with pytest.raises(batonmq.NotFound):
        mq.send("t-nowhere", b"")
    with pytest.raises(batonmq.NotFound):
        mq.count("t-nowhere")
    with pytest.raises(batonmq.NotFound), mq.receiver("t-nowhere"):
        pass
    with pytest.raises(batonmq.NotFound):
        mq.request("t-nowhere", b"", timeout=SOON)


def test_a_queue_declared_otherwise_is_refused_and_the_connection_goes_on(mq: batonmq.Connection, queue: str) -> None:
    needs(mq, "max_length")
    mq.declare(queue)
    with pytest.raises(batonmq.PreconditionFailed):
        mq.declare(queue, max_length=3)
    mq.send(queue, b"")
    assert mq.count(queue) == 1


def test_a_purge_drops_what_is_ready_and_leaves_what_is_held(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, numbered(3))
    with mq.receiver(queue, prefetch=1) as receiver:
        (held,) = take(receiver, 1)
        assert mq.purge(queue) == 2
        held.release()
        assert bodies(take(receiver, 1)) == [b"0"]


def test_dead_letters_are_replayed_in_order_and_can_die_again(place: Place, mq: batonmq.Connection) -> None:
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


def test_a_request_gets_its_reply(place: Place, mq: batonmq.Connection, queue: str) -> None:
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
    with mq.receiver(queue, wait=0.05) as receiver:
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


def test_what_is_not_supported_is_refused_before_anything_is_sent(mq: batonmq.Connection, queue: str) -> None:
    can = mq.capabilities
    if not can.delay:
        with pytest.raises(batonmq.UnsupportedFeature):
            mq.send_many(queue, [b"first", batonmq.Message(b"later", delay=60)])
    if not can.group:
        with pytest.raises(batonmq.UnsupportedFeature):
            mq.send(queue, b"", group="a")
    if not can.transactions:
        with pytest.raises(batonmq.UnsupportedFeature):
            mq.transaction()
    mq.send(queue, b"held")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        if not can.release_delay:
            with pytest.raises(batonmq.UnsupportedFeature):
                held.release(delay=60)
        if not can.reject_reason:
            with pytest.raises(batonmq.UnsupportedFeature):
                held.reject(reason="why")
        held.accept()
    assert mq.count(queue) == 0


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
        assert mq.count(following) == 0
        with mq.transaction() as tx:
            tx.accept(delivery)
            tx.send(following, b"step 2")
    assert (mq.count(queue), mq.count(following)) == (0, 1)


def test_peek_takes_nothing_away(mq: batonmq.Connection, queue: str) -> None:
    if not mq.capabilities.peek:
        with pytest.raises(batonmq.UnsupportedFeature):
            mq.peek(queue)
        return
    mq.send_many(queue, numbered(3))
    assert [message.body for message in mq.peek(queue, 2)] == [b"0", b"1"]
    assert mq.count(queue) == 3
