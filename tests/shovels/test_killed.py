"""Shovels when the power goes: theirs, the source's, the target's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.proxy import Proxy
from tests.shovels.at_work import LONG, settings_of, shovelling
from tests.support import forking
from tests.support.broker import Broker
from tests.support.drained import drained
from tests.support.waiting import until

import batonmq
from batonmq.shovels.rules import Rules

COUNT = 1500
PREFETCH = 200
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
        with shovelling(settings_of(*urls, prefetch=PREFETCH, rules=Rules(rate=3000))) as shovel:
            until(lambda: shovel.moved >= 400)
            broker.kill()
            proxy.cut(refuse=True)
            broker.start()
            proxy.lead_to(broker.address.port)
    finally:
        for proxy in proxies:
            proxy.close()
    found = drained(two.address.url, "orders")
    assert {message.body for message in found} == set(ALL)
    # Those that were on their way may come twice, under the same id; and those before them, which the source was told
    # are accepted, and had not written it yet.
    assert len(found) <= COUNT + 2 * PREFETCH
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
    assert [message.body for message in drained(path, "archive")] == ALL
