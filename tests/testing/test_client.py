"""The test client: what is promised to tests of handlers."""

from __future__ import annotations

import asyncio

import pytest

import batonmq
from batonmq.testing import AsyncTestClient, MovableClock, TestClient


def test_queues_are_declared_by_the_worker_or_else_by_the_client() -> None:
    app = batonmq.Worker("amqp://nobody.example")

    @app.on_start
    def declare(mq: batonmq.Connection) -> None:
        mq.declare("orders", dead_letter="orders.dead")

    app.handler("orders")(lambda _: 1 // 0)
    app.handler("mails")(lambda _: None)
    with TestClient(app) as client:
        assert [client.connection.count(queue) for queue in ("orders", "orders.dead", "mails")] == [0, 0, 0]
        with pytest.raises(batonmq.NotFound):
            client.messages("elsewhere")


def test_handlers_send_through_the_connection_of_the_client_and_all_is_done_in_the_end() -> None:
    app = batonmq.Worker()

    @app.handler("orders")
    def take(number: int) -> None:
        app.connection.send_json("mails", number + 1)

    @app.handler("mails")
    async def mail(number: int) -> int:
        if number < 5:
            await app.aio.send_json("orders", number)
        return number

    with TestClient(app) as client:
        client.send("orders", 1)
        client.run_until_idle()
        assert client.results("mails") == [2, 3, 4, 5]
        assert [one.queue for one in client.handled] == ["orders", "mails"] * 4
    with pytest.raises(batonmq.Closed):
        _ = app.connection


def test_what_falls_due_comes_at_its_time_and_in_order() -> None:
    app = batonmq.Worker()
    clock = MovableClock()
    began = clock.monotonic()
    times: list[tuple[bytes, int]] = []

    @app.handler("orders", retry=batonmq.Backoff(10_000, max=10_000))
    def take(delivery: batonmq.Delivery) -> None:
        # In steps of 100 s: the clock goes on by itself, too, while a machine is busy.
        times.append((delivery.body, round((clock.monotonic() - began) / 100)))
        if delivery.body == b"fails" and delivery.delivery_count < 3:
            raise LookupError

    with TestClient(app, clock=clock, raise_errors=False) as client:
        client.send("orders", b"fails")
        client.send("orders", b"late", delay=12_000)
        client.advance(360_000)
    assert times == [(b"fails", 0), (b"fails", 100), (b"late", 120), (b"fails", 200)]


def test_errors_are_raised_when_nothing_is_left_to_do_and_once() -> None:
    app = batonmq.Worker()

    @app.handler("orders", attempts=1)
    def take(number: int) -> int:
        return 1 // number

    with TestClient(app) as client:
        for number in (0, 1):
            client.send("orders", number)
        with pytest.raises(ZeroDivisionError):
            client.run_until_idle()
        assert client.results("orders") == [1]
        client.run_until_idle()
        assert len(client.errors) == 1
        client.send("orders", 0, delay=10)
        with pytest.raises(ZeroDivisionError):
            client.advance(20)
        with pytest.raises(ZeroDivisionError):
            client.request("orders", 0)
        with pytest.raises(ValueError, match="time does not go back"):
            client.advance(-1)


def test_a_handler_that_feeds_itself_is_told() -> None:
    app = batonmq.Worker()

    @app.handler("orders")
    def take(delivery: batonmq.Delivery) -> None:
        app.connection.send("orders", delivery.body)

    with TestClient(app) as client:
        client.send("orders", b"")
        with pytest.raises(RuntimeError, match="does a handler feed itself"):
            client.run_until_idle()


def test_two_clients_of_one_worker_come_one_after_another() -> None:
    app = batonmq.Worker()
    app.handler("orders")(lambda _: None)
    with TestClient(app), pytest.raises(RuntimeError, match="runs already"), TestClient(app):
        pass
    with TestClient(app):
        pass


def test_what_cannot_start_leaves_nothing_behind() -> None:
    app = batonmq.Worker()

    @app.on_start
    def fail(mq: batonmq.Connection) -> None:
        raise LookupError

    app.handler("orders")(lambda _: None)
    for _ in range(2):
        with pytest.raises(LookupError), TestClient(app):
            pass


def test_plain_handlers_leave_the_loop_of_an_asynchronous_test_alone() -> None:
    app = batonmq.Worker()

    @app.handler("orders")
    def take(number: int) -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return True
        return False

    async def run() -> None:
        async with AsyncTestClient(app) as client:
            await client.send("orders", 1, delay=60)
            await client.advance(61)
            assert client.results("orders") == [True]

    asyncio.run(run())
