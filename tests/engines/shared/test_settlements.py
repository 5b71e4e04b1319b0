"""What is settled while a file changes hands is settled, or whoever settled it is told that it is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import batonmq
from batonmq import points
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, wire
from batonmq.engines.values import QueueOptions
from tests.engines.shared.conftest import Connect, Nursery, Owner, is_served_by
from tests.support.waiting import until

SOON = 30.0


@pytest.fixture
def unnoticed() -> Iterator[threading.Event]:
    """Until it is set, who loses its owner first does not notice, like a process that is stopped."""
    event = threading.Event()

    def wait() -> None:
        points.disarm()
        event.wait(SOON)

    points.arm("owner.lost", wait)
    yield event
    event.set()
    points.disarm()


def test_what_is_accepted_after_others_had_it_raises(nursery: Nursery, path: str, unnoticed: threading.Event) -> None:
    first = nursery.own(path)
    until(lambda: is_served_by(path, first))
    with batonmq.connect(path) as mq, ThreadPoolExecutor() as pool:
        mq.declare("orders")
        mq.send("orders", b"1")
        (held,) = mq.receiver("orders").receive(wait=SOON)
        nursery.end(first, "killed")
        second = nursery.own(path)
        until(lambda: is_served_by(path, second))
        # Served when nobody is waited for any more.
        with batonmq.connect(path) as other, other.receiver("orders") as receiver:
            (again,) = receiver.receive(wait=SOON)
            assert again.redelivered
            again.accept()
        accepting = pool.submit(held.accept)
        unnoticed.set()
        with pytest.raises(batonmq.LeaseLost):
            accepting.result(SOON)


def test_what_is_accepted_while_nobody_has_the_file_is_accepted_by_the_next_owner(
    nursery: Nursery, path: str, unnoticed: threading.Event
) -> None:
    first = nursery.own(path)
    until(lambda: is_served_by(path, first))
    with batonmq.connect(path) as mq, ThreadPoolExecutor() as pool:
        mq.declare("orders")
        mq.send("orders", b"1")
        (held,) = mq.receiver("orders").receive(wait=SOON)
        nursery.end(first, "killed")
        accepting = pool.submit(held.accept)
        unnoticed.set()
        assert accepting.result(SOON) is None
        assert mq.receiver("orders").receive(wait=0) == []
        assert mq.count("orders") == 0


def test_what_went_with_the_owner_is_not_accepted_in_silence(departing: Owner, unnoticed: threading.Event) -> None:
    subscribing = departing.engine.subscribe("orders", 1)
    departing.say(answers.Done(departing.hear().number))
    subscription = subscribing.get()
    receiving = subscription.receive(1)
    departing.say(
        answers.Arrived(departing.hear().number, [(wire.message_to(Message(b"1")), 1, False, 7, 0, "", "orders")])
    )
    (held,) = receiving.get()
    departing.go()
    with pytest.raises(batonmq.LeaseLost):
        subscription.settle(held, "accept")


def test_whoever_accepts_when_no_owner_can_be_found_is_told(
    path: str, departing: Owner, unnoticed: threading.Event
) -> None:
    subscribing = departing.engine.subscribe("orders", 1)
    departing.say(answers.Done(departing.hear().number))
    subscription = subscribing.get()
    receiving = subscription.receive(1)
    departing.say(
        answers.Arrived(departing.hear().number, [(wire.message_to(Message(b"1")), 1, False, 7, 1, "", "orders")])
    )
    (held,) = receiving.get()
    departing.go()
    outcome = subscription.settle(held, "accept")
    with open(path, "r+b") as file:  # noqa: PTH123
        file.write(b"not a database any more, " * 100)
    unnoticed.set()
    assert outcome is not None
    with pytest.raises(batonmq.StoreError):
        outcome.get()


def test_a_settlement_that_comes_too_late_is_logged(
    owner: EmbeddedEngine, guest: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    owner.declare("orders", QueueOptions()).get()
    owner.send("orders", [Message(b"1")]).get()
    mq = guest()
    (held,) = mq.receiver("orders").receive(wait=SOON)
    owner.delete("orders").get()
    held.accept()
    until(lambda: "accept of a message of queue 'orders' came too late" in caplog.text)
