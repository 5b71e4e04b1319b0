"""The keys of a shovel's parameters and the checks of their values, with RabbitMQ's texts (4.3).

RabbitMQ reports all faults at once, in the order of these tables, which was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from batonmq.shovels.rabbitmq.terms import term
from batonmq.shovels.uris import fault_of, without_credentials

__all__ = ["ACK_MODES", "DESTINATIONS", "GENERAL", "PROTOCOLS", "SOURCES", "Check", "errors_of", "uris_of"]

ACK_MODES: Final = ("no-ack", "on-publish", "on-confirm")
PROTOCOLS: Final = ("local", "amqp091", "amqp10")

# Takes the name of a key and its value, and returns the faults, a sentence each.
Check = Callable[[str, object], list[str]]


def _is(kind: str, is_right: Callable[[object], bool]) -> Check:
    def check(name: str, value: object) -> list[str]:
        return [] if is_right(value) else [f"{name} should be {kind}, actually was {term(value)}"]

    return check


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_text: Final = _is("binary", lambda value: isinstance(value, str))
_flag: Final = _is("boolean", lambda value: isinstance(value, bool))
_number: Final = _is("a number", _is_number)
# RabbitMQ itself fails on a value that is not a table (500).
_table: Final = _is("a map", lambda value: isinstance(value, dict) or value == [])
_delete_after: Final = _is(
    'a number greater than or equal to 0, "never" or "queue-length"',
    lambda value: value in ("never", "queue-length") or (_is_number(value) and value >= 0),  # type: ignore[operator]
)


def one_of(*choices: str) -> Check:
    """A text out of these."""

    def check(name: str, value: object) -> list[str]:
        if not isinstance(value, str):
            return _text(name, value)
        shown = ",".join(term(choice) for choice in choices)
        return [] if value in choices else [f"{name} should be one of [{shown}], actually was {term(value)}"]

    return check


def uris_of(value: object) -> list[object]:
    """The URLs in a value: one, or several alternatives."""
    return value if isinstance(value, list) else [value]


def _uris(name: str, value: object) -> list[str]:
    said = []
    for uri in uris_of(value):
        if not isinstance(uri, str):
            said.append(f"{name} should be list, actually was {term(uri)}")
        elif fault := fault_of(uri):
            shown = without_credentials(uri)[:200]
            said.append(f'"{shown}" not a valid URI: {{{fault},"{shown}"}}')
    # RabbitMQ takes an empty list, and a shovel that never starts.
    return said or ([] if uris_of(value) else [f"{name} should be list, actually was []"])


_PROPERTIES: Final[Mapping[str, Check]] = {
    "cluster_id": _text,
    "app_id": _text,
    "user_id": _text,
    "type": _text,
    "timestamp": _number,
    "message_id": _text,
    "expiration": _text,
    "reply_to": _text,
    "correlation_id": _text,
    "priority": _number,
    "delivery_mode": _number,
    "content_encoding": _text,
    "content_type": _text,
}


def _properties(name: str, value: object) -> list[str]:
    if not isinstance(value, dict):
        return _table(name, value)
    return errors_of(name, value, _PROPERTIES, ())


_QUEUE_SOURCE: Final[Mapping[str, Check]] = {
    "src-consumer-args": _table,
    "delete-after": _delete_after,
    "src-delete-after": _delete_after,
    "src-predeclared": _flag,
    "prefetch-count": _number,
    "src-prefetch-count": _number,
    "src-queue-args": _table,
    "src-queue": _text,
    "src-exchange-key": _text,
    "src-exchange": _text,
    "src-uri": _uris,
}
_QUEUE_DESTINATION: Final[Mapping[str, Check]] = {
    "publish-properties": _properties,
    "dest-publish-properties": _properties,
    "dest-add-timestamp-header": _flag,
    "add-forward-headers": _flag,
    "dest-add-forward-headers": _flag,
    "dest-predeclared": _flag,
    "dest-queue-args": _table,
    "dest-queue": _text,
    "dest-exchange-key": _text,
    "dest-exchange": _text,
    "dest-uri": _uris,
}

# By protocol: the keys of a source, and of a destination.
SOURCES: Final[Mapping[str, Mapping[str, Check]]] = {
    "local": _QUEUE_SOURCE,
    "amqp091": _QUEUE_SOURCE,
    "amqp10": {
        "src-delete-after": _delete_after,
        "src-prefetch-count": _number,
        "src-consumer-args": _table,
        "src-address": _text,
        "src-uri": _uris,
    },
}
DESTINATIONS: Final[Mapping[str, Mapping[str, Check]]] = {
    "local": _QUEUE_DESTINATION,
    "amqp091": _QUEUE_DESTINATION,
    "amqp10": {
        "dest-add-timestamp-header": _flag,
        "dest-add-forward-headers": _flag,
        "dest-address": _text,
        "dest-uri": _uris,
    },
}
GENERAL: Final[Mapping[str, Check]] = {
    "ack-mode": one_of(*ACK_MODES),
    "reconnect-delay": _number,
    "src-protocol": one_of(*PROTOCOLS),
    "dest-protocol": one_of(*PROTOCOLS),
}


def errors_of(
    what: str, values: Mapping[str, object], checks: Mapping[str, Check], required: tuple[str, ...]
) -> list[str]:
    """Everything that is wrong with a table: keys that are not known, that are missing, and values."""
    unknown = ",".join(f"{{{term(name)},{term(values[name])}}}" for name in sorted(values) if name not in checks)
    said = [f"Unrecognised terms [{unknown}] in {what}"] if unknown else []
    for name, check in checks.items():
        if name in values:
            said += check(name, values[name])
        elif name in required:
            said.append(f'Key "{name}" not found in {what}')
    return said
