"""Handlers with a schedule: called once at each time, however many workers there are."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import batonmq
from batonmq.testing import MovableClock, RunningServer, TestClient

pytestmark = pytest.mark.usefixtures("quiet_worker")

HOUR = 3600.0


def worker(queue: str, expression: str, called: list[str], url: str | None = None) -> batonmq.Worker:
    app = batonmq.Worker(url)

    @app.on_start
    def declare(mq: batonmq.Connection) -> None:
        mq.declare(queue)

    @app.handler(queue, schedule=batonmq.cron(expression))
    def tick(message: batonmq.Message) -> None:
        called.append(str(message.id))

    return app


def schedules(mq: batonmq.Connection, queue: str) -> list[str]:
    """The cron expressions that a queue has."""
    asked = batonmq.Message(json.dumps({"operation": "queues.schedules", "queue": queue}).encode())
    future = mq._engine.manage(asked)
    answer = future.get().json(dict[str, Any])
    mq._engine.forget(future)
    return [one["schedule"]["cron"] for one in answer["messages"]]


def midway(seconds: float) -> MovableClock:
    """A clock in the middle of such a span of UTC: none begins by itself, however slow the machine is."""
    clock = MovableClock()
    clock.advance(1.5 * seconds - clock.time() % seconds)
    return clock


def test_a_scheduled_handler_is_called_at_each_time_that_matches() -> None:
    called: list[str] = []
    with TestClient(worker("ticks", "*/5 * * * *", called), clock=midway(HOUR / 12)) as client:
        client.advance(HOUR)
        assert called == ["cron */5 * * * *"] * 12
        client.advance(HOUR / 2)
        assert len(called) == 18


def test_a_handler_without_parameters_may_have_a_schedule_and_messages_as_well() -> None:
    app = batonmq.Worker()
    calls: list[int] = []

    @app.handler("nightly", schedule=batonmq.cron("30 3 * * *"))
    async def clean_up() -> None:
        calls.append(1)

    with TestClient(app, clock=midway(24 * HOUR)) as client:
        client.send("nightly", b"now")
        client.advance(24 * HOUR)
        assert len(calls) == 2


def test_the_times_go_on_when_a_worker_begins_again_and_change_with_the_program(tmp_path: Path) -> None:
    file = tmp_path / "queues.db"
    stop = threading.Event()
    stop.set()
    with batonmq.connect(file) as mq:
        for expression in ("*/5 * * * *", "*/5  * * * *", "0 4 * * mon"):
            worker("ticks", expression, [], str(file)).run(stop=stop)
            assert schedules(mq, "ticks") == [" ".join(expression.split())]


def begin_together(url: str, stop: threading.Event) -> None:
    """Eight workers on one queue, which are all told to stop when they have begun."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            worker("ticks", "*/5 * * * *", [], url).run(stop=stop)
        except BaseException as error:  # noqa: BLE001  (raised below)
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("scheme", ["amqp", "amqp10", "file"])
def test_a_queue_has_one_schedule_however_many_workers_begin_together(scheme: str, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with RunningServer(tmp_path / "broker") as server:
        url = str(tmp_path / "queues.db") if scheme == "file" else server.url.replace("amqp", scheme, 1)
        begin_together(url, stop)
        with batonmq.connect(url if scheme == "file" else server.url) as mq:
            assert schedules(mq, "ticks") == ["*/5 * * * *"]


def test_one_of_several_workers_of_a_broker_is_called(tmp_path: Path) -> None:
    called: list[str] = []
    stop = threading.Event()
    with RunningServer(tmp_path / "broker", clock=midway(24 * HOUR)) as server:
        apps = [worker("ticks", "0 0 * * *", called, server.url) for _ in range(3)]
        threads = [threading.Thread(target=app.run, kwargs={"stop": stop}) for app in apps]
        for thread in threads:
            thread.start()
        with batonmq.connect(server.url) as mq:
            end = time.monotonic() + 90
            while time.monotonic() < end:
                try:
                    # Until all have begun there may be one schedule too many for a moment.
                    if mq.stats("ticks").consumers == len(apps) and len(schedules(mq, "ticks")) == 1:
                        break
                except (batonmq.NotFound, KeyError):
                    pass
            for day in range(1, 4):
                server.clock.advance(24 * HOUR)
                while len(called) < day and time.monotonic() < end:
                    stop.wait(0.01)
        stop.set()
        for thread in threads:
            thread.join()
    assert called == ["cron 0 0 * * *"] * 3


def test_what_cannot_be_scheduled_is_told_when_it_is_registered() -> None:
    app = batonmq.Worker()
    for wrong in ("* * * *", "60 * * * *", "0 0 30 2 *", "every minute"):
        with pytest.raises(ValueError, match="is no cron expression"):
            batonmq.cron(wrong)
    with pytest.raises(TypeError, match="a cron expression is a str"):
        batonmq.cron(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"made by batonmq\.cron"):
        app.handler("ticks", schedule="* * * * *")  # type: ignore[arg-type]

    def tick(number: int) -> None: ...

    with pytest.raises(TypeError, match="a schedule sends an empty body, which is no int"):
        app.handler("ticks", schedule=batonmq.cron("* * * * *"))(tick)


def test_an_engine_without_schedules_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from batonmq.engines.embedded.engine import EmbeddedEngine
    from batonmq.engines.shared.registry import open_memory

    def without(*_: object) -> EmbeddedEngine:
        engine = open_memory("")
        engine.capabilities = replace(engine.capabilities, schedule=False)
        return engine

    monkeypatch.setattr("batonmq.api.applications.worker.open_engine", without)
    with pytest.raises(batonmq.UnsupportedFeature, match="schedule"):
        worker("ticks", "* * * * *", [], "memory:").run()
