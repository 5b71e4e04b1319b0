"""Publishes single messages to an exchange, and takes messages out of a queue."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib

import msgspec

from batonmq.broker import REFUSED, Broker, Queue
from batonmq.broker.operations.publishing import publish
from batonmq.errors import StoreError
from batonmq.fields import FieldError
from batonmq.json_text import JsonError, read_json_as
from batonmq.management.api.exchange_changes import exchange_name
from batonmq.management.http.bodies import MISSING, Body, as_arguments, as_number, as_table
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, HttpError, not_found
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.routes import ANY_SIZE, USUAL_SIZE, Route, beside_the_store
from batonmq.management.slices import Slices
from batonmq.message import Message
from batonmq.properties import Properties, PropertyValues
from batonmq.property_list import NAMES
from batonmq.queued import QueuedMessage

# RabbitMQ's ackmodes, and whether shown messages are accepted, rejected or given back.
ACCEPT, REJECT, GIVE_BACK = range(3)
ACK_MODES = {
    "ack_requeue_true": GIVE_BACK,
    "reject_requeue_true": GIVE_BACK,
    "ack_requeue_false": ACCEPT,
    "reject_requeue_false": REJECT,
}
ENCODINGS = ("auto", "base64")
# An answer ends with the message that makes its bodies this long: they are held in memory until it is sent.
GET_BYTES = 64 << 20
GET_COUNT = 100_000

NUMBERS = {"delivery_mode": 255, "priority": 255, "timestamp": 2**63 - 1}

PUBLISH = {
    "type": "object",
    "required": ["properties", "routing_key", "payload", "payload_encoding"],
    "properties": {
        "properties": {"type": "object", "description": "Basic properties by name, and headers."},
        "routing_key": {"type": "string"},
        "payload": {"type": "string"},
        "payload_encoding": {"enum": ["string", "base64"]},
    },
}
GET = {
    "type": "object",
    "required": ["count", "encoding"],
    "anyOf": [{"required": ["ackmode"]}, {"required": ["requeue"]}],
    "properties": {
        "count": {"type": "integer", "description": "The most messages; a negative number: all."},
        "ackmode": {"enum": list(ACK_MODES)},
        "requeue": {"type": "boolean", "description": "Without an ackmode: ack_requeue_true or ack_requeue_false."},
        "encoding": {"enum": list(ENCODINGS), "description": "auto: as text if the body is UTF-8."},
        "truncate": {"type": "integer", "description": "Show at most so many bytes of each body."},
    },
}


# ---------------------------------------------------------------------- publish


async def post_publish(call: Call) -> Response:
    """Publish a message. A message that has to be stored is on the disk when the answer comes."""
    operations = call.operations(call.vhost())
    body = Body(_read(call))
    body.need("routing_key", "properties", "payload", "payload_encoding")
    exchange = exchange_name(call.path["name"])
    if call.vhost().router.exchange(exchange) is None:
        # As RabbitMQ 4 answers. A user without the right does not learn it.
        operations.resolve(exchange, "")
    message = Message(
        exchange,
        body.short_text("routing_key"),
        _properties(as_table("properties", body.value("properties"))),
        _payload(body),
    )
    published = publish(operations, message)
    if published.outcome == REFUSED:
        raise BadRequest("rejected: Unable to publish message. Check queue limits.")
    await call.kept()
    return Json({"routed": published.is_routed})


class _Published(msgspec.Struct):
    """The relevant fields of a large body, as raw JSON; nothing is built from the rest."""

    properties: msgspec.Raw = msgspec.Raw()
    routing_key: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()
    payload_encoding: msgspec.Raw = msgspec.Raw()


def _read(call: Call) -> dict[str, object]:
    """The fields of the body; only the payload may be large. Raises HttpError."""
    if len(call.body) <= USUAL_SIZE:
        return call.json()
    try:
        raw = msgspec.structs.asdict(read_json_as(call.body, _Published))
        for name, value in raw.items():
            if len(bytes(value)) > USUAL_SIZE and not (name == "payload" and bytes(value).startswith(b'"')):
                raise HttpError(413, "payload_too_large", f"{name} may have {USUAL_SIZE} bytes at most")
        return {name: read_json_as(value, object) for name, value in raw.items() if bytes(value)}
    except (JsonError, msgspec.ValidationError) as error:
        raise HttpError(400, "bad_request", f"body is {error}") from None


def _payload(body: Body) -> bytes:
    payload = body.value("payload")
    if not isinstance(payload, str):
        raise BadRequest("payload_not_string")
    encoding = body.text("payload_encoding")
    if encoding == "string":
        return payload.encode()
    if encoding != "base64":
        raise BadRequest(f"unsupported_encoding: {encoding[:64]}")
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(f"not_base64: {payload[:64]}") from None


def _properties(table: dict[str, object]) -> Properties:
    """The basic properties of a message; null is left out, as in RabbitMQ. Raises BadRequest."""
    found: PropertyValues = {}
    for name, _ in NAMES:
        value = table.get(name, MISSING)
        if value is MISSING or value is None:
            continue
        if name == "headers":
            found["headers"] = as_arguments("headers", value)
        elif name in NUMBERS:
            if not isinstance(value, int):
                raise BadRequest(f"not_int: {name}")
            found[name] = as_number(name, value, 0, NUMBERS[name])  # type: ignore[literal-required]
        elif isinstance(value, str):
            found[name] = value  # type: ignore[literal-required]
        else:
            raise BadRequest(f"not_string: {name}")
    try:
        return Properties.make(**found)
    except FieldError as error:
        raise BadRequest(f"properties: {error}") from None


# ---------------------------------------------------------------------- get


async def post_get(call: Call) -> Response:
    """Take messages out of a queue and show them: for looking, not for consuming."""
    vhost = call.vhost()
    operations = call.operations(vhost)
    body = Body(call.json())
    mode = _ack_mode(body)
    encoding = body.text("encoding")
    if encoding not in ENCODINGS:
        raise BadRequest("Unsupported encoding. Please use auto or base64.")
    count = body.number("count", 1)
    truncate = body.number("truncate", 2**31, 0, 2**31)
    if call.path["name"] not in vhost.queues:
        operations.look_up_queue(call.path["name"])
        raise not_found()
    taking = _Taking(call.context.parts.broker, operations.require_readable(call.path["name"]))
    try:
        shown = await taking.take(count if 0 <= count < GET_COUNT else GET_COUNT, encoding, truncate)
        # Messages that are not on the disk yet are not delivered.
        await call.kept()
        taking.settle(mode)
    finally:
        taking.give_back()
    with contextlib.suppress(StoreError):
        # The store retries until it succeeds.
        await call.kept()
    return Json(shown)


def _ack_mode(body: Body) -> int:
    if not body.has("ackmode") and body.has("requeue"):
        # What RabbitMQ was asked before 3.7, and its older clients still ask.
        body.need("count", "encoding")
        return GIVE_BACK if body.flag("requeue") else ACCEPT
    body.need("ackmode", "count", "encoding")
    mode = ACK_MODES.get(body.text("ackmode"))
    if mode is None:
        raise BadRequest(
            f"Invalid ackmode value: {body.text('ackmode')[:64]}. Valid values are: {', '.join(ACK_MODES)}"
        )
    return mode


class _Taking:
    """Holds messages of a queue for as long as it takes to show them."""

    __slots__ = ("_broker", "_held", "_queue", "_size")

    def __init__(self, broker: Broker, queue: Queue) -> None:
        self._broker = broker
        self._queue = queue
        self._held: list[QueuedMessage] = []
        self._size = 0

    async def take(self, count: int, encoding: str, truncate: int) -> list[dict[str, object]]:
        """Take up to that many messages, in the form for showing."""
        queue = self._queue
        slices = Slices()
        shown: list[dict[str, object]] = []
        while len(shown) < count and self._size < GET_BYTES and not queue.deleted:
            queued = queue.get()
            if queued is not None:
                self._held.append(queued)
                self._size += queued.message.weight
                shown.append(_shown(queued, queue.ready_count, encoding, truncate))
            elif not await self._more():
                break
            if slices.is_over:
                await slices.rest()
        return shown

    async def _more(self) -> bool:
        """Wait until the store has been read further; False: there is no more."""
        if not self._queue.is_reading:
            return False
        read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._broker.when_read(lambda: None if read.done() else read.set_result(None))
        await read
        return True

    def settle(self, mode: int) -> None:
        """Settle the held messages as requested."""
        held, self._held = self._held, []
        if not held:
            return
        if mode == GIVE_BACK:
            self._queue.release(held)
        elif mode == ACCEPT:
            self._queue.accept_all(held)
        else:
            for queued in held:
                self._queue.reject(queued)

    def give_back(self) -> None:
        """Give back messages that are still held: they were not shown to anybody."""
        held, self._held = self._held, []
        if held:
            self._queue.release(held, counted=False)


def _shown(queued: QueuedMessage, left: int, encoding: str, truncate: int) -> dict[str, object]:
    message = queued.message
    body = message.body[:truncate]
    payload, payload_encoding = base64.b64encode(body).decode(), "base64"
    if encoding == "auto":
        with contextlib.suppress(UnicodeDecodeError):
            payload, payload_encoding = body.decode(), "string"
    properties = message.properties
    values = {name: getattr(properties, name) for name, flag in NAMES if properties.flags & flag}
    return {
        "payload_bytes": message.size,
        "redelivered": queued.returns > 0,
        "exchange": message.exchange,
        "routing_key": message.routing_key,
        "message_count": left,
        # RabbitMQ's form for a message without properties, which clients expect.
        "properties": values or [],
        "payload": payload,
        "payload_encoding": payload_encoding,
    }


ROUTES = beside_the_store(
    Route(
        "POST",
        "/api/exchanges/{vhost}/{name?}/publish",
        post_publish,
        summary="Publish a message.",
        body=PUBLISH,
        body_max=ANY_SIZE,
    ),
    Route("POST", "/api/queues/{vhost}/{name}/get", post_get, summary="Take messages, and show them.", body=GET),
)
