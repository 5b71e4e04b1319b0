"""Web applications with queues: real ones, served by uvicorn and asked over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pydantic
import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from websockets.sync.client import connect as connect_web_socket

import batonmq
from batonmq.contrib import fastapi as our_fastapi, starlette as our_starlette
from batonmq.contrib.fastapi import Queues

pytestmark = pytest.mark.usefixtures("quiet_worker")

SOON = 30.0


class Order(pydantic.BaseModel):
    id: int


@contextlib.contextmanager
def served(app: Any) -> Iterator[httpx.Client]:  # noqa: ANN401
    """The application behind a real server on a free port, and a client of it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", ws="websockets-sansio"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=SOON) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def make_worker(file: Path) -> batonmq.Worker:
    worker = batonmq.Worker(file, drain=SOON)

    @worker.on_start
    def declare(mq: batonmq.Connection) -> None:
        for queue in ("orders", "plain", "loops"):
            mq.declare(queue)

    @worker.handler("orders")
    async def take(order: Order) -> dict[str, int]:
        await worker.aio.send_json("done", order)
        return {"taken": order.id}

    @worker.handler("plain")
    def plain(order: Order) -> int:
        return order.id + 1

    @worker.handler("loops")
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    return worker


def test_routes_of_fastapi_send_and_ask_and_the_handlers_run_in_the_loop(tmp_path: Path) -> None:
    worker = make_worker(tmp_path / "orders.db")
    app = FastAPI(lifespan=our_fastapi.lifespan(worker, handlers=True))

    @app.post("/orders")
    async def order(order: Order, mq: Queues) -> dict[str, int]:
        return (await mq.request("orders", msgspec.json.encode({"id": order.id}))).json(dict[str, int])

    @app.get("/plain/{number}")
    async def plain(number: int, mq: Queues) -> int:
        return (await mq.request("plain", msgspec.json.encode({"id": number}))).json(int)

    @app.get("/loop")
    async def loop(mq: Queues) -> bool:
        return (await mq.request("loops", b"")).json(int) == id(asyncio.get_running_loop())

    with batonmq.connect(tmp_path / "orders.db") as mq:
        mq.declare("done")
        with served(app) as client:
            assert client.post("/orders", json={"id": 17}).json() == {"taken": 17}
            assert client.get("/plain/17").json() == 18
            assert client.get("/loop").json() is True
        assert [message.body for message in mq.peek("done")] == [b'{"id":17}']
        mq.send_json("plain", Order(id=1))
        assert mq.count("plain") == 1, "when the application has stopped nobody takes anything any more"


def test_starlette_connects_and_mounted_applications_and_websockets_have_the_connection(tmp_path: Path) -> None:
    async def send(request: Request) -> Response:
        await our_starlette.connection(request).send("orders", await request.body())
        return Response(status_code=202)

    file = tmp_path / "orders.db"
    inner = FastAPI()

    @inner.websocket("/ws")
    async def talk(socket: WebSocket, mq: Queues) -> None:
        await socket.accept()
        await mq.send("orders", await socket.receive_bytes())
        await socket.close()

    routes = [Route("/orders", send, methods=["POST"]), Mount("/inner", inner)]
    app = Starlette(routes=routes, lifespan=our_starlette.lifespan(file))
    with batonmq.connect(file) as mq:
        mq.declare("orders")
        with served(app) as client:
            assert client.post("/orders", content=b"1").status_code == 202
            with connect_web_socket(f"ws://{client.base_url.netloc.decode()}/inner/ws") as talking:
                talking.send(b"2")
                assert list(talking) == []
        assert [message.body for message in mq.peek("orders", 2)] == [b"1", b"2"]


def test_a_lifespan_of_the_applications_own_enters_ours(tmp_path: Path) -> None:
    ours = our_starlette.lifespan(tmp_path / "orders.db")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
        async with ours(app) as state:
            yield {**state, "mine": 17}

    async def show(request: Request) -> Response:
        engine = our_starlette.connection(request).capabilities.engine
        return JSONResponse([request.state.mine, engine])

    with served(Starlette(routes=[Route("/", show)], lifespan=lifespan)) as client:
        assert client.get("/").json() == [17, "embedded"]


def test_a_request_that_is_being_handled_when_the_application_stops_is_finished(tmp_path: Path) -> None:
    worker = batonmq.Worker(tmp_path / "orders.db", drain=SOON)
    began, done = threading.Event(), threading.Event()

    @worker.on_start
    def declare(mq: batonmq.Connection) -> None:
        mq.declare("slow")
        mq.send("slow", b"")

    @worker.handler("slow")
    async def slow() -> None:
        began.set()
        await asyncio.sleep(0.2)
        done.set()

    with served(Starlette(lifespan=our_starlette.lifespan(worker, handlers=True))):
        assert began.wait(SOON)
    assert done.is_set()
    with batonmq.connect(tmp_path / "orders.db") as mq:
        assert mq.count("slow") == 0


def test_a_worker_may_be_connected_without_its_handlers(tmp_path: Path) -> None:
    worker = make_worker(tmp_path / "orders.db")

    async def run() -> None:
        async with our_starlette.lifespan(worker, url="memory:other")(None) as state:
            await state["batonmq"].send("plain", b"")
            assert await state["batonmq"].count("plain") == 1

    asyncio.run(run())


def test_an_application_whose_queue_is_missing_does_not_start(tmp_path: Path) -> None:
    worker = batonmq.Worker(tmp_path / "orders.db")

    @worker.handler("nowhere")
    async def never() -> None: ...

    async def run() -> None:
        async with our_starlette.lifespan(worker, handlers=True)(None):
            raise AssertionError

    with pytest.raises(batonmq.NotFound, match="nowhere"):
        asyncio.run(run())


def test_handlers_that_end_are_told_and_raised_when_the_application_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = batonmq.Worker(tmp_path / "orders.db")
    worker.on_start(lambda mq: mq.declare("orders"))

    @worker.handler("orders")
    async def take() -> None: ...

    async def run() -> None:
        async with our_starlette.lifespan(worker, handlers=True)(None) as state:
            await state["batonmq"].delete("orders")
            while "orders" not in caplog.text:
                await asyncio.sleep(0.01)

    caplog.set_level("ERROR", "batonmq.worker")
    with pytest.raises(batonmq.NotFound, match="orders"):
        asyncio.run(run())
    assert "no handler is called any more" in caplog.text


def test_what_is_missing_is_told() -> None:
    with pytest.raises(TypeError, match=r"for a batonmq\.Worker"):
        our_starlette.lifespan("memory:", handlers=True)

    request = Request({"type": "http", "state": {}})
    with pytest.raises(RuntimeError, match=r"needs lifespan=batonmq\.contrib"):
        our_starlette.connection(request)


def test_without_fastapi_the_error_says_how_to_install_it() -> None:
    program = "import sys; sys.modules['fastapi'] = None; import batonmq.contrib.fastapi"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert "pip install 'batonmq[fastapi]'" in done.stderr
