"""The worker of several queues: who is called how, and what begins and ends together."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

import pytest

import batonmq
from batonmq import aio

pytestmark = pytest.mark.usefixtures("quiet_worker")

SOON = 30.0


def test_functions_are_called_in_threads_and_coroutines_as_tasks() -> None:
    app = batonmq.Worker("memory:")
    stop = threading.Event()
    found: SimpleQueue[tuple[str, bytes, bool]] = SimpleQueue()

    @app.on_start
    def declare(mq: batonmq.Connection) -> None:
        for queue in ("plain", "async", "object", "end"):
            mq.declare(queue)
        mq.send("plain", b"1")

    @app.handler("plain")
    def plain(delivery: batonmq.Delivery) -> None:
        found.put(("plain", delivery.body, threading.current_thread() is threading.main_thread()))
        app.connection.send("async", b"2")

    @app.handler("async")
    async def in_loop(delivery: aio.Delivery) -> None:
        found.put(("async", delivery.body, asyncio.current_task() is None))
        await app.aio.send("object", b"3")

    class Handler:
        async def __call__(self, delivery: aio.Delivery) -> None:
            found.put(("object", delivery.body, asyncio.current_task() is None))
            await app.aio.send("end", b"")

    app.handler("object")(Handler())
    app.handler("end")(lambda _: stop.set())
    app.run(stop=stop)
    assert app.queues == ["plain", "async", "object", "end"]
    assert [found.get_nowait() for _ in range(3)] == [
        ("plain", b"1", False),
        ("async", b"2", False),
        ("object", b"3", False),
    ]


def test_what_run_is_told_counts_more_than_what_the_worker_says() -> None:
    app = batonmq.Worker("memory:not-this-one", drain=600)
    stop, held = threading.Event(), threading.Event()
    together = threading.Barrier(3, stop.set)

    @app.handler("work", concurrency=1)
    def work(_: batonmq.Delivery) -> None:
        together.wait(SOON)
        held.wait(SOON)

    with batonmq.connect("memory:application") as mq:
        mq.declare("work")
        mq.send_many("work", [b""] * 3)
        app.run("memory:application", concurrency=3, drain=0, stop=stop)
        assert not together.broken
        assert mq.count("work") == 3, "what was not done within the drain time goes back"
    held.set()


@pytest.mark.parametrize("missing", ["plain", "async"])
def test_what_ends_one_queue_ends_the_worker_when_the_others_are_done(missing: str) -> None:
    app = batonmq.Worker("memory:")
    began, done = threading.Event(), threading.Event()

    @app.on_start
    def declare(mq: batonmq.Connection) -> None:
        for queue in {"plain", "async"} - {missing}:
            mq.declare(queue)
        mq.declare("ends")
        mq.send("ends", b"")

    async def in_loop(_: aio.Delivery) -> None:
        raise AssertionError

    @app.handler("ends")
    def ends(_: batonmq.Delivery) -> None:
        began.set()
        done.wait(0.1)
        done.set()

    app.handler("plain")(print)
    app.handler("async")(in_loop)
    with pytest.raises(batonmq.NotFound, match=missing):
        app.run()
    assert done.is_set() or not began.is_set()


def test_tasks_that_are_late_are_cancelled_and_their_messages_go_back() -> None:
    app = batonmq.Worker("memory:tasks", drain=0.01)
    stop = threading.Event()

    @app.handler("work")
    async def work(_: aio.Delivery) -> None:
        stop.set()
        await asyncio.Event().wait()

    with batonmq.connect("memory:tasks") as mq:
        mq.declare("work")
        mq.send("work", b"slow")
        app.run(stop=stop)
        assert [message.body for message in mq.peek("work")] == [b"slow"]


def test_a_worker_that_was_stopped_before_it_began_takes_nothing() -> None:
    app = batonmq.Worker()
    stop = threading.Event()
    stop.set()

    async def never(_: aio.Delivery) -> None:
        raise AssertionError

    app.handler("tasks")(never)
    app.handler("threads")(print)
    with batonmq.connect("memory:stopped") as mq:
        for queue in ("tasks", "threads"):
            mq.declare(queue)
            mq.send(queue, b"")
        app.run("memory:stopped", stop=stop)
        assert (mq.count("tasks"), mq.count("threads")) == (1, 1)


def test_a_worker_that_cannot_work_says_so() -> None:
    async def declare(mq: batonmq.Connection) -> None: ...

    app = batonmq.Worker()
    with pytest.raises(ValueError, match="no URL"):
        app.run()
    with pytest.raises(ValueError, match="no handlers"):
        app.run("memory:")
    app.handler("work")(print)
    with pytest.raises(ValueError, match="'work' has a handler"):
        app.handler("work")
    with pytest.raises(ValueError, match="name"):
        app.handler("")
    with pytest.raises(ValueError, match="concurrency"):
        app.handler("other", concurrency=0)
    with pytest.raises(ValueError, match="no engine"):
        batonmq.Worker("gopher://host")
    with pytest.raises(ValueError, match="drain"):
        batonmq.Worker(drain=-1)
    with pytest.raises(TypeError, match="a function for the start is a plain one"):
        app.on_start(declare)
    with pytest.raises(TypeError, match="a function for the start is a function, not int"):
        app.on_start(17)  # type: ignore[type-var]
    for connection in ("connection", "aio"):
        with pytest.raises(batonmq.Closed):
            getattr(app, connection)


def test_a_worker_runs_once_at_a_time() -> None:
    app = batonmq.Worker("memory:")
    errors: list[Exception] = []

    @app.on_start
    def again(_: batonmq.Connection) -> None:
        try:
            app.run()
        except RuntimeError as error:
            errors.append(error)

    app.handler("nowhere")(print)
    for _ in range(2):
        with pytest.raises(batonmq.NotFound):
            app.run()
    assert [str(error) for error in errors] == ["the worker runs already"] * 2
