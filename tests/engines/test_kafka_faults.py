"""Faults of a real Kafka: nothing confirmed is lost, nothing hangs, and what happens is told."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

import batonmq
from tests.contract.places import running
from tests.peers.catalogue import wanted
from tests.peers.kafka import Kafka
from tests.support.waiting import until

SOON = 40.0
# What is confirmed before the kill, and after it, at least.
LOAD = 200


@pytest.fixture
def queue(request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t-{abs(hash(request.node.nodeid)):x}"
    yield name
    with batonmq.connect(running("BATONMQ_TEST_KAFKA")) as mq:
        mq.delete(name)


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("batonmq-kafka")]


def take(receiver: batonmq.Receiver) -> batonmq.Delivery:
    (found,) = receiver.receive(wait=SOON)
    return found


def test_what_is_held_for_too_long_comes_to_another(queue: str) -> None:
    with batonmq.connect(f"{running('BATONMQ_TEST_KAFKA')}?lock=1") as mq:
        mq.declare(queue)
        mq.send(queue, b"1")
        with mq.receiver(queue) as slow, mq.receiver(queue) as other:
            held = take(slow)
            again = take(other)
            assert (again.body, again.redelivered) == (b"1", True)
            with pytest.raises(batonmq.LeaseLost):
                held.accept()
            again.accept()
            # Who was late goes on.
            mq.send(queue, b"2")
            mq.send(queue, b"3")
            take(slow).accept()
            take(slow).accept()
        assert mq.count(queue) == 0


def test_a_topic_that_somebody_else_deletes_is_told(queue: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "batonmq.kafka")
    url = running("BATONMQ_TEST_KAFKA")
    admin = AdminClient({"bootstrap.servers": url.removeprefix("kafka://")})
    with batonmq.connect(f"{url}?timeout=10") as mq:
        mq.declare(queue)
        mq.send(queue, b"1")
        with mq.receiver(queue) as receiver:
            held = take(receiver)
            admin.delete_topics([queue])[queue].result(SOON)
            held.accept()
            with pytest.raises(batonmq.NotFound):
                receiver.receive(wait=SOON)
        with pytest.raises(batonmq.NotFound):
            mq.count(queue)

        def is_refused() -> bool:
            # Topics that were seen are taken to be there for a while: then the broker says that they are not.
            with pytest.raises((batonmq.NotFound, batonmq.ConnectionLost)) as caught:
                mq.send(queue, b"2")
            return caught.type is batonmq.NotFound

        until(is_refused, SOON)
    assert "may come again" in caplog.text
    assert not threads()


def test_a_frozen_broker_keeps_nobody_from_closing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "batonmq.kafka")
    with wanted(Kafka(tmp_path)) as peer:
        mq = batonmq.connect(peer.url)
        mq.declare("orders")
        mq.send_many("orders", [b"1", b"2"])
        receiver = mq.receiver("orders")
        accepted, held = take(receiver), take(receiver)
        os.kill(peer.pid, signal.SIGSTOP)
        asking = threading.Thread(target=lambda: fails(lambda: mq.count("orders")))
        try:
            accepted.accept()
            asking.start()
            closing = threading.Thread(target=mq.close)
            closing.start()
            closing.join(SOON)
            assert not closing.is_alive(), "a broker that does not answer keeps close() waiting"
        finally:
            os.kill(peer.pid, signal.SIGCONT)
        asking.join(SOON)
        assert not asking.is_alive()
        assert not threads()
        assert "1 messages were settled, and the broker has not confirmed it" in caplog.text
        with pytest.raises(batonmq.LeaseLost):
            held.accept()
        with batonmq.connect(peer.url) as again, again.receiver("orders") as other:
            found = set()
            while b"2" not in found:
                delivery = take(other)
                found.add(delivery.body)
                delivery.accept()


def fails(call: object) -> None:
    assert callable(call)
    with pytest.raises(batonmq.BatonError):
        call()


class Load:
    """Sends and receives in threads of its own, through whatever happens, until it is told to stop."""

    def __init__(self, url: str) -> None:
        self.confirmed: set[bytes] = set()
        self.received: set[bytes] = set()
        self.faults: list[BaseException] = []
        self._url = url
        self._is_over = threading.Event()
        self._have_begun = threading.Barrier(3)
        self._threads = [threading.Thread(target=work) for work in (self._send, self._receive, self._receive)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(2 * SOON)
            assert not thread.is_alive(), "it hangs"
        assert not self.faults

    def _send(self) -> None:
        number = 0
        with batonmq.connect(f"{self._url}?timeout=5") as mq:
            self._have_begun.wait(SOON)
            while not self._is_over.is_set():
                bodies = [b"%d" % (number + one) for one in range(10)]
                number += 10
                try:
                    mq.send_many("orders", bodies)
                    self.confirmed.update(bodies)
                except batonmq.ConnectionLost:
                    self._is_over.wait(0.1)
                except BaseException as error:  # noqa: BLE001
                    self.faults.append(error)
                    return

    def _receive(self) -> None:
        with batonmq.connect(self._url) as mq, mq.receiver("orders", prefetch=50) as receiver:
            self._have_begun.wait(SOON)
            while not self._is_over.is_set():
                try:
                    for delivery in receiver.receive(50, wait=1.0):
                        self.received.add(delivery.body)
                        delivery.accept()
                except (batonmq.ConnectionLost, batonmq.LeaseLost):
                    self._is_over.wait(0.1)
                except BaseException as error:  # noqa: BLE001
                    self.faults.append(error)
                    return


@pytest.mark.timeout(300)  # a Kafka that was killed looks through its data, on a busy machine for a minute
def test_nothing_confirmed_is_lost_when_the_broker_is_killed_under_load(tmp_path: Path) -> None:
    with wanted(Kafka(tmp_path)) as peer:
        with batonmq.connect(peer.url) as mq:
            mq.declare("orders")
        load = Load(peer.url)
        try:
            until(lambda: len(load.confirmed) >= LOAD or load.faults, SOON)
            peer.kill()
            peer.start()
            goal = len(load.confirmed) + LOAD
            until(lambda: len(load.confirmed) >= goal or load.faults, SOON)
        finally:
            load.stop()
        missing = load.confirmed - load.received
        with batonmq.connect(peer.url) as mq, mq.receiver("orders", prefetch=50) as receiver:
            while missing:
                found = receiver.receive(50, wait=SOON)
                assert found, f"{len(missing)} of {len(load.confirmed)} confirmed messages are lost"
                for delivery in found:
                    missing.discard(delivery.body)
                    delivery.accept()
    assert not threads()
