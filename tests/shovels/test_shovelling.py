"""Messages that are moved from queue to queue: through files, a broker, lost connections, and what goes wrong."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.proxy import Proxy
from tests.shovels.at_work import LONG, Refusing, carry, nowhere, settings_of, shovel_all, shovelling
from tests.support import forking
from tests.support.drained import drained
from tests.support.waiting import until
from tests.support.wire import Address

import batonmq
from batonmq.clock import Clock
from batonmq.errors import BatonError, ConnectionLost, PreconditionFailed, ResourceError
from batonmq.shovels.carrying import REASON_HEADER, ROUNDS_HEADER, Carrier
from batonmq.shovels.ends import open_source
from batonmq.shovels.progress import Progress
from batonmq.shovels.rules import Rules
from batonmq.shovels.settings import End


@pytest.fixture
def served(amqp: Address) -> Iterator[tuple[str, str]]:
    """A broker, and the name of a queue there that is gone in the end."""
    url, queue = amqp.url, f"t-{uuid.uuid4().hex[:8]}"
    yield url, queue
    with batonmq.connect(url) as mq:
        mq.delete(queue)


def test_messages_go_from_a_file_to_a_broker_as_they_were(tmp_path: Path, served: tuple[str, str]) -> None:
    url, queue = served
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare(queue, max_priority=5)
        mq.send(queue, b"first", id="m-1", headers={"n": 1}, content_type="text/plain", correlation_id="c", type="t")
        mq.send_many(queue, [b"%d" % number for number in range(1000)])
    shovel = shovel_all(settings_of(path, url, queue))
    first, *others = drained(url, queue)
    assert (first.body, first.id, first.headers["n"], first.content_type) == (b"first", "m-1", 1, "text/plain")
    assert (first.correlation_id, first.type, first.headers[ROUNDS_HEADER]) == ("c", "t", '{"test": 1}')
    assert [message.body for message in others] == [b"%d" % number for number in range(1000)]
    assert (shovel.moved, shovel.progress.counts.pending) == (1001, 0)
    with batonmq.connect(path) as mq:
        assert mq.count(queue) == 0


def test_a_full_target_is_waited_for_and_gets_each_message_once(tmp_path: Path, served: tuple[str, str]) -> None:
    url, queue = served
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare(queue)
        mq.send_many(queue, [b"%d" % number for number in range(20)])
    with batonmq.connect(url) as mq:
        mq.declare(queue, max_length=3, overflow="refuse")
        with shovelling(settings_of(path, url, queue, idle=None)) as shovel:
            until(lambda: shovel.progress.counts.blocked != "")
            assert mq.count(queue) == 3
            with mq.receiver(queue, prefetch=1) as receiver:
                bodies = []
                for _ in range(20):
                    (delivery,) = receiver.receive(wait=LONG)
                    bodies.append(delivery.body)
                    delivery.accept()
            until(lambda: shovel.moved == 20)
            assert shovel.progress.counts.blocked == ""
    assert sorted(bodies, key=int) == [b"%d" % number for number in range(20)]


def test_a_source_is_not_empty_while_its_last_messages_are_on_their_way(
    served: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, queue = served
    with batonmq.connect(url) as mq:
        mq.declare(queue)
        mq.send_many(queue, [b"1", b"2"])
    source = open_source(End("", (url,), queue), nowhere)
    try:
        source.subscribe(100)
        until(source.is_empty)
        receive = source.receive
        # Nothing comes while one waits; later it is there.
        monkeypatch.setattr(source, "receive", lambda most, seconds: [] if seconds else receive(most, 0.0))
        target = Refusing(lambda _: None)
        Carrier("test", source, target, Rules(), Clock(), threading.Event(), Progress()).carry(None, 0.1)
    finally:
        source.close()
    assert target.arrived == [b"1", b"2"]


def test_what_is_refused_for_itself_waits_beside_the_source_with_the_reason(tmp_path: Path) -> None:
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"1", batonmq.Message(b"bad", id="m"), b"2"])
    target = Refusing(lambda body: PreconditionFailed("it is too large") if body == b"bad" else None)
    progress = carry(path, target)
    assert target.arrived == [b"1", b"2"]
    assert (progress.total, progress.aside) == (2, 1)
    (message,) = drained(path, "orders.unmoved")
    assert (message.body, message.id, message.headers[REASON_HEADER]) == (b"bad", "m", "it is too large")


def test_a_message_is_tried_again_where_there_was_no_room(tmp_path: Path) -> None:
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"1", b"2", b"3"])
    tries: list[bytes] = []

    def refusal(body: bytes) -> BatonError | None:
        tries.append(body)
        return ResourceError("full") if body == b"2" and tries.count(b"2") < 3 else None

    target = Refusing(refusal)
    carry(path, target)
    assert sorted(target.arrived) == [b"1", b"2", b"3"]
    assert tries.count(b"2") == 3


def test_a_lost_way_leaves_the_messages_where_they_are(tmp_path: Path) -> None:
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"1", b"2"])
    with pytest.raises(ConnectionLost):
        carry(path, Refusing(lambda body: ConnectionLost("gone") if body == b"2" else None))
    assert [message.body for message in drained(path, "orders")] == [b"2"]


def test_what_the_other_side_cannot_keep_is_left_off_or_set_aside(tmp_path: Path) -> None:
    path = str(tmp_path / "edge.db")

    def fill() -> None:
        with batonmq.connect(path) as mq:
            mq.declare("orders")
            mq.send_many("orders", [batonmq.Message(b"grouped", group="g"), b"plain"])

    fill()
    target = Refusing(lambda _: None)
    carry(path, target)
    assert target.arrived == [b"grouped", b"plain"]
    fill()
    target = Refusing(lambda _: None)
    carry(path, target, lossy="set-aside", dead_letters="aside")
    assert target.arrived == [b"plain"]
    (message,) = drained(path, "aside")
    assert message.headers[REASON_HEADER] == "the other side keeps no group"


def test_a_circle_ends(tmp_path: Path) -> None:
    here, there = str(tmp_path / "here.db"), str(tmp_path / "there.db")
    with batonmq.connect(here) as mq, batonmq.connect(there):
        mq.declare("orders")
        mq.send("orders", b"round and round")
        rules = Rules(rounds=3)
        onward = settings_of(here, there, idle=None, rules=rules)
        back = settings_of(there, here, idle=None, rules=rules)
        with shovelling(onward) as one, shovelling(back) as other:
            until(lambda: one.progress.aside + other.progress.aside == 1)
            assert one.moved + other.moved <= 7
            assert mq.count("orders") == 0


def test_a_connection_that_breaks_again_and_again_loses_nothing(
    tmp_path: Path, amqp: Address, served: tuple[str, str]
) -> None:
    _, queue = served
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare(queue)
        mq.send_many(queue, [b"%d" % number for number in range(2000)])
    proxy = Proxy(amqp.port)
    try:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        with shovelling(settings_of(path, url, queue, idle=None, rules=Rules(rate=4000))) as shovel:
            for goal in (300, 900, 1500):
                until(lambda goal=goal: shovel.moved >= goal)  # type: ignore[misc]
                proxy.cut()
            until(lambda: shovel.moved >= 2000)
    finally:
        proxy.close()
    bodies = [message.body for message in drained(amqp.url, queue)]
    assert set(bodies) == {b"%d" % number for number in range(2000)}
    # At each cut what was on its way comes twice at most.
    assert len(bodies) <= 2000 + 3 * 1000


def test_a_shovel_that_is_killed_loses_nothing(tmp_path: Path, served: tuple[str, str]) -> None:
    url, queue = served
    path = str(tmp_path / "edge.db")
    with batonmq.connect(path) as mq:
        mq.declare(queue)
        mq.send_many(queue, [b"%d" % number for number in range(3000)])
    with batonmq.connect(url) as mq:
        mq.declare(queue)
        for goal in (200, 1000):
            arguments = ["shovel", f"{path}#{queue}", f"{url}#{queue}", "--rate", "2000", "--prefetch", "100"]
            killed = forking.start(arguments, cwd=tmp_path)
            until(lambda goal=goal: mq.count(queue) >= goal)  # type: ignore[misc]
            killed.kill()
            killed.wait()
    done = forking.start(["shovel", f"{path}#{queue}", f"{url}#{queue}", "--until-empty", "--idle", "1"], cwd=tmp_path)
    assert done.wait(LONG) == 0
    bodies = [message.body for message in drained(url, queue)]
    assert set(bodies) == {b"%d" % number for number in range(3000)}
    assert len(bodies) <= 3000 + 2 * 100
