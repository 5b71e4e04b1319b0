"""What nobody waited for: a loss of power takes back no more of it than the last second's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from bench.stomp_client import Client as Stomp
from proof.disk import Disk
from proof.power.served import Served
from tests.support.driven import Driven
from tests.support.waiting import until

import batonmq
from batonmq.broker.vhosts.late_sync import SYNC_WITHIN

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def disk(data: Path) -> Iterator[Disk]:
    with Disk(data) as disk:
        yield disk


def after_a_power_cut(disk: Disk, folder: Path) -> list[str]:
    """What a broker serves from what the disk has for sure."""
    folder.mkdir()
    disk.lose_power(folder)
    driven = Driven(folder / "batonmq.db")
    found = driven.bodies()
    driven.broker.close()
    return found


@pytest.fixture
def driven(disk: Disk, data: Path) -> Iterator[Driven]:
    """With two messages that are safe."""
    del disk
    driven = Driven(data / "batonmq.db")
    driven.queue()
    for body in ("first", "second"):
        driven.publish(body)
    driven.settle()
    yield driven
    driven.broker.close()


def is_failing(driven: Driven) -> bool:
    return driven.broker.store.error is not None


def settle_one(driven: Driven) -> None:
    taker = driven.consume(prefetch=1)
    driven.settle()
    taker.accept()
    taker.leave()
    driven.settle()


def test_a_settlement_is_on_the_disk_within_a_second(driven: Driven, disk: Disk, tmp_path: Path) -> None:
    settle_one(driven)
    syncs = disk.syncs
    assert after_a_power_cut(disk, tmp_path / "at once") == ["first", "second"]
    driven.wait(SYNC_WITHIN)
    assert disk.syncs == syncs + 1
    assert after_a_power_cut(disk, tmp_path / "then") == ["second"]
    # And that is all: a broker that has nothing to do leaves the disk alone.
    driven.wait(10 * SYNC_WITHIN)
    assert disk.syncs == syncs + 1
    assert driven.broker.timetable.next_due() is None


def test_what_somebody_waits_for_takes_along_what_nobody_did(driven: Driven, disk: Disk, tmp_path: Path) -> None:
    settle_one(driven)
    driven.publish("third")
    driven.settle()
    syncs = disk.syncs
    assert after_a_power_cut(disk, tmp_path / "cut") == ["second", "third"]
    driven.wait(SYNC_WITHIN)
    assert disk.syncs == syncs


def test_who_waits_when_nothing_is_left_to_write_waits_for_what_was_written(
    driven: Driven, disk: Disk, tmp_path: Path
) -> None:
    settle_one(driven)
    driven.broker.store.must_reach_disk()
    driven.settle()
    assert after_a_power_cut(disk, tmp_path / "cut") == ["second"]


def test_a_sync_that_fails_is_tried_again(driven: Driven, disk: Disk, tmp_path: Path) -> None:
    settle_one(driven)
    disk.is_broken = True
    driven.clock.now += SYNC_WITHIN
    driven.broker.run_timers()
    driven.attempt()
    assert is_failing(driven)
    disk.is_broken = False
    driven.attempt()
    assert not is_failing(driven)
    assert after_a_power_cut(disk, tmp_path / "cut") == ["second"]


# ---------------------------------------------------------------------- through the front doors


def test_a_consumer_that_does_nothing_else(disk: Disk, data: Path, tmp_path: Path) -> None:
    with (
        Served(data) as served,
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", served.amqp_port)) as connection,
    ):
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", "q", b"m", PERSISTENT)
        method, _, _ = channel.basic_get("q")
        syncs = disk.syncs
        channel.basic_ack(method.delivery_tag)
        connection.process_data_events(0)
        until(lambda: disk.syncs > syncs)
        found = after_a_power_cut(disk, tmp_path / "cut")
    assert found == []


def test_a_receipt_for_the_end_of_a_connection_covers_what_was_acknowledged_before(
    disk: Disk, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batonmq.broker.vhosts.late_sync.SYNC_WITHIN", 3600.0)
    written: list[str] = []
    disk.fault = lambda what, name: written.append(name) if what == "write" and name.endswith("-wal") else None
    with Served(data) as served, Stomp(served.stomp_port) as client:
        client.send("SEND", {"destination": "/queue/q", "persistent": "true", "receipt": "1"}, "m")
        client.frame(b"RECEIPT")
        client.send("SUBSCRIBE", {"destination": "/queue/q", "id": "1", "ack": "client-individual"})
        number = client.header(client.frame(b"MESSAGE"), b"ack")
        written.clear()
        client.send("ACK", {"id": number})
        until(lambda: len(written))
        client.send("DISCONNECT", {"receipt": "2"})
        client.frame(b"RECEIPT")
        assert after_a_power_cut(disk, tmp_path / "cut") == []


def test_a_program_that_only_accepts(disk: Disk, data: Path, tmp_path: Path) -> None:
    with batonmq.connect(str(data / "batonmq.db")) as mq:
        mq.declare("q")
        mq.send("q", b"m")
        with mq.receiver("q") as receiver:
            (delivery,) = receiver.receive(1, wait=30.0)
            syncs = disk.syncs
            delivery.accept()
            until(lambda: disk.syncs > syncs)
            assert after_a_power_cut(disk, tmp_path / "cut") == []
