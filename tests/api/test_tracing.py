"""Spans of OpenTelemetry: what they are called, what they say, and how they hang together."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.baggage import get_baggage, set_baggage
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

import batonmq
from batonmq import aio
from batonmq.fields import FieldValue
from tests.support.broker import Broker

pytestmark = pytest.mark.usefixtures("quiet_worker")

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Spans:
    """The spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def names(self) -> list[str]:
        return [span.name for span in self.exporter.get_finished_spans()]

    def one(self, name: str) -> ReadableSpan:
        found = [span for span in self.exporter.get_finished_spans() if span.name == name]
        assert len(found) == 1, self.names()
        return found[0]


def attributes(span: ReadableSpan) -> dict[str, object]:
    return {name.removeprefix("messaging."): value for name, value in (span.attributes or {}).items()}


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def links(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    found = Spans()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", found.provider)
    yield found
    found.provider.shutdown()


@pytest.fixture
def mq(spans: Spans) -> Iterator[batonmq.Connection]:
    with batonmq.connect("memory:") as mq:
        mq.declare("work", dead_letter="dead")
        yield mq


def worked(mq: batonmq.Connection, handle: Callable[[batonmq.Delivery], object], attempts: int | None = None) -> None:
    """Have a worker call it for one message."""
    stop = threading.Event()

    def once(delivery: batonmq.Delivery) -> None:
        stop.set()
        handle(delivery)

    mq.run("work", once, attempts=attempts, stop=stop)


def test_a_message_is_one_trace_from_its_sender_to_its_handler(mq: batonmq.Connection, spans: Spans) -> None:
    inside: list[int] = []
    mq.send("work", b"body", id="m1", correlation_id="c1")
    worked(mq, lambda _: inside.append(trace.get_current_span().get_span_context().span_id))
    assert spans.names() == ["send work", "process work", "accept work"]
    sent, processed, accepted = (spans.one(name) for name in spans.names())
    assert [span.kind for span in (sent, processed, accepted)] == [
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.CLIENT,
    ]
    assert len({context_of(span).trace_id for span in (sent, processed, accepted)}) == 1
    assert parent(processed) == context_of(sent).span_id
    assert parent(accepted) == context_of(processed).span_id
    assert links(processed) == links(accepted) == [context_of(sent).span_id]
    assert inside == [context_of(processed).span_id]
    assert attributes(processed) == {
        "system": "batonmq",
        "operation.type": "process",
        "operation.name": "process",
        "destination.name": "work",
        "message.body.size": 4,
        "message.id": "m1",
        "message.conversation_id": "c1",
    }
    assert attributes(sent)["operation.type"] == "send"
    assert attributes(accepted)["operation.type"] == "settle"
    assert attributes(accepted)["operation.name"] == "accept"


def test_receiving_links_to_where_each_message_was_created(mq: batonmq.Connection, spans: Spans) -> None:
    mq.send("work", b"1")
    mq.send_many("work", [b"2", b"3"])
    with mq.receiver("work") as receiver, spans.tracer.start_as_current_span("mine"):
        deliveries = receiver.receive(3, wait=5)
        assert len(deliveries) == 3
        assert receiver.receive(1, wait=0) == [], "nothing came, and there is no span for that"
        deliveries[0].accept()
        deliveries[1].release()
        deliveries[2].reject()
    first, second = (context_of(span).span_id for span in spans.exporter.get_finished_spans()[:2])
    received, mine = spans.one("receive work"), spans.one("mine")
    assert links(received) == [first, second, second]
    assert parent(received) == context_of(mine).span_id
    assert received.kind is SpanKind.CLIENT
    assert attributes(received)["batch.message_count"] == 3
    assert "message.body.size" not in attributes(received)
    assert [parent(spans.one(f"{how} work")) for how in ("accept", "release", "reject")] == [
        context_of(mine).span_id
    ] * 3


def test_the_block_of_a_delivery_is_processing(mq: batonmq.Connection, spans: Spans) -> None:
    mq.send("work", b"body")
    with mq.receiver("work", wait=5) as receiver:
        for delivery in receiver:
            with delivery:
                mq.send("dead", b"next")
            break
    assert spans.names() == ["send work", "receive work", "send dead", "accept work", "process work"]
    processed, received = spans.one("process work"), spans.one("receive work")
    assert parent(processed) == context_of(received).span_id
    assert parent(spans.one("send dead")) == parent(spans.one("accept work")) == context_of(processed).span_id


def test_a_block_within_a_handler_is_one_processing(mq: batonmq.Connection, spans: Spans) -> None:
    def handle(delivery: batonmq.Delivery) -> None:
        with delivery:
            pass

    mq.send("work", b"body")
    worked(mq, handle)
    assert spans.names() == ["send work", "accept work", "process work"]


def test_a_handler_that_fails_has_a_span_that_says_so(mq: batonmq.Connection, spans: Spans) -> None:
    mq.send("work", b"body")
    worked(mq, lambda _: 1 // 0, attempts=1)
    processed = spans.one("process work")
    assert processed.status.status_code is StatusCode.ERROR
    assert attributes(processed)["error.type"] == "ZeroDivisionError"
    assert [event.name for event in processed.events] == ["exception"]
    assert attributes(spans.one("reject work"))["operation.type"] == "settle"


def test_what_cannot_be_sent_or_received_or_settled_says_why(mq: batonmq.Connection, spans: Spans) -> None:
    with pytest.raises(batonmq.NotFound):
        mq.send("nowhere", b"body")
    with mq.receiver("work") as receiver:
        mq.delete("work")
        with pytest.raises(batonmq.NotFound):
            receiver.receive(1, wait=5)
    mq.declare("work")
    mq.send("work", b"body")
    with mq.receiver("work") as receiver:
        delivery = receiver.receive(1, wait=5)[0]
        delivery.accept()
        with pytest.raises(batonmq.AlreadySettled):
            delivery.release()
    failed = [span for span in spans.exporter.get_finished_spans() if span.status.status_code is StatusCode.ERROR]
    assert [(span.name, attributes(span)["error.type"]) for span in failed] == [
        ("send nowhere", "NotFound"),
        ("receive work", "NotFound"),
        ("release work", "AlreadySettled"),
    ]


def test_a_transaction_has_a_span_for_what_it_sends_and_one_for_what_it_accepts(
    mq: batonmq.Connection, spans: Spans
) -> None:
    mq.send("work", b"body")
    with mq.receiver("work") as receiver:
        delivery = receiver.receive(1, wait=5)[0]
        with mq.transaction() as transaction:
            transaction.send("dead", b"1")
            transaction.send("work", b"2")
            transaction.accept(delivery)
    sent, accepted = spans.one("send"), spans.one("accept")
    assert attributes(sent)["batch.message_count"] == 2
    assert "destination.name" not in attributes(sent)
    assert links(accepted) == [context_of(spans.one("send work")).span_id]
    assert mq.peek("dead")[0].headers["traceparent"] == parent_header(sent)


def parent_header(span: ReadableSpan) -> str:
    context = context_of(span)
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_request_lasts_until_its_reply_or_until_nobody_waits(mq: batonmq.Connection, spans: Spans) -> None:
    asked = threading.Thread(
        target=worked, args=(mq, lambda delivery: mq.reply(delivery, b"yes")), name="answers", daemon=True
    )
    asked.start()
    assert mq.request("work", b"?", timeout=30).body == b"yes"
    asked.join(30)
    with pytest.raises(TimeoutError):
        mq.request("dead", b"?", timeout=0.01)
    assert parent(spans.one("process work")) == context_of(spans.one("request work")).span_id
    assert parent(spans.one("reply")) == context_of(spans.one("process work")).span_id
    assert spans.one("request work").status.status_code is StatusCode.UNSET
    assert attributes(spans.one("request dead"))["error.type"] == "TimeoutError"


def test_a_context_that_a_message_has_already_stays(mq: batonmq.Connection, spans: Spans) -> None:
    mq.send("work", b"body", headers={"traceparent": PARENT, "tracestate": "vendor=1", "x": 1})
    assert mq.peek("work")[0].headers == {"traceparent": PARENT, "tracestate": "vendor=1", "x": 1}
    assert links(spans.one("send work")) == [0xB7AD6B7169203331]


def test_baggage_is_carried_to_the_handler(mq: batonmq.Connection) -> None:
    found: list[object] = []
    token = attach(set_baggage("customer", "4"))
    mq.send("work", b"body")
    detach(token)
    worked(mq, lambda _: found.append(get_baggage("customer")))
    assert found == ["4"]


@pytest.mark.parametrize("value", [17, b"\xff\xfe", "nonsense", "", ["a"], {"a": 1}, None, "00-" + "0" * 32 + "-1-01"])
def test_a_context_that_is_none_is_none(mq: batonmq.Connection, spans: Spans, value: FieldValue) -> None:
    mq.send("work", b"body", headers={"tracestate": value, "traceparent": value, "baggage": value})
    assert mq.peek("work")[0].headers["traceparent"] == parent_header(spans.one("send work"))
    headers: dict[str, FieldValue] = {"traceparent": value, "tracestate": value, "baggage": value}
    # As a client without a tracer sends it.
    engine = mq._engine._engine  # type: ignore[attr-defined]
    engine.send("dead", [batonmq.Message(b"body", headers=headers)]).get()
    with mq.receiver("dead") as receiver, receiver.receive(1, wait=5)[0]:
        pass
    assert links(spans.one("process dead")) == []


def test_the_span_of_a_task_is_that_of_its_message(spans: Spans) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        inside: dict[str, int] = {}

        async def handle(delivery: aio.Delivery) -> None:
            # Both are at work at once, and each in its own span.
            arrived.append(delivery.body)
            while len(arrived) < 2:
                await asyncio.sleep(0)
            inside[delivery.message.text] = trace.get_current_span().get_span_context().span_id
            if len(inside) == 2:
                stop.set()

        arrived: list[bytes] = []
        async with aio.connect("memory:") as mq:
            await mq.declare("work")
            await mq.send("work", b"a", id="a")
            await mq.send("work", b"b", id="b")
            await mq.run("work", handle, concurrency=2, stop=stop)
        processed = [span for span in spans.exporter.get_finished_spans() if span.name == "process work"]
        assert {attributes(span)["message.id"]: context_of(span).span_id for span in processed} == inside

    asyncio.run(main())


def test_a_worker_has_spans(spans: Spans) -> None:
    stop = threading.Event()
    worker = batonmq.Worker("memory:")

    @worker.on_start
    def prepare(mq: batonmq.Connection) -> None:
        mq.declare("work")
        mq.send("work", b"body")

    @worker.handler("work")
    def handle(delivery: batonmq.Delivery) -> None:
        stop.set()

    worker.run(stop=stop)
    assert spans.names() == ["send work", "process work", "accept work"]


def test_through_a_broker_spans_name_it(spans: Spans, batonmq_process: Broker) -> None:
    queue, address = "traced", batonmq_process.address
    with batonmq.connect(address.url) as mq:
        mq.declare(queue)
        mq.send(queue, b"body")
        with mq.receiver(queue) as receiver, receiver.receive(1, wait=30)[0]:
            pass
        mq.delete(queue)
    processed = spans.one(f"process {queue}")
    assert links(processed) == [context_of(spans.one(f"send {queue}")).span_id]
    assert attributes(processed) == {
        "system": "batonmq",
        "operation.type": "process",
        "operation.name": "process",
        "destination.name": queue,
        "message.body.size": 4,
        "server.address": address.host,
        "server.port": address.port,
    }


def test_without_a_provider_nothing_below_the_connection_knows_of_spans() -> None:
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    with batonmq.connect("memory:") as mq:
        mq.declare("work")
        mq.send("work", b"body")
        assert not mq._engine.is_traced
        with mq.receiver("work") as receiver:
            delivery = receiver.receive(1, wait=5)[0]
            assert type(receiver) is batonmq.Receiver
            assert type(delivery) is batonmq.Delivery
            assert delivery.message.headers == {}


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry" and blocked:
            raise ModuleNotFoundError(name)
blocked = bool(sys.argv[1:])
sys.meta_path.insert(0, Missing())
import batonmq
with batonmq.connect("memory:") as mq:
    mq.declare("work")
    mq.send("work", b"body")
    with mq.receiver("work") as receiver, receiver.receive(1)[0] as delivery:
        print(delivery.message.text, "opentelemetry" in sys.modules)
"""


@pytest.mark.parametrize("blocked", [[], ["blocked"]])
@pytest.mark.parametrize("environment", [{}, {"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}])
def test_without_the_library_or_its_use_it_is_not_read(
    tmp_path: Path, blocked: list[str], environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", WITHOUT, *blocked]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert run.stderr == ""
    assert run.stdout == f"body {bool(environment) and not blocked}\n"
