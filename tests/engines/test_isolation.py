"""The Python API, with a broker that lets the user do less than they ask for: each call is refused by its own error.

A call that is in no row fails: whoever makes one says here what it comes to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

import batonmq
from batonmq import Connection, Message
from batonmq.engines.amqp.subscription import AmqpSubscription
from batonmq.errors import AccessRefused, BatonError, NotFound, UnsupportedFeature
from batonmq.server.config import PermissionConfig, UserConfig, VhostConfig
from tests.support.managed import ManagedServer, a_config
from tests.support.waiting import until

PASSWORD = "sesame"
# How long a call waits at most that is not refused.
SOON = 30.0
Call = Callable[[Connection], object]


class Row(NamedTuple):
    """What is called; what it comes to with all rights in another virtual host."""

    name: str
    call: Call
    elsewhere: type[BatonError] | None = None


def receive(mq: Connection, queue: str) -> object:
    with mq.receiver(queue, wait=0) as receiver:
        return list(receiver)


def commit(mq: Connection) -> None:
    with mq.transaction() as transaction:
        transaction.send("theirs", b"m")


def reply(mq: Connection) -> None:
    mq.reply(Message(b"m", reply_to="theirs", correlation_id="1"), b"m")


TABLE = [
    Row("declare", lambda mq: mq.declare("theirs2")),
    Row("declare", lambda mq: mq.declare("theirs", max_length=1)),
    Row("delete", lambda mq: mq.delete("theirs")),
    Row("count", lambda mq: mq.count("theirs"), NotFound),
    Row("stats", lambda mq: mq.stats("theirs"), NotFound),
    Row("peek", lambda mq: mq.peek("theirs"), NotFound),
    Row("purge", lambda mq: mq.purge("theirs"), NotFound),
    Row("replay", lambda mq: mq.replay("theirs", "mine"), NotFound),
    Row("replay", lambda mq: mq.replay("mine", "theirs"), NotFound),
    Row("send", lambda mq: mq.send("theirs", b"m"), NotFound),
    Row("send", lambda mq: mq.send("theirs", b"m", delay=60), NotFound),
    Row("send_many", lambda mq: mq.send_many("theirs", [b"m", b"n"]), NotFound),
    Row("send_json", lambda mq: mq.send_json("theirs", 1), NotFound),
    Row("send_msgpack", lambda mq: mq.send_msgpack("theirs", 1), NotFound),
    Row("receiver", lambda mq: receive(mq, "theirs"), NotFound),
    Row("transaction", commit, NotFound),
    Row("run", lambda mq: mq.run("theirs", print), NotFound),
    Row("request", lambda mq: mq.request("theirs", b"m", timeout=SOON), NotFound),
    Row("reply", reply),
]
IDS = [f"{row.name}-{number}" for number, row in enumerate(TABLE)]
# Of an outbox each message is sent with ``send``; what ``queues`` shows has a test of its own.
ITS_OWN = {"capabilities", "native", "close", "outbox", "queues"}


def test_each_call_is_in_the_table() -> None:
    public = {name for name in dir(Connection) if not name.startswith("_")}
    assert {row.name for row in TABLE} | ITS_OWN == public


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """``limited`` may do all with what is called mine, ``asking`` send requests there, too, and ``managing`` ask the
    broker for anything; ``stranger`` may do all in the virtual host other.
    """
    only_mine = PermissionConfig(vhost="/", configure="^mine", write="^mine", read="^mine")
    and_queues = PermissionConfig(vhost="/", configure="^mine", write=r"^(mine|amq\.default$)", read="^mine")
    with_answers = PermissionConfig(
        vhost="/",
        configure=r"^(mine|amq\.gen-)",
        write=r"^(mine|amq\.(default$|gen-)|batonmq\.management$)",
        read=r"^(mine|amq\.gen-)",
    )
    here, there = (PermissionConfig(vhost=name, configure=".*", write=".*", read=".*") for name in ("/", "other"))
    config = a_config(
        vhost=(VhostConfig(name="other"),),
        user=(
            UserConfig(name="guest", password="guest", permission=(here,)),
            UserConfig(name="limited", password=PASSWORD, permission=(only_mine,)),
            UserConfig(name="asking", password=PASSWORD, permission=(and_queues,)),
            UserConfig(name="managing", password=PASSWORD, permission=(with_answers,)),
            UserConfig(name="stranger", password=PASSWORD, permission=(there,)),
        ),
    )
    with ManagedServer(tmp_path_factory.mktemp("server"), config) as server:
        yield server


@pytest.fixture
def owner(server: ManagedServer) -> Iterator[Connection]:
    """Whose things they are."""
    with batonmq.connect(server.url) as mq:
        for queue in ("theirs", "mine"):
            mq.declare(queue)
            mq.send(queue, b"m")
        yield mq
        for queue in ("theirs", "mine"):
            mq.delete(queue)


SCHEMES = ["amqp", "amqp10"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_the_right(server: ManagedServer, owner: Connection, row: Row, scheme: str) -> None:
    with batonmq.connect(f"{scheme}://limited:{PASSWORD}@127.0.0.1:{server.port}/") as mq:
        with pytest.raises((AccessRefused, UnsupportedFeature), match=r" refused |amqp: "):
            row.call(mq)
        # The connection goes on.
        assert mq.count("mine") == 1
    assert owner.count("theirs") == owner.count("mine") == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "row", [row for row in TABLE if row.name in ("stats", "peek", "purge", "replay")], ids=lambda row: row.name
)
def test_who_may_ask_without_the_right_is_told_by_the_answer(
    server: ManagedServer, owner: Connection, row: Row, scheme: str
) -> None:
    with batonmq.connect(f"{scheme}://managing:{PASSWORD}@127.0.0.1:{server.port}/") as mq:
        assert [message.body for message in mq.peek("mine")] == [b"m"]
        with pytest.raises(AccessRefused, match=r"access to queue 'theirs' in vhost '/' refused for user 'managing'"):
            row.call(mq)
        with pytest.raises(NotFound, match="no queue 'mine2'"):
            mq.peek("mine2")
    assert owner.count("theirs") == owner.count("mine") == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_worker_without_the_right_to_a_schedule_is_told_by_the_answer(
    server: ManagedServer, owner: Connection, scheme: str
) -> None:
    app = batonmq.Worker(f"{scheme}://managing:{PASSWORD}@127.0.0.1:{server.port}/")
    app.handler("theirs", schedule=batonmq.cron("* * * * *"))(lambda _: None)
    with pytest.raises(AccessRefused, match=r"access to queue 'theirs' in vhost '/' refused for user 'managing'"):
        app.run()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_from_another_virtual_host(server: ManagedServer, owner: Connection, row: Row, scheme: str) -> None:
    with batonmq.connect(f"{scheme}://stranger:{PASSWORD}@127.0.0.1:{server.port}/other") as mq:
        if row.elsewhere is None:
            row.call(mq)
        else:
            with pytest.raises((row.elsewhere, UnsupportedFeature)):
                row.call(mq)
        mq.delete("theirs")
    assert owner.count("theirs") == owner.count("mine") == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_queues_of_others_are_not_listed(server: ManagedServer, owner: Connection, scheme: str) -> None:
    with batonmq.connect(f"{scheme}://limited:{PASSWORD}@127.0.0.1:{server.port}/") as mq:
        with pytest.raises(AccessRefused, match=" refused "):
            mq.queues()
        assert mq.count("mine") == 1
    with batonmq.connect(f"{scheme}://stranger:{PASSWORD}@127.0.0.1:{server.port}/other") as mq:
        mq.declare("ours")
        listed = {queue.name for queue in mq.queues()}
        assert "ours" in listed
        assert not listed & {"theirs", "mine"}
        mq.delete("ours")


def test_progress_that_is_refused_ends_nobodys_request(server: ManagedServer, owner: Connection) -> None:
    answers: list[Message] = []
    with (
        batonmq.connect(f"amqp://asking:{PASSWORD}@127.0.0.1:{server.port}/") as mq,
        mq.receiver("mine", prefetch=1) as receiver,
        owner.receiver("mine", prefetch=1) as answering,
    ):
        (held,) = receiver.receive(wait=SOON)
        thread = threading.Thread(target=lambda: answers.append(mq.request("mine", b"question", timeout=SOON)))
        thread.start()
        (question,) = answering.receive(wait=SOON)
        held.progress(0.5)
        subscription = receiver._subscription
        assert isinstance(subscription, AmqpSubscription)
        until(lambda: not subscription._may_report)
        owner.reply(question.message, b"answer")
        question.accept()
        thread.join()
        held.accept()
    assert [answer.body for answer in answers] == [b"answer"]
