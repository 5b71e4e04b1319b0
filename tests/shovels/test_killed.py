"""Shovels when the power goes: theirs, the source's, the target's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.places import rabbitmq_server
from tests.engines.proxy import Proxy
from tests.shovels.at_work import LONG, received, settings_of, shovel_all, shovelling
from tests.support import forking
from tests.support.broker import Broker
from tests.support.waiting import until

import batonmq
from batonmq.shovels.rules import Rules

COUNT = 1500
ALL = [b"%d" % number for number in range(COUNT)]


def fill(url: str) -> None:
    with batonmq.connect(url) as mq:
        mq.declare("orders")
        mq.send_many("orders", [batonmq.Message(body, id=body.decode()) for body in ALL])


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[tuple[Broker, Broker]]:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    one, two = Broker(folders[0]), Broker(folders[1])
    yield one, two
    one.kill()
    two.kill()


@pytest.mark.parametrize("killed", ["source", "target"])
def test_a_broker_that_is_killed_loses_nothing(brokers: tuple[Broker, Broker], killed: str) -> None:
    one, two = brokers
    proxies = Proxy(one.start().port), Proxy(two.start().port)
    fill(one.address.url)
    urls = [f"amqp://guest:guest@127.0.0.1:{proxy.port}/" for proxy in proxies]
    broker, proxy = (one, proxies[0]) if killed == "source" else (two, proxies[1])
    try:
        with shovelling(settings_of(*urls, prefetch=200, rules=Rules(rate=3000))) as shovel:
            until(lambda: shovel.moved >= 400)
            broker.kill()
            proxy.cut(refuse=True)
            broker.start()
            proxy.lead_to(broker.address.port)
    finally:
        for proxy in proxies:
            proxy.close()
    found = received(two.address.url, "orders")
    assert {message.body for message in found} == set(ALL)
    # Those that were on their way may come twice, under the same id.
    assert len(found) <= COUNT + 200
    assert {message.id for message in found} == {body.decode() for body in ALL}


def test_within_a_file_each_message_is_moved_once_whenever_it_is_killed(tmp_path: Path) -> None:
    path = str(tmp_path / "orders.db")
    fill(path)
    with batonmq.connect(path) as mq:
        mq.declare("archive")
    arguments = ["shovel", f"{path}#orders", f"{path}#archive"]
    with batonmq.connect(path) as mq:
        for goal in (200, 900):
            killed = forking.start([*arguments, "--rate", "3000"], cwd=tmp_path)
            until(lambda goal=goal: mq.count("archive") >= goal)  # type: ignore[misc]
            killed.kill()
            killed.wait()
    done = forking.start([*arguments, "--until-empty", "--idle", "0.5"], cwd=tmp_path)
    assert done.wait(LONG) == 0
    assert [message.body for message in received(path, "archive")] == ALL


def test_messages_go_to_rabbitmq_and_back(tmp_path: Path) -> None:
    here, there = str(tmp_path / "here.db"), str(tmp_path / "back.db")
    with batonmq.connect(here) as mq:
        mq.declare("orders", max_priority=5)
        mq.send(
            "orders", b"first", id="m-1", headers={"n": 1, "list": [1, "two"]}, priority=3, ttl=3600, type="t"
        )  # fmt: skip
        mq.send_many("orders", ALL)
    with rabbitmq_server(tmp_path) as url:
        round_trip(here, url, there)


@pytest.mark.parametrize(
    "variable", ["BATONMQ_TEST_RABBITMQ4", "BATONMQ_TEST_ARTEMIS", "BATONMQ_TEST_ACTIVEMQ", "BATONMQ_TEST_KAFKA"]
)
def test_messages_go_to_a_real_broker_and_back(tmp_path: Path, variable: str) -> None:
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set: make engines sets it")
    here, there = str(tmp_path / "here.db"), str(tmp_path / "back.db")
    with batonmq.connect(here) as mq:
        mq.declare("orders")
        mq.send("orders", b"first", id="m-1", headers={"n": 1}, type="t")
        mq.send_many("orders", ALL)
    round_trip(here, url, there)


def round_trip(here: str, url: str, there: str) -> None:
    queue = f"shovel-{os.getpid()}"
    with batonmq.connect(here) as mq:
        mq.declare(queue, max_priority=5)
        mq.replay("orders", queue)
    try:
        # Consumers of Kafka take some seconds to begin.
        shovel_all(settings_of(here, url, queue))
        shovel_all(settings_of(url, there, queue, idle=8.0 if url.startswith("kafka") else 1.0))
    finally:
        with batonmq.connect(url) as mq:
            mq.delete(queue)
    first, *others = received(there, queue)
    assert (first.body, first.id, first.headers["n"], first.type) == (b"first", "m-1", 1, "t")
    assert [message.body for message in others] == ALL
