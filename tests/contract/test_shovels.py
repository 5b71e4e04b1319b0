"""Shovels to, from and within every engine of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

import batonmq
from batonmq.shovels.settings import End, ShovelSettings
from batonmq.testing.contract import Place, take
from tests.shovels.at_work import settings_of, shovel_all

ALL = [b"%d" % number for number in range(200)]


@pytest.fixture
def idle(place: Place) -> float:
    """How long nothing comes from a queue that is empty: consumers of Kafka take some seconds to begin."""
    return 8.0 if place.url.startswith("kafka") else 0.2


def messages(place: Place, url: str, queue: str) -> list[batonmq.Message]:
    """What was moved."""
    with batonmq.connect(url) as mq, mq.receiver(queue, prefetch=len(ALL)) as receiver:
        found = take(receiver, len(ALL))
        for delivery in found:
            delivery.accept()
    if place.url.startswith("kafka"):
        # Batches go to several consumers, and may overtake each other.
        found.sort(key=lambda delivery: int(delivery.body))
    return [delivery.message for delivery in found]


def test_messages_go_there_and_back(place: Place, queue: str, idle: float, tmp_path: Path) -> None:
    here, there = str(tmp_path / "here.db"), str(tmp_path / "there.db")
    with batonmq.connect(here) as mq:
        mq.declare(queue)
        mq.send(queue, ALL[0], id="m-1", headers={"n": 1, "text": "ü"}, type="t", correlation_id="c")
        mq.send_many(queue, ALL[1:])
    shovels = [
        shovel_all(settings_of(here, place.url, queue, idle=0.2)),
        shovel_all(settings_of(place.url, there, queue, idle=idle)),
    ]
    assert [(shovel.moved, shovel.progress.aside, shovel.restarts) for shovel in shovels] == [(len(ALL), 0, 0)] * 2
    found = messages(place, there, queue)
    first = found[0]
    assert (first.id, first.type, first.correlation_id) == ("m-1", "t", "c")
    assert (first.headers["n"], first.headers["text"]) == (1, "ü")
    assert [message.body for message in found] == ALL


def test_messages_go_to_another_queue_of_it(place: Place, mq: batonmq.Connection, queue: str, idle: float) -> None:
    other = place.queue()
    mq.send_many(queue, ALL)
    shovel = shovel_all(
        ShovelSettings(End("", (place.url,), queue), End("", (place.url,), other), reconnect_delay=0.1, idle=idle)
    )
    assert (shovel.moved, shovel.progress.aside, shovel.restarts) == (len(ALL), 0, 0)
    assert [message.body for message in messages(place, place.url, other)] == ALL
