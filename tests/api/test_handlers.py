"""Handlers: what their parameters ask for, what does not fit, what they return, and what is around them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import msgspec
import pydantic
import pytest

import batonmq
from batonmq import aio
from batonmq.testing import AsyncTestClient, TestClient

if TYPE_CHECKING:
    from batonmq import Delivery, Message
    from tests.nowhere import Missing  # type: ignore[import-not-found]

SOON = 30.0


class Order(msgspec.Struct):
    id: int
    items: list[str] = []


@dataclass
class Receipt:
    order: int
    total: float


class Mail(TypedDict):
    to: str


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)


@pydantic.dataclasses.dataclass
class Pet:
    name: Annotated[str, pydantic.Field(min_length=2)]


@pytest.fixture
def app() -> batonmq.Worker:
    app = batonmq.Worker()

    @app.on_start
    def declare(mq: batonmq.Connection) -> None:
        mq.declare("work", dead_letter="dead")

    return app


def taken(app: batonmq.Worker, body: bytes, *, named: str | None = None, content_type: str | None = None) -> object:
    """What the handler of `work` returned for a body."""
    with TestClient(app) as client:
        client.send("work", batonmq.Message(body, id=named, content_type=content_type))
        client.run_until_idle()
        (value,) = client.results("work")
        return value


@pytest.mark.parametrize(
    ("kind", "body", "value"),
    [
        (bytes, b"\xff", b"\xff"),
        (str, b"caf\xc3\xa9", "café"),
        (int, b"17", 17),
        (object, b'{"a": [1]}', {"a": [1]}),
        (dict[str, int], b'{"a": 1}', {"a": 1}),
        (Order, b'{"id": 17}', Order(17)),
        (Receipt, b'{"order": 17, "total": 4.2}', Receipt(17, 4.2)),
        (Mail, b'{"to": "ann"}', {"to": "ann"}),
        (Person, b'{"name": "Ann", "age": 30}', Person(name="Ann", age=30)),
        (list[Person], b'[{"name": "Ann", "age": 30}]', [Person(name="Ann", age=30)]),
        (Pet, b'{"name": "Rex"}', Pet("Rex")),
        (Order | None, b"null", None),
    ],
)
def test_a_body_becomes_what_the_parameter_says(app: batonmq.Worker, kind: type, body: bytes, value: object) -> None:
    def handle(body):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return body

    handle.__annotations__ = {"body": kind}
    app.handler("work")(handle)
    assert taken(app, body) == value


@pytest.mark.parametrize("kind", [Order, Person])
def test_a_body_may_be_messagepack(app: batonmq.Worker, kind: type) -> None:
    def handle(body):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return body

    handle.__annotations__ = {"body": kind}
    app.handler("work")(handle)
    plain: dict[str, object] = {"id": 17} if kind is Order else {"name": "Ann", "age": 30}
    assert taken(app, msgspec.msgpack.encode(plain), content_type="application/msgpack") == kind(**plain)


@pytest.mark.parametrize("is_async", [False, True])
def test_body_delivery_and_message_come_in_any_order_and_by_name(app: batonmq.Worker, is_async: bool) -> None:
    def plain(message: batonmq.Message, order: Order, *, delivery: batonmq.Delivery, times: int = 3) -> object:
        return message.id, order.id, delivery.delivery_count, times

    async def awaited(delivery: aio.Delivery, times: int = 3, *, message: batonmq.Message, order: Order) -> object:
        return message.id, order.id, delivery.delivery_count, times

    app.handler("work")(awaited if is_async else plain)
    assert taken(app, b'{"id": 17}', named="o-17") == ("o-17", 17, 1, 3)


def test_the_types_may_be_local_and_deliveries_imported_for_checkers_alone(app: batonmq.Worker) -> None:
    class Local(msgspec.Struct):
        id: int

    @app.handler("work")
    def handle(local: Local, delivery: Delivery, message: Message) -> object:
        return local.id, delivery.body, message.body

    assert taken(app, b'{"id":17}') == (17, b'{"id":17}', b'{"id":17}')


def test_handlers_without_types_get_the_delivery(app: batonmq.Worker) -> None:
    class Called:
        def __call__(self, delivery):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
            return delivery.body

    def takes_any(*arguments: batonmq.Delivery) -> bytes:
        return arguments[0].body

    for queue, handler in (("lambda", lambda d: d.body), ("object", Called()), ("any", takes_any)):
        app.handler(queue)(handler)
    app.handler("nothing")(lambda: b"17")
    with TestClient(app) as client:
        for queue in app.queues:
            client.send(queue, b"17")
        client.run_until_idle()
        assert [client.results(queue) for queue in app.queues] == [[b"17"]] * 4


class Unknown:
    pass


def two_bodies(first: Order, second: Order) -> None: ...
def without_annotation(order: Order, what) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def of_unknown_type(order: Unknown) -> None: ...
def with_unknown_inside(orders: list[Unknown]) -> None: ...
def of_missing_type(order: Missing) -> None: ...
def of_the_other_face(delivery: aio.Delivery) -> None: ...
async def async_of_the_other_face(delivery: batonmq.Delivery) -> None: ...
def with_bad_annotation(order: 3) -> None: ...  # type: ignore[valid-type]


def generator(delivery: batonmq.Delivery) -> Iterator[int]:
    yield 17


async def async_generator(delivery: aio.Delivery) -> AsyncIterator[int]:
    yield 17


class CalledAsGenerator:
    def __call__(self, delivery: batonmq.Delivery) -> Iterator[int]:
        yield 17


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (two_bodies, "'first' and 'second' both ask for the body"),
        (without_annotation, "parameter 'what' needs an annotation"),
        (of_unknown_type, "parameter 'order': no body becomes Unknown"),
        (with_unknown_inside, "no body becomes list.*Unknown is none of these"),
        (of_missing_type, "there is no 'Missing' when the program runs"),
        (of_the_other_face, "a plain handler gets a batonmq.Delivery"),
        (async_of_the_other_face, "an async def handler gets a batonmq.aio.Delivery"),
        (with_bad_annotation, "parameter 'order'"),
        (generator, "handler generator is a generator, which would never run"),
        (async_generator, "handler async_generator is a generator"),
        (CalledAsGenerator(), "is a generator"),
        (17, "a handler is a function, not int"),
    ],
)
def test_a_mistake_in_a_signature_is_told_when_it_is_registered(
    app: batonmq.Worker, handler: Callable[..., object], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        app.handler("work")(handler)
    assert app.queues == []


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (Order, b'{"id": "x"}', "the body does not fit Order: Expected `int`, got `str` - at `$.id`"),
        (Order, b"{", "the body is no JSON: Input data was truncated"),
        (str, b"\xff", "the body is no text in UTF-8: invalid start byte at byte 0"),
        (
            Person,
            b'{"name": "Ann", "age": -1}',
            "the body does not fit Person: Input should be greater than or equal to 0 - at `$.age`",
        ),
        (list[Person], b'[{"age": 1}]', "Field required - at `$[0].name`"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_does_not_fit_is_a_dead_letter_at_once_with_what_is_wrong(
    app: batonmq.Worker, kind: type, body: bytes, reason: str, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(body):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        raise AssertionError

    async def awaited(body):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        raise AssertionError

    handle: Callable[..., object] = awaited if is_async else plain
    handle.__annotations__ = {"body": kind}
    app.handler("work")(handle)
    with TestClient(app) as client:
        client.send("work", body, id="o-17")
        with pytest.raises(batonmq.InvalidMessage):
            client.run_until_idle()
        (dead,) = client.messages("dead")
        assert reason in str(dead.headers["x-reject-reason"])
        assert client.connection.count("work") == 0
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)
    assert record.getMessage().startswith("message 'o-17' of queue 'work' is invalid, to dead: the body ")


def test_what_does_not_fit_is_dropped_where_there_are_no_dead_letters(caplog: pytest.LogCaptureFixture) -> None:
    app = batonmq.Worker()

    @app.handler("loose")
    def handle(order: Order) -> None: ...

    with TestClient(app, raise_errors=False) as client:
        client.send("loose", b"[]")
        client.run_until_idle()
        assert client.connection.count("loose") == 0
    assert "is invalid, dropped, as the queue has no dead letters: the body does not fit Order" in caplog.text


def test_a_handler_itself_may_say_that_a_message_is_invalid(app: batonmq.Worker) -> None:
    @app.handler("work")
    def handle(order: Order) -> None:
        raise batonmq.InvalidMessage("no such customer")

    with TestClient(app, raise_errors=False) as client:
        client.send("work", {"id": 17})
        client.run_until_idle()
        assert [dead.headers["x-reject-reason"] for dead in client.messages("dead")] == ["no such customer"]


@pytest.mark.parametrize("returned", ["a coroutine", "a coroutine of a coroutine", "a generator", "an async generator"])
@pytest.mark.filterwarnings("error")
def test_a_handler_that_returns_what_has_not_run_has_failed(app: batonmq.Worker, returned: str) -> None:
    async def nothing() -> None: ...

    async def forgets() -> Awaitable[None]:
        return nothing()

    async def steps() -> AsyncIterator[int]:
        yield 17

    if returned == "a coroutine of a coroutine":
        app.handler("work", attempts=1)(forgets)
    else:
        made = {"a coroutine": nothing, "a generator": lambda: (step for step in "17"), "an async generator": steps}[
            returned
        ]
        app.handler("work", attempts=1)(lambda _: made())
    with TestClient(app, raise_errors=False) as client:
        client.send("work", b"17")
        client.run_until_idle()
        (dead,) = client.messages("dead")
        assert "which has not run: is an await missing" in str(dead.headers["x-reject-reason"])


def test_a_middleware_that_forgets_to_await_loses_no_message(app: batonmq.Worker) -> None:
    handled: list[bytes] = []

    @app.middleware
    async def forgets(delivery: aio.Delivery, call_next: Callable[[aio.Delivery], Any]) -> object:
        return call_next(delivery)

    @app.handler("work", attempts=1)
    async def handle(body: bytes) -> None:
        handled.append(body)

    with TestClient(app, raise_errors=False) as client:
        client.send("work", b"17")
        client.run_until_idle()
        assert (handled, [dead.body for dead in client.messages("dead")]) == ([], [b"17"])


# ---------------------------------------------------------------------- replies


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_handler_returns_is_the_reply(app: batonmq.Worker, is_async: bool) -> None:
    def plain(order: Order) -> Receipt | None:
        return Receipt(order.id, 4.2) if order.id else None

    async def awaited(order: Order) -> Receipt | None:
        return plain(order)

    app.handler("work")(awaited if is_async else plain)
    with TestClient(app) as client:
        reply = client.request("work", {"id": 17}, correlation_id="c-17")
        assert (reply.json(Receipt), reply.correlation_id) == (Receipt(17, 4.2), "c-17")
        assert reply.content_type == "application/json"
        assert client.request("work", {"id": 0}).body == b"null", "who is to return something has always an answer"


def test_bytes_messages_and_models_are_replies(app: batonmq.Worker) -> None:
    values = iter([b"\xff", batonmq.Message(b"17", headers={"a": 1}), Person(name="Ann", age=30), "text"])
    app.handler("work")(lambda _: next(values))
    with TestClient(app) as client:
        replies = [client.request("work", b"", correlation_id="c-17") for _ in range(4)]
        assert [reply.body for reply in replies] == [b"\xff", b"17", b'{"name":"Ann","age":30}', b'"text"']
        assert [reply.correlation_id for reply in replies] == ["c-17"] * 4
        assert replies[1].headers == {"a": 1}


def test_a_handler_that_returns_nothing_sends_no_reply(app: batonmq.Worker) -> None:
    @app.handler("work")
    def handle(order: Order) -> None: ...

    with TestClient(app) as client:
        client.connection.declare("replies")
        client.send("work", {"id": 17}, reply_to="replies")
        client.run_until_idle()
        assert client.messages("replies") == []
        with pytest.raises(TimeoutError, match="sent no reply"):
            client.request("work", {"id": 17})


def test_reply_and_acceptance_are_one(app: batonmq.Worker) -> None:
    """A full queue for replies keeps the message from being accepted: it comes again."""

    @app.handler("work")
    def handle(order: Order) -> int:
        return order.id

    with TestClient(app, raise_errors=False) as client:
        client.connection.declare("replies", max_length=0, overflow="refuse")
        client.send("work", {"id": 17}, reply_to="replies")
        client.run_until_idle()
        assert [type(error) for error in client.errors] == [batonmq.ResourceError]
        client.connection.delete("replies")
        client.connection.declare("replies")
        client.advance(1.5)
        assert [reply.body for reply in client.messages("replies")] == [b"17"]
        assert client.connection.count("work") == 0


def test_a_reply_to_nobody_is_dropped_and_one_that_cannot_be_encoded_is_a_failure(app: batonmq.Worker) -> None:
    @app.handler("work", attempts=1)
    def handle(body: bytes) -> object:
        return Unknown() if body else 17

    with TestClient(app, raise_errors=False) as client:
        client.send("work", b"", reply_to="gone")
        client.send("work", b"1")
        client.run_until_idle()
        assert client.errors == []
        client.send("work", b"1", reply_to="gone")
        client.run_until_idle()
        assert [type(error) for error in client.errors] == [TypeError]
        assert len(client.messages("dead")) == 1


def test_a_handler_that_settles_its_delivery_may_reply_as_well(app: batonmq.Worker) -> None:
    @app.handler("work")
    def handle(delivery: batonmq.Delivery) -> int:
        delivery.accept()
        return 17

    with TestClient(app) as client:
        assert client.request("work", b"").json() == 17


# ---------------------------------------------------------------------- middlewares, retries, time


@pytest.mark.parametrize("is_async", [False, True])
def test_middlewares_are_around_handlers_the_first_outermost(app: batonmq.Worker, is_async: bool) -> None:
    seen: list[str] = []

    def plain(name: str) -> Callable[..., object]:
        def middleware(delivery: batonmq.Delivery, call_next: Callable[[batonmq.Delivery], object]) -> object:
            seen.append(f"{name} {delivery.body.decode()}")
            try:
                return call_next(delivery)
            except batonmq.InvalidMessage as error:
                seen.append(str(error))
                raise

        return middleware

    async def awaited(delivery: aio.Delivery, call_next: Callable[[aio.Delivery], Any]) -> object:
        seen.append("async")
        return {"order": await call_next(delivery)}

    @app.handler("work")
    def handle(order: Order) -> int:
        return order.id

    @app.handler("awaited")
    async def handle_awaited(order: Order) -> int:
        return order.id

    app.middleware(plain("first"))
    app.middleware(awaited)
    app.middleware(plain("second"))
    with pytest.raises(TypeError, match="a middleware is a function"):
        app.middleware(17)  # type: ignore[type-var]
    with TestClient(app, raise_errors=False) as client:
        if is_async:
            assert client.request("awaited", {"id": 17}).json() == {"order": 17}
            assert seen == ["async"]
            return
        assert client.request("work", {"id": 17}).json() == 17
        client.send("work", b"[]")
        client.run_until_idle()
    wrong = "the body does not fit Order: Expected `object`, got `array`"
    assert seen == ['first {"id":17}', 'second {"id":17}', "first []", "second []", wrong, wrong]


def test_the_waits_grow_by_the_factor_up_to_the_longest_and_are_shortened_at_random() -> None:
    backoff = batonmq.Backoff(2, max=100, factor=3)
    assert [backoff.pause(count) for count in (1, 2, 3, 4, 5, 10_000)] == [2, 6, 18, 54, 100, 100]
    assert batonmq.Backoff(0).pause(7) == 0
    found = {batonmq.Backoff(10, jitter=0.5).pause(1) for _ in range(100)}
    assert len(found) > 90
    assert all(5 <= pause <= 10 for pause in found)


@pytest.mark.parametrize(
    "wrong", [{"first": -1}, {"max": -1}, {"factor": 0.5}, {"factor": float("nan")}, {"jitter": 2}]
)
def test_a_backoff_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        batonmq.Backoff(**wrong)


def test_either_a_backoff_or_its_short_form(app: batonmq.Worker) -> None:
    with pytest.raises(ValueError, match="either retry="):
        app.handler("work", backoff=3, retry=batonmq.Backoff(3))
    with pytest.raises(TypeError, match=r"batonmq\.Backoff"):
        app.handler("work", retry=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        app.handler("work", timeout=0)


def test_failures_come_again_when_the_clock_has_moved(app: batonmq.Worker) -> None:
    @app.handler("work", attempts=4, retry=batonmq.Backoff(1_000, factor=3, max=6_000))
    def handle(delivery: batonmq.Delivery) -> None:
        raise LookupError(delivery.delivery_count)

    with TestClient(app, raise_errors=False) as client:
        client.send("work", b"")
        # By minutes: the clock goes on by itself, too, while a machine is busy.
        for seconds, attempts in ((0, 1), (900, 1), (200, 2), (2_800, 2), (300, 3), (5_000, 3), (1_000, 4)):
            client.advance(seconds)
            assert len(client.errors) == attempts
        assert len(client.messages("dead")) == 1


def test_an_async_handler_that_takes_too_long_is_cancelled_and_has_failed(app: batonmq.Worker) -> None:
    cancelled: list[bool] = []

    @app.handler("work", timeout=0.02, attempts=1)
    async def handle(order: Order) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with TestClient(app) as client:
        client.send("work", {"id": 17})
        with pytest.raises(TimeoutError, match=r"the handler took longer than 0\.02 s"):
            client.run_until_idle()
        (dead,) = client.messages("dead")
        assert dead.headers["x-reject-reason"] == "TimeoutError: the handler took longer than 0.02 s"
    assert cancelled == [True]


def test_a_thread_that_takes_too_long_goes_on_and_its_message_is_given_back(caplog: pytest.LogCaptureFixture) -> None:
    stop, first, again = threading.Event(), threading.Event(), threading.Event()
    counts: list[int] = []

    def handle(delivery: batonmq.Delivery) -> None:
        counts.append(delivery.delivery_count)
        if delivery.delivery_count == 1:
            again.wait(SOON)
            first.set()
        else:
            again.set()
            first.wait(SOON)
            stop.set()

    with batonmq.connect("memory:") as mq:
        mq.declare("work")
        mq.send("work", b"", id="slow")
        mq.run("work", handle, concurrency=2, timeout=0.05, retry=batonmq.Backoff(0), stop=stop)
        assert counts[:2] == [1, 2]
    assert "message 'slow' of queue 'work' failed at attempt 1, again: TimeoutError: the handler took" in caplog.text
    assert "message 'slow' of queue 'work': its handler returned after its time was over" in caplog.text


def test_run_takes_typed_handlers_as_well() -> None:
    stop = threading.Event()
    found: list[object] = []

    def handle(order: Order) -> None:
        found.append(order)
        stop.set()

    async def run_async() -> None:
        ended = asyncio.Event()

        async def handle_async(receipt: Receipt) -> None:
            found.append(receipt)
            ended.set()

        async with aio.connect("memory:") as mq:
            await mq.declare("work")
            await mq.send_json("work", Receipt(17, 4.2))
            await mq.run("work", handle_async, stop=ended)

    with batonmq.connect("memory:") as mq:
        mq.declare("work")
        mq.send_json("work", Order(17))
        mq.run("work", handle, stop=stop)
    asyncio.run(run_async())
    assert found == [Order(17), Receipt(17, 4.2)]


def test_the_asynchronous_client_is_for_tests_in_a_loop(app: batonmq.Worker) -> None:
    @app.handler("work")
    async def handle(order: Order) -> asyncio.AbstractEventLoop | None:
        if order.id == 0:
            raise LookupError
        return asyncio.get_running_loop()

    @app.handler("plain", attempts=2)
    def plain(order: Order) -> int:
        return order.id

    async def run() -> None:
        async with AsyncTestClient(app) as client:
            await client.send("work", {"id": 17})
            await client.run_until_idle()
            assert client.results("work") == [asyncio.get_running_loop()]
            assert (await client.request("plain", {"id": 17})).json() == 17
            await client.send("work", {"id": 0})
            with pytest.raises(LookupError):
                await client.run_until_idle()
            with pytest.raises(LookupError):
                await client.advance(2)
            assert len(await client.messages("dead")) == 0

    asyncio.run(run())
