"""What every engine is asked beside the API: management requests, and messages one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import batonmq
from batonmq.api.connections.connect import open_engine
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message
from batonmq.engines.urls import parse_url
from batonmq.engines.values import QueueOptions
from batonmq.errors import Closed, NotFound
from batonmq.testing import RunningServer
from tests.contract.places import file_of_another

LONG = 30.0


@contextmanager
def place(kind: str, folder: Path) -> Iterator[str]:
    if kind == "served":
        with RunningServer(folder) as server:
            yield server.url
    elif kind == "shared":
        with file_of_another(folder) as url:
            yield url
    else:
        yield str(folder / "own.db")


@pytest.fixture(params=["file", "shared", "served"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with ExitStack() as opened:
        engine = open_engine(parse_url(opened.enter_context(place(request.param, tmp_path))))
        opened.callback(engine.close)
        engine.declare("orders", QueueOptions()).get()
        yield engine


def ask(engine: Engine, operation: str, **fields: object) -> dict[str, object]:
    future = engine.manage(Message(json.dumps({"operation": operation, **fields}).encode()))
    assert future.wait(LONG)
    engine.forget(future)
    return dict(json.loads(future.result().body))


def test_an_engine_answers_questions_about_its_queues(engine: Engine) -> None:
    engine.send("orders", [Message(b"one"), Message(b"two")]).get()
    answer = ask(engine, "queues.peek", queue="orders")
    assert answer["ok"] is True
    messages = answer["messages"]
    assert isinstance(messages, list)
    assert [message["body"] for message in messages] == ["one", "two"]
    assert ask(engine, "queues.pause", queue="orders") == {"ok": True}


def test_what_takes_several_turns_is_answered_when_it_is_done(engine: Engine) -> None:
    engine.declare("old", QueueOptions()).get()
    engine.send("orders", [Message(b"x")] * 2_500).get()
    assert ask(engine, "queues.move", queue="orders", to="old") == {"ok": True, "count": 2_500, "skipped": 0}
    assert engine.count("old").get() == 2_500


def test_a_request_that_means_nothing_is_answered_with_an_error(engine: Engine) -> None:
    assert str(ask(engine, "queues.peek", queue="no")["error"]).startswith("no queue 'no'")
    assert ask(engine, "nothing")["ok"] is False


def test_messages_are_pulled_one_by_one_and_nothing_else_is_held(engine: Engine) -> None:
    engine.send("orders", [Message(b"one"), Message(b"two"), Message(b"three")]).get()
    subscription = engine.pull("orders").get()
    (first,) = subscription.receive(1).get()
    assert first.message.body == b"one"
    assert engine.count("orders").get() == 2
    subscription.settle(first, "accept")
    (second,) = subscription.receive(1).get()
    subscription.settle(second, "release")
    subscription.close().get()
    again = engine.pull("orders").get()
    (second,) = again.receive(1).get()
    assert (second.message.body, second.redelivered) == (b"two", True)
    again.settle(second, "accept")
    (third,) = again.receive(1).get()
    # Not a word of this one: it is back when the subscription is closed.
    again.close().get()
    last = engine.pull("orders").get()
    (third,) = last.receive(1).get()
    assert third.message.body == b"three"
    last.settle(third, "accept")
    nothing = last.receive(1)
    last.withdraw(nothing)
    assert nothing.get() == []
    last.close().get()


def test_a_queue_that_is_not_there_cannot_be_pulled_from(engine: Engine) -> None:
    with pytest.raises(NotFound):
        engine.pull("no").get()


def test_a_change_is_answered_however_far_the_next_timer_is(engine: Engine) -> None:
    engine.send("orders", [Message(b"late", delay=3600.0)] * 3).get()
    listed = ask(engine, "queues.delayed", queue="orders")["messages"]
    assert isinstance(listed, list)
    for one in listed:
        assert ask(engine, "queues.cancel", queue="orders", id=one["id"]) == {"ok": True}


def test_who_waits_for_a_reply_is_told_when_the_connection_is_closed(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "own.db") as mq:
        mq.declare("prices")
        with ThreadPoolExecutor(1) as threads:
            asked = threads.submit(mq.request, "prices", b"?", timeout=None)
            while not mq.count("prices"):
                assert not asked.done()
            mq.close()
            with pytest.raises(Closed, match="before the reply came"):
                asked.result(LONG)


def test_what_is_pulled_is_given_back_with_a_delay_and_rejected_with_a_reason(engine: Engine) -> None:
    engine.declare("bills", QueueOptions(dead_letter="dead")).get()
    engine.send("bills", [Message(b"late"), Message(b"bad")]).get()
    subscription = engine.pull("bills", 2).get()
    (late,) = subscription.receive(1).get()
    (bad,) = subscription.receive(1).get()
    subscription.settle(late, "release", delay=3600.0)
    subscription.settle(bad, "reject", "no such customer")
    subscription.close().get()
    assert engine.stats("bills").get().delayed == 1
    (dead,) = engine.peek("dead", 10).get()
    assert dead.headers["x-reject-reason"] == "no such customer"


def test_peek_shows_more_than_one_answer_holds(engine: Engine) -> None:
    engine.send("orders", [Message(b"%d" % number) for number in range(1_500)]).get()
    engine.send("orders", [Message(bytes(3 << 20)), Message(bytes(3 << 20)), Message(b"last")]).get()
    found = engine.peek("orders", 2_000).get()
    assert [one.body for one in found[:1_500]] == [b"%d" % number for number in range(1_500)]
    assert [len(one.body) for one in found[1_500:]] == [3 << 20, 3 << 20, 4]
