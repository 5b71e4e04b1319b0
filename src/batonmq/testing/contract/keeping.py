"""A message is in exactly one place, what was confirmed is kept, and what was held comes back."""

from __future__ import annotations

import subprocess
import sys

import pytest

import batonmq
from batonmq.testing.contract.hands import QUIET, bodies, has_ready, needs, numbered, take
from batonmq.testing.contract.place import Place

# ---------------------------------------------------------------------- 1: in exactly one place


def test_a_message_is_in_one_pair_of_hands_or_in_the_queue_or_gone(mq: batonmq.Connection, queue: str) -> None:
    mq.send_many(queue, numbered(3))
    with mq.receiver(queue, prefetch=1) as one, mq.receiver(queue) as other:
        (first,) = take(one, 1)
        rest = take(other, 2)
        assert bodies([first, *rest]) == [b"0", b"1", b"2"]
        assert one.receive(wait=QUIET) == []
        has_ready(mq, queue, 0)
        first.accept()
    with mq.receiver(queue) as late:
        assert sorted(bodies(take(late, 2))) == [b"1", b"2"]
        assert late.receive(wait=QUIET) == []


def test_a_rejected_message_goes_to_the_dead_letters_and_nowhere_else(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue, dead_letter=dead)
    mq.send(queue, b"bad", id="m-1", headers={"tenant": "a"})
    with mq.receiver(queue) as receiver:
        take(receiver, 1)[0].reject()
        with mq.receiver(dead) as undertaker:
            (letter,) = take(undertaker, 1)
            assert (letter.body, letter.message.id, letter.message.headers["tenant"]) == (b"bad", "m-1", "a")
        assert receiver.receive(wait=QUIET) == []


def test_a_message_without_a_dead_letter_queue_is_gone_when_it_is_rejected(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"bad")
    with mq.receiver(queue) as receiver:
        take(receiver, 1)[0].reject()
        assert receiver.receive(wait=QUIET) == []
    has_ready(mq, queue, 0)


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
        assert receiver.receive(wait=QUIET) == []


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
for delivery in receiver.receive(max=1, wait=30):
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
        taken = sorted(take(receiver, 3), key=lambda delivery: delivery.body)
    # In any order: that the process has ended may be heard of when the receiver has the others already.
    assert bodies(taken) == [b"0", b"1", b"2"]
    assert taken[0].redelivered


def test_what_ends_its_process_too_often_is_a_dead_letter(place: Place) -> None:
    if not place.shared:
        pytest.skip("nothing outlives a process in memory")
    queue, dead = place.queue(), place.queue()
    with batonmq.connect(place.url) as mq:
        needs(mq, "dead_letter", "max_deliveries")
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
    needs(mq, "dead_letter", "max_deliveries")
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
