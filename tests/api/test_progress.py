"""The progress of long work: what a handler says is seen where people look, and nowhere in its way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import batonmq
from batonmq import aio
from batonmq.testing import RunningServer

SOON = 30.0


def asked(mq: batonmq.Connection, operation: str, **fields: object) -> dict[str, Any]:
    future = mq._engine.manage(batonmq.Message(json.dumps({"operation": operation, **fields}).encode()))
    try:
        return future.get().json(dict[str, Any])
    finally:
        mq._engine.forget(future)


def held(mq: batonmq.Connection) -> dict[str, Any] | None:
    """What is said of the progress of the message of `orders`; None also while it is on its way to whoever holds it."""
    for message in asked(mq, "queues.peek", queue="orders", held=True)["messages"]:
        found: dict[str, Any] | None = message.get("progress")
        return found
    return None


def until_told(mq: batonmq.Connection, fraction: float) -> dict[str, Any]:
    end = time.monotonic() + SOON
    while time.monotonic() < end:
        found = held(mq)
        if found is not None and found["fraction"] == fraction:
            return found
    raise AssertionError(f"nobody was told {fraction}")


@pytest.mark.parametrize("scheme", ["amqp", "amqp10"])
def test_the_broker_shows_what_a_handler_says_until_it_is_done(scheme: str, tmp_path: Path) -> None:
    with RunningServer(tmp_path / "broker") as server, batonmq.connect(server.url) as watching:
        with batonmq.connect(server.url.replace("amqp", scheme, 1)) as mq:
            assert mq.capabilities.progress
            mq.declare("orders")
            mq.send("orders", b"17", id="o-17")
            with mq.receiver("orders", prefetch=1) as receiver:
                (delivery,) = receiver.receive(wait=SOON)
                assert held(watching) is None
                delivery.progress(0.4, "resizing")
                said = until_told(watching, 0.4)
                assert said["note"] == "resizing"
                assert abs(said["at"] / 1000 - server.clock.time()) < SOON
                consumers = asked(watching, "consumers.list")["consumers"]
                assert [one["progress"][0]["message_id"] for one in consumers if one["queue"] == "orders"] == ["o-17"]
                for arguments in (("consumers",), ("queues", "peek", "orders", "--held")):
                    command = [sys.executable, "-m", "batonmq", "--url", server.url, *arguments]
                    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
                    assert "40 % resizing" in done.stdout
                delivery.release()
                (again,) = receiver.receive(wait=SOON)
                assert held(watching) is None, "what the holder before has said is not of this attempt"
                again.accept()
        assert asked(watching, "queues.peek", queue="orders", held=True)["messages"] == []


def test_a_handler_that_reports_at_each_step_tells_the_broker_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningServer(tmp_path / "broker") as server, batonmq.connect(server.url) as mq:
        mq.declare("orders")
        mq.send("orders", b"")
        with mq.receiver("orders") as receiver:
            (delivery,) = receiver.receive(wait=SOON)
            told: list[float] = []
            monkeypatch.setattr(delivery._subscription, "report", lambda _, fraction, __: told.append(fraction))
            for step in range(1001):
                delivery.progress(step / 1000)
            assert told[0] == 0
            assert len(told) < 100
            assert delivery.reported is not None
            assert delivery.reported.fraction == 1
            delivery.accept()


HOLDS = """
import sys
import batonmq

with batonmq.connect(sys.argv[1]) as mq, mq.receiver("orders") as receiver:
    (delivery,) = receiver.receive(wait=30)
    delivery.progress(0.4, "resizing")
    print("told", flush=True)
    sys.stdin.readline()
    delivery.accept()
"""


def test_a_file_shows_what_is_said_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    with batonmq.connect(path) as mq:
        assert mq.capabilities.progress
        mq.declare("orders")
        mq.send("orders", b"17", id="o-17")
        with mq.receiver("orders") as receiver:
            (delivery,) = receiver.receive()
            (before,) = asked(mq, "queues.peek", queue="orders", held=True)["messages"]
            assert (before["held"], before["progress"]) == (True, None)
            delivery.progress(0.4, "resizing")
            for arguments in (("consumers",), ("queues", "peek", "orders", "--held")):
                command = [sys.executable, "-m", "batonmq", "--url", str(path), *arguments]
                done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
                assert "40 % resizing" in done.stdout
            delivery.release()
            (again,) = receiver.receive()
            assert held(mq) is None, "what was said of the attempt before is not of this one"
            again.accept()
        assert asked(mq, "queues.peek", queue="orders", held=True)["messages"] == []


def test_a_file_shows_what_is_said_by_another_process(tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        mq.send("orders", b"17", id="o-17")
        command = [sys.executable, "-c", HOLDS, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
            assert holding.stdout is not None
            assert holding.stdout.readline() == "told\n"
            assert until_told(mq, 0.4)["note"] == "resizing"
            (message,) = asked(mq, "queues.peek", queue="orders", held=True)["messages"]
            assert message["holder"]["connection"] is None
            holding.communicate("\n", timeout=60)
        assert holding.returncode == 0
        assert asked(mq, "queues.peek", queue="orders", held=True)["messages"] == []


def test_the_latest_word_is_known_here() -> None:
    async def run() -> None:
        async with aio.connect("memory:") as mq:
            await mq.declare("orders")
            await mq.send("orders", b"")
            (delivery,) = await mq.receiver("orders").receive()
            await delivery.progress(1, "x" * 500)
            assert delivery.reported is not None
            assert (delivery.reported.fraction, delivery.reported.note) == (1.0, "x" * 200)
            for wrong in (-0.1, 1.1):
                with pytest.raises(ValueError, match="from 0 to 1"):
                    await delivery.progress(wrong)
            with pytest.raises(TypeError, match="from 0 to 1"):
                await delivery.progress("0.4")  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="note is a str"):
                await delivery.progress(0.4, 7)  # type: ignore[arg-type]
            await delivery.accept()
            with pytest.raises(batonmq.AlreadySettled):
                await delivery.progress(0.4)

    asyncio.run(run())


def test_a_report_that_the_broker_refuses_leaves_the_delivery_alone(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "broker") as server, batonmq.connect(server.url) as mq:
        mq.declare("orders")
        mq.send("orders", b"")
        with mq.receiver("orders") as receiver:
            (delivery,) = receiver.receive(wait=SOON)
            delivery._subscription.report(delivery._incoming, 7.0, "which the broker refuses")
            delivery.accept()
        assert mq.count("orders") == 0


def test_reports_from_threads_of_a_worker_are_seen_while_it_works(tmp_path: Path) -> None:
    stop, seen = threading.Event(), threading.Event()

    def handle(delivery: batonmq.Delivery) -> None:
        delivery.progress(0.25, "half of the half")
        seen.wait(SOON)
        stop.set()

    with RunningServer(tmp_path / "broker") as server, batonmq.connect(server.url) as mq:
        mq.declare("orders")
        mq.send("orders", b"")
        working = threading.Thread(target=mq.run, args=("orders", handle), kwargs={"stop": stop})
        working.start()
        try:
            until_told(mq, 0.25)
        finally:
            seen.set()
            working.join()
