"""Definitions: RabbitMQ's JSON, read, checked whole and made, in a broker that serves the next one all the same."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator

from batonmq.management.definitions.checking import check_definitions
from batonmq.management.definitions.importing import import_definitions
from batonmq.management.definitions.reading import read_definitions
from batonmq.management.definitions.upload import uploaded
from batonmq.management.http.errors import HttpError
from proof.by_hand import ByHand
from proof.fuzz.choices import Choices
from proof.fuzz.target import Take, Target, ensure

USERS = {"guest": False, "fixed": True}
# By section: keys, each with values that mean something, and a few that do not.
ENTRIES: dict[str, dict[str, tuple[object, ...]]] = {
    "vhosts": {
        "name": ("/", "v", "w", "", 5, "x" * 300),
        "metadata": ({"tags": ["a"]}, {"default_queue_type": "quorum"}, {}, [], 1, None),
        "limits": ({"max-queues": 3}, {"max-connections": -1}, {"x": 1}, [], {"max-queues": 2**70}),
        "description": ("d", None, 3),
        "default_queue_type": ("classic", "stream", "none", "undefined"),
        "tags": ([], "a,b", ["a", 5]),
    },
    "users": {
        "name": ("guest", "new", "fixed", "", None),
        "tags": ("administrator", ["management"], "", [1], None),
        "password_hash": ("", "x", "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", 5),
        "hashing_algorithm": ("rabbit_password_hashing_sha256", "rabbit_password_hashing_md5", "x", 0),
        "limits": ({}, {"max-channels": 5}, {"max-channels": "x"}),
    },
    "permissions": {
        "user": ("guest", "new", "nobody", "fixed"),
        "vhost": ("/", "v", "none"),
        "configure": (".*", "(", "", 1),
        "write": (".*", "a{99999}", ""),
        "read": (".*", "(a*)*", ""),
    },
    "topic_permissions": {
        "user": ("guest", "new"),
        "vhost": ("/", "v"),
        "exchange": ("amq.topic", "", "none", 2),
        "write": (".*", "["),
        "read": ("", "{username}"),
    },
    "parameters": {
        "component": ("shovel", "operator_policy", "vhost-limits", "federation-upstream", "x", ""),
        "vhost": ("/", "v", "none"),
        "name": ("p", "limits", "", 1),
        "value": ({"max-queues": 1}, {"pattern": "", "definition": {"expires": 1}}, {}, [], None, "x",
                  {"src-uri": "amqp://", "dest-uri": "amqp://", "src-queue": "a", "dest-queue": "b"}),
    },
    "global_parameters": {
        "name": ("cluster_name", "cluster_tags", "internal_cluster_id", "x", ""),
        "value": ("n", {}, [1], None, 2**80, 1.5),
    },
    "policies": {
        "vhost": ("/", "v", "none"),
        "name": ("p", "q", ""),
        "pattern": (".*", "^q", "(", ""),
        "apply-to": ("all", "queues", "exchanges", "streams", "x"),
        "definition": ({"max-length": 1}, {"message-ttl": -1}, {"ha-mode": "all"}, {}, {"x": 1}, [],
                       {"dead-letter-exchange": "none", "overflow": "reject-publish"}, {"max-length": 2**70}),
        "priority": (0, 5, -1, 2**40, "1", 1.5),
    },
    "exchanges": {
        "vhost": ("/", "v", "none"),
        "name": ("e", "f", "amq.topic", "amq.own", "", "x" * 256),
        "type": ("topic", "direct", "fanout", "headers", "x-delayed-message", "x-consistent-hash", "x-none", 1),
        "durable": (True, False, "true", 1),
        "auto_delete": (False, True, None),
        "internal": (False, True),
        "arguments": ({}, [], {"alternate-exchange": "f"}, {"alternate-exchange": 5}, {"x-delayed-type": "topic"},
                      {"a": [[[None]]]}),
    },
    "queues": {
        "vhost": ("/", "v", "none"),
        "name": ("q", "r", "amq.gen-x", "amq.own", "", "é\udcff"),
        "durable": (True, True, False, 0),
        "auto_delete": (False, True),
        "type": ("classic", "quorum", "stream", 1),
        "arguments": ({}, {"x-queue-type": "quorum"}, {"x-queue-type": "stream"}, {"x-max-priority": 5},
                      {"x-max-priority": 2**70}, {"x-message-ttl": 1.5}, {"x-dead-letter-exchange": 1}, {"x": {}}, []),
    },
    "bindings": {
        "vhost": ("/", "v", "none"),
        "source": ("e", "amq.topic", "f", "", "none"),
        "destination": ("q", "r", "e", "f", "", "none"),
        "destination_type": ("queue", "exchange", "x"),
        "routing_key": ("q", "a.#", "", "x" * 256, 1, "10"),
        "arguments": ({}, {"x-match": "all"}, {"x-match": "x"}, [], None),
    },
}  # fmt: skip
SECTIONS = tuple(ENTRIES)
EXPORT = {
    "rabbit_version": "4.1.0",
    "vhosts": [{"name": "/"}, {"name": "v"}],
    "users": [{"name": "new", "password_hash": "", "tags": ["management"], "limits": {}}],
    "permissions": [{"user": "new", "vhost": "v", "configure": ".*", "write": ".*", "read": ".*"}],
    "policies": [{"vhost": "v", "name": "p", "pattern": "^q", "definition": {"max-length": 5}, "priority": 1}],
    "exchanges": [{"vhost": "v", "name": "e", "type": "topic", "durable": True, "auto_delete": False,
                   "internal": False, "arguments": {}}],
    "queues": [{"vhost": "v", "name": "q", "durable": True, "auto_delete": False, "arguments": {"x-max-priority": 3}}],
    "bindings": [{"vhost": "v", "source": "e", "destination": "q", "destination_type": "queue", "routing_key": "a.#",
                  "arguments": {}}],
}  # fmt: skip


def made(choices: Choices) -> bytes:
    """Definitions that are mostly right."""
    whole: dict[str, object] = {}
    while not choices.is_over:
        section = choices.one_of(SECTIONS)
        entry = {name: values[0] for name, values in ENTRIES[section].items()}
        for name, values in ENTRIES[section].items():
            kind = choices.byte()
            if kind < 96:
                entry[name] = values[kind % len(values)]
            elif kind < 104:
                del entry[name]
        entries = whole.setdefault(section, [])
        assert isinstance(entries, list)
        entries.append(entry)
    return json.dumps(whole).encode()


def _take(data: bytes, vhost: str | None) -> Hashable:
    """Into a broker of its own; tells what came of it."""
    by_hand = ByHand()
    broker = by_hand.broker
    try:
        before = {name: len(one.queues) for name, one in broker.vhosts.items()}
        try:
            *_, found = read_definitions(data, vhost)
            for _ in check_definitions(broker, found, USERS):
                there = {name: len(one.queues) for name, one in broker.vhosts.items()}
                ensure(there == before, "something is made before all of it was looked at")
        except HttpError as error:
            ensure(error.status == 400, f"refused with {error.status}")
            return error.reason[:30]
        # Nobody else changes anything meanwhile: what was looked at whole can be made.
        for _ in import_definitions(broker, found):
            by_hand.settle()
        by_hand.settle()
        queues = sum(len(one.queues) for one in broker.vhosts.values())
        return len(broker.vhosts), queues, len(found.report)
    finally:
        broker.close()


def _texts() -> Take:
    def take(data: bytes) -> Hashable:
        return _take(data[1:], "v" if data[:1] >= b"\x80" else None)

    return take


def _structures() -> Take:
    def take(data: bytes) -> Hashable:
        return _take(made(Choices(data[1:])), "/" if data[:1] >= b"\xc0" else None)

    return take


def _uploads() -> Take:
    def take(data: bytes) -> Hashable:
        content_type, _, body = data.partition(b"\n")
        found = uploaded(content_type.decode("latin-1"), body, "file")
        ensure(found is None or found in body, "what was uploaded is not in the body")
        return found is None, len(found or b"").bit_length()

    return take


def _seeds() -> Iterator[bytes]:
    for section, entries in EXPORT.items():
        yield b"\x00" + json.dumps({"vhosts": EXPORT["vhosts"], section: entries}).encode()
    yield b"\x00" + json.dumps(EXPORT).encode()
    yield b"\x80" + json.dumps({"queues": EXPORT["queues"], "bindings": EXPORT["bindings"]}).encode()


TARGETS = (
    Target(
        "definitions.texts",
        "definitions as JSON, read, checked and made",
        _texts,
        tuple(_seeds()),
        (b"{", b"}", b"[", b"]", b'"', b":", b",", b"null", b"true", b"1e999", b"\\ud800", b'"arguments":', b"9" * 30,
         b'"queues":[', *(f'"{section}":'.encode() for section in SECTIONS)),
        1500,
    ),
    Target(
        "definitions.entries",
        "definitions whose entries are mostly right, and made where they are",
        _structures,
        tuple(bytes((number, *range(number, 250, 3))) for number in range(8)),
        longest=300,
    ),
    Target(
        "definitions.uploads",
        "a file that a web page has uploaded",
        _uploads,
        (b'multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n{}\r\n--x--\r\n',
         b'multipart/form-data; boundary="a b"\n--a b\r\ncontent-disposition: x; name=file\r\n\r\ntext\r\n--a b--'),
        (b"\r\n", b"--x", b"--x--", b"boundary=", b"boundary*=utf-8''%41", b"name=", b";", b'"', b"\r\n\r\n"),
        300,
    ),
)  # fmt: skip
