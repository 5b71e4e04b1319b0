"""JSON that others write: answers of brokers, requests about ours, what the command line is told, the file of users."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final

from batonmq.broker import ManagedOperations
from batonmq.broker.management.answering import OPERATIONS
from batonmq.cli.client import told_in
from batonmq.cli.failure import Failure
from batonmq.engines.amqp10.products.artemis_queues import ArtemisQueues
from batonmq.engines.amqp10.products.declared import first_declared
from batonmq.engines.amqp10.products.jolokia import value_in
from batonmq.engines.futures import Future
from batonmq.engines.kafka.headers import from_headers
from batonmq.engines.messages import Message as Received
from batonmq.engines.questions import answer_in, list_queues, stats
from batonmq.engines.steps import Steps, run_steps, wait_for
from batonmq.engines.values import QueueOptions
from batonmq.errors import BatonError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.server.failures import ConfigError
from batonmq.server.users import UserFile
from proof.by_hand import EVERYTHING, ByHand
from proof.fuzz.folders import new_folder
from proof.fuzz.said_desk import SaidDesk
from proof.fuzz.target import Take, Target, ensure

MANAGEMENT: Final = "batonmq.management"
WORDS: Final = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"true", b"NaN", b"1e999", b"9" * 20, b"9" * 5000, b"-1",
    b"\\ud800", b"\\", b"\xff", "\u00b2".encode(), b"[" * 3000, b'{"a":' * 3000, b"[" * 60, b"]" * 60,
)  # fmt: skip
ROW: Final = {
    "name": "q", "address": "q", "routingType": "ANYCAST", "durable": "true", "exclusive": "false", "ringSize": "-1",
    "messageCount": "3", "deliveringCount": "1", "scheduledCount": "0", "consumerCount": "1", "temporary": "false",
}  # fmt: skip
SETTINGS: Final = {"maxDeliveryAttempts": 3, "deadLetterAddress": "dead", "expiryDelay": -1, "maxSizeMessages": 5}


def _outcome(steps: Steps[Any]) -> str:
    """What it comes to, which is something of ours."""
    future = run_steps(steps)
    ensure(future.done, "nothing comes of it")
    try:
        return repr(future.result())[:20]
    except BatonError as error:
        return f"{type(error).__name__} {error}"[:40]


def _artemis() -> Take:
    calls: tuple[Callable[[ArtemisQueues], Steps[Any]], ...] = (
        lambda queues: queues.find("q"),
        lambda queues: queues.names(),
        lambda queues: queues.require("q"),
        lambda queues: queues.declare("q", QueueOptions(max_deliveries=3, dead_letter="dead", max_length=5)),
        lambda queues: queues.delete("q"),
    )

    def take(data: bytes) -> Hashable:
        return tuple(_outcome(call(ArtemisQueues(SaidDesk(data.split(b"\n"))))) for call in calls)

    return take


def _jolokia() -> Take:
    def take(data: bytes) -> Hashable:
        try:
            return repr(value_in("there", 200 if len(data) % 7 else 500, data))[:20]
        except BatonError as error:
            return f"{type(error).__name__} {error}"[:60]

    return take


def _notes() -> Take:
    """Declarations that carried queues keep in messages."""

    def take(data: bytes) -> Hashable:
        return repr(first_declared([Received(body) for body in data.split(b"\n")]))[:40]

    return take


def _answers() -> Take:
    def asking(data: bytes) -> Callable[[Mapping[str, object]], Steps[dict[str, object]]]:
        def ask(_request: Mapping[str, object]) -> Steps[dict[str, object]]:
            future: Future[bytes] = Future()
            future.resolve(data)
            return answer_in((yield from wait_for(future)))

        return ask

    def take(data: bytes) -> Hashable:
        try:
            told = tuple(told_in(data))[:3]
        except Failure as failure:
            told = (str(failure)[:30],)
        return told, _outcome(list_queues(asking(data))), _outcome(stats(asking(data), "q"))

    return take


def _requests() -> Take:
    by_hand = ByHand()
    operations = ManagedOperations(by_hand.broker.vhosts["/"], EVERYTHING, object())
    operations.declare_queue("answers", durable=False, arguments={})
    counter = itertools.count()

    def ask(body: bytes) -> object:
        number = str(next(counter))
        properties = Properties.make(reply_to="answers", correlation_id=number)
        message = Message(MANAGEMENT, "", properties, body)
        operations.vhost.router.publish(message, operations.resolve(MANAGEMENT, "").targets)
        by_hand.settle()
        queue = operations.find_queue("answers")
        queued = queue.get()
        ensure(queued is not None and queued.message.properties.correlation_id == number, "no answer")
        assert queued is not None
        queue.accept(queued)
        return json.loads(queued.message.body)

    def take(data: bytes) -> Hashable:
        told = ask(data)
        usual = ask(b'{"operation": "queues.list"}')
        ensure(isinstance(usual, dict) and usual.get("ok") is True, "the next request is not answered")
        return str(told)[:60]

    return take


def _headers() -> Take:
    def take(data: bytes) -> Hashable:
        parts = data.split(b"\n")
        named: list[tuple[str, bytes | None]] = [("batonmq-types", parts[0])]
        for part in parts[1:]:
            name, _, value = part.partition(b"=")
            named.append((name.decode(errors="replace"), value))
        found = from_headers(named, parts[-1] if len(parts) > 3 else None)
        return found.flags, str(found.headers)[:30]

    return take


def _users() -> Take:
    file = UserFile(new_folder())

    def take(data: bytes) -> Hashable:
        file.path.write_bytes(data)
        try:
            users = file.load()
        except ConfigError as error:
            ensure(str(file.path) in str(error) and "\n" not in str(error), f"it does not say what is wrong: {error}")
            return str(error)[-30:]
        with contextlib.suppress(ConfigError), file.change() as changed:
            changed.remove("guest")
        return len(users), bool(users.doubt)

    return take


def _listed(*rows: Mapping[str, object]) -> bytes:
    """As Artemis answers: a list in JSON, whose one text is JSON again."""
    return b"=" + json.dumps({"data": rows, "count": len(rows)}).encode()


TARGETS = (
    Target(
        "json.artemis",
        "what Artemis answers about its queues: told, or an error of ours, and asked no longer than it is needed",
        _artemis,
        (
            _listed(ROW),
            _listed(),
            b"\n".join((_listed(), b"[null]", b"[]", _listed(ROW), b"=" + json.dumps(SETTINGS).encode(), _listed(ROW))),
            b'!["AMQ229030: the queue does not exist"]',
            b"=" + b"[" * 3000,
            _listed(*[ROW] * 500),
        ),
        (*WORDS, b"=", b"!", b"\n", *(json.dumps(name).encode() for name in (*ROW, *SETTINGS))),
        40_000,
    ),
    Target(
        "json.jolokia",
        "what ActiveMQ Classic answers over HTTP: a value, or an error of ours",
        _jolokia,
        (
            b'{"status": 200, "value": {"QueueSize": 5}}',
            b'{"status": 404, "error_type": "javax.management.InstanceNotFoundException", "error": "a:b"}',
            b'{"status": 200, "value": ' + b"[" * 3000 + b"]" * 3000 + b"}",
        ),
        (*WORDS, b'"status"', b'"value"', b'"error"', b'"error_type"', b"200", b"401"),
        8000,
    ),
    Target(
        "json.notes",
        "the messages in which carried queues note how they were declared",
        _notes,
        (b'{"queue": "q"}', b'{"name":"q","options":{}}\n{}', b"[" * 3000, b'"\xff"'),
        WORDS,
        8000,
    ),
    Target(
        "json.answers",
        "answers to requests about a BatonMQ, as programs and the command line read them",
        _answers,
        (
            b'{"ok": true, "queues": [{"name": "q", "durable": true, "arguments": {"x-max-length": 5}}]}',
            b'{"ok": true, "ready": 3, "unsettled": 1, "head_timestamp": 5, "counters": {"published": 5}}',
            b'{"ok": false, "error": "no queue"}',
            b'{"ok": true, "queues": ' + b"[" * 3000,
            b"[]",
        ),
        (*WORDS, b'"ok"', b'"queues"', b'"arguments"', b'"counters"', b'"x-message-ttl"', b'"ready"'),
        8000,
    ),
    Target(
        "json.requests",
        "requests about the broker, as they come in messages: each is answered, and so is the next",
        _requests,
        (
            b'{"operation": "queues.list"}',
            b'{"operation": "queues.peek", "queue": "answers", "count": 5}',
            b'{"operation": "queues.move", "queue": "q", "to": "answers", "count": 5}',
            b'{"operation": "policies.set", "name": "p", "pattern": "x", "definition": {"max-length": 1}}',
            b'{"operation": "policies.clear", "name": "p"}',
            b'{"operation": "queues.stats", "queue": "answers"}',
            b'{"operation": "policies.set", "definition": ' + b"[" * 900 + b"]" * 900 + b"}",
        ),
        (*WORDS, *(json.dumps(name).encode() for name in sorted(OPERATIONS)), b'"queue"', b'"definition"', b'"count"'),
        8000,
    ),
    Target(
        "json.users",
        "the file of users: read, or said to be none in one line that names it",
        _users,
        (
            b'{"users": {"a": {"password_hash": "", "tags": [], "permissions": {"/": {"write": ".*"}}}}}',
            b'{"users": {}, "guest_deleted": true, "checksum": 5}',
            b'{"users": ' + b"[" * 3000,
            b'{"users": {"\xff": {}}}',
        ),
        (*WORDS, b'"users"', b'"tags"', b'"permissions"', b'"checksum"', b'"guest_deleted"', b'"password_hash"'),
        8000,
        may_log=True,
    ),
    Target(
        "kafka.headers",
        "the headers of a record: properties and headers of a message, whatever they hold",
        _headers,
        (
            b'{"a": "json", "b": "int", "c": "amqp", "d": "float"}\na=[1, {"x": null}]\nb=5\nc=\x00\x01I\nd=1\nkey',
            b"{}\nbatonmq.priority=5\nbatonmq.timestamp=1700000000\nbatonmq.delivery-mode=2\nbatonmq.expiration=5",
            b'{"a": "json"}\na=' + b"[" * 3000 + b"]" * 3000,
            b"[" * 3000,
            b"{}\nx-delivery-count=" + b"9" * 5000,
        ),
        (*WORDS, b"\n", b"=", b'"json"', b'"amqp"', b"batonmq.header.", b"batonmq.", b"__connect.errors."),
        8000,
    ),
)
