"""A Qpid Broker-J of the tests' own: what the contract suite does not look at, and kill -9 with messages in hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import batonmq
from batonmq.testing.contract import SOON, take
from tests.peers.catalogue import wanted
from tests.peers.qpid import Qpid
from tests.support.waiting import until


@pytest.fixture(scope="module")
def qpid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qpid]:
    qpid = Qpid(tmp_path_factory.mktemp("qpid") / "broker")
    with wanted(qpid):
        yield qpid


@pytest.fixture
def mq(qpid: Qpid) -> Iterator[batonmq.Connection]:
    with batonmq.connect(qpid.url) as mq:
        yield mq


def test_a_wrong_password_is_refused(qpid: Qpid) -> None:
    with pytest.raises(batonmq.AccessRefused, match="does not let us in"):
        batonmq.connect(qpid.url_of(qpid.user, "wrong"))


def test_what_another_connection_has_declared_is_kept_to(qpid: Qpid, mq: batonmq.Connection, name: str) -> None:
    dead = f"{name}-dead"
    mq.declare(name, dead_letter=dead, max_deliveries=2)
    mq.send(name, b"x", headers={"a": 1})
    with batonmq.connect(qpid.url) as other, other.receiver(name) as receiver:
        take(receiver, 1)[0].reject(reason="spoilt")
        until(lambda: other.count(dead) == 1)
        (letter,) = other.peek(dead)
    assert letter.headers == {"a": 1, "x-reject-reason": "spoilt"}


def test_an_exchange_is_no_queue(mq: batonmq.Connection) -> None:
    """It accepts a message that goes nowhere."""
    with pytest.raises(batonmq.NotFound, match=r"no queue 'amq\.direct'"):
        mq.send("amq.direct", b"")
    with pytest.raises(batonmq.AccessRefused, match="reserved"):
        mq.declare("amq.orders")
    with pytest.raises(batonmq.UnsupportedFeature, match="'/' in the name"):
        mq.declare("direct/orders")


def test_a_queue_that_was_deleted_and_made_anew_is_sent_to(qpid: Qpid, mq: batonmq.Connection, name: str) -> None:
    with batonmq.connect(qpid.url) as other:
        mq.declare(name)
        other.send(name, b"before")
        mq.delete(name)
        with pytest.raises(batonmq.NotFound):
            other.send(name, b"lost")
        mq.declare(name)
        other.send(name, b"behind")
    assert [message.body for message in mq.peek(name, 2)] == [b"behind"]


def test_what_is_deleted_makes_no_dead_letters(mq: batonmq.Connection, name: str) -> None:
    dead = f"{name}-dead"
    mq.declare(name, dead_letter=dead)
    mq.send(name, b"x")
    mq.delete(name)
    assert mq.count(dead) == 0


def test_the_queue_of_dead_letters_is_not_deleted_while_another_needs_it(mq: batonmq.Connection, name: str) -> None:
    dead = f"{name}-dead"
    mq.declare(name, dead_letter=dead)
    mq.send(dead, b"x")
    with pytest.raises(batonmq.PreconditionFailed, match=f"the dead letters of '{name}'"):
        mq.delete(dead)
    assert mq.count(dead) == 1
    mq.delete(name)
    mq.delete(dead)
    with pytest.raises(batonmq.NotFound):
        mq.count(dead)


def test_what_is_not_offered_is_refused_in_words(mq: batonmq.Connection, name: str) -> None:
    with pytest.raises(batonmq.UnsupportedFeature, match="max_bytes"):
        mq.declare(name, max_bytes=1000)
    with pytest.raises(batonmq.UnsupportedFeature, match="its highest is 9"):
        mq.declare(name, max_priority=10)
    with pytest.raises(batonmq.UnsupportedFeature, match="pushes out is no dead letter"):
        mq.declare(name, max_length=1, dead_letter=f"{name}-dead")
    with pytest.raises(batonmq.UnsupportedFeature, match="qpid: delay"):
        mq.send(name, b"", delay=1.0)
    with pytest.raises(batonmq.NotFound):
        mq.count(name)


@pytest.mark.timeout(400)  # a broker starts three times as slowly on a busy machine
def test_what_was_confirmed_is_there_after_kill_9_and_what_was_held_comes_again(qpid: Qpid, name: str) -> None:
    with batonmq.connect(qpid.url) as mq:
        mq.declare(name, max_deliveries=5, dead_letter=f"{name}-dead")
        for number in range(100):
            mq.send(name, b"%d" % number)
        with mq.receiver(name, prefetch=10) as receiver:
            first, *held = take(receiver, 3)
            first.accept()
            qpid.kill()
            qpid.start()
            for delivery in held:
                with pytest.raises(batonmq.LeaseLost):
                    delivery.accept()
            # What was accepted last may not have been written yet.
            missing = set(range(100)) - {int(first.body)}
            found: set[int] = set()

            def all_came() -> bool:
                found.update(_accepted(receiver))
                return missing <= found

            until(all_came, 4 * SOON)
        assert (mq.count(name), mq.count(f"{name}-dead")) == (0, 0)


def _accepted(receiver: batonmq.Receiver) -> list[int]:
    found = []
    for delivery in receiver.receive(10, wait=0.2):
        delivery.accept()
        found.append(int(delivery.body))
    return found
