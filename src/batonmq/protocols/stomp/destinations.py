"""Destinations: names in frames, and the exchanges, keys and queues that they mean.

/queue/NAME, queue://NAME, NAME     a queue that all share, made where it is not there
/topic/KEY, topic://KEY             the exchange amq.topic with a key; to a subscriber a pattern
/exchange/X, /exchange/X/KEY        any exchange
/amq/queue/NAME                     a queue that must be there
/reply-queue/NAME                   the same; what a reply-to of somebody's temporary queue looks like
/temp-queue/NAME                    a queue of this connection, which goes with it
ADDRESS::QUEUE                      as in Artemis: a queue, and the topic of which it gets a copy

Octets of names and keys may be %-escaped, but for reply queues; a slash in them has to be, unless the dialect has names
with slashes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.fields import NAME_MAX
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE, is_pattern, topic_key
from batonmq.protocols.stomp.failures import StompFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.protocols.stomp.dialects import Dialect

__all__ = [
    "EXCHANGE",
    "EXISTING",
    "QUEUE",
    "REPLY",
    "TEMPORARY",
    "Destination",
    "no_destination",
    "parse_destination",
    "quoted",
    "shown_address",
]

QUEUE: Final = "queue"
EXISTING: Final = "existing queue"
REPLY: Final = "reply queue"
TEMPORARY: Final = "temporary queue"
EXCHANGE: Final = "exchange"

_REPLY_PREFIXES: Final = ("/reply-queue/", "/remote-temp-queue/")
# As RabbitMQ lists them where it knows none of that name.
_TYPES: Final = "/temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue/"
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_TO_ESCAPE = re.compile(r"[^ -$&-.0-~]")


@dataclass(frozen=True, slots=True)
class Destination:
    """What a destination header means. ``exchange`` is "" for queues, whose name is then the key."""

    text: str
    kind: str
    exchange: str
    routing_key: str
    is_pattern: bool = False
    """Is it a pattern for all queues with matching names?"""
    may_be_topic: bool = False
    """Is it a topic if there are subscriptions to such a topic, but no such queue?"""
    address: str = ""
    """The topic of which the queue gets a copy, by a name that has both."""


def parse_destination(text: str, dialect: Dialect, headers: Mapping[str, str]) -> Destination:
    """Parse a destination header.

    Raises StompFailure, also for names that exceed AMQP 0-9-1's short strings (section 4.2.5.3).

    ``headers`` are looked at for Artemis' destination-type and subscription-type, which say what a bare name is.
    """
    destination = _with_prefix(text, dialect) if text.startswith("/") else _without_prefix(text, dialect, headers)
    for name in (destination.exchange, destination.routing_key, destination.address):
        if len(name.encode(errors="surrogateescape")) > NAME_MAX:
            shown = f"{text[:64]}..."
            raise StompFailure("Invalid destination", f"'{shown}' has a name longer than {NAME_MAX} octets")
    return destination


def _without_prefix(text: str, dialect: Dialect, headers: Mapping[str, str]) -> Destination:
    if not text:
        raise StompFailure("Invalid destination", "Destination cannot be blank", bare=True)
    for scheme, kind in (("queue://", QUEUE), ("topic://", EXCHANGE), ("jms.queue.", QUEUE), ("jms.topic.", EXCHANGE)):
        if text.startswith(scheme) and (scheme.endswith("/") or dialect.name == "artemis"):
            if kind == QUEUE:
                return _queue(text, _segments(text, scheme.removesuffix("/"), "queue", 1, dialect)[0], scheme, dialect)
            return _topic(text, _segments(text, scheme.removesuffix("/"), "topic", 1, dialect)[0], dialect)
    if "/" in text and not dialect.names_have_slashes:
        raise _unknown(text)
    types = (headers.get("destination-type"), headers.get("subscription-type"))
    if "MULTICAST" in types:
        return _topic(text, _unquoted(text), dialect)
    if dialect.has_bare_names:
        return _bare(text, dialect, is_typed="ANYCAST" in types)
    return _queue(text, _unquoted(text), "", dialect)


def _bare(text: str, dialect: Dialect, *, is_typed: bool) -> Destination:
    """A name of Artemis: of a queue, of a queue and the address that it belongs to, or, unless typed, of a topic."""
    address, colons, name = text.partition("::")
    if colons:
        if not address or not name:
            raise _invalid(text, "queue")
        return Destination(text, QUEUE, "", _unquoted(name), address=_unquoted(address))
    if not is_typed and not {"*", "#", ">"}.isdisjoint(text.split(".")):
        return _topic(text, _unquoted(text), dialect)
    return Destination(text, QUEUE, "", _unquoted(text), may_be_topic=not is_typed)


def _queue(text: str, name: str, prefix: str, dialect: Dialect) -> Destination:
    # A %-escaped character is no wildcard.
    return Destination(text, QUEUE, "", name, dialect.has_composites and is_pattern(text[len(prefix) :]))


def _topic(text: str, key: str, dialect: Dialect) -> Destination:
    return Destination(text, EXCHANGE, TOPIC_EXCHANGE, topic_key(key) if dialect.has_wildcards else key)


def _with_prefix(text: str, dialect: Dialect) -> Destination:
    for prefix in _REPLY_PREFIXES:
        if text.startswith(prefix):
            # Everything after the prefix is the name, slashes included.
            name = text[len(prefix) :]
            if not name:
                raise _invalid("/", "reply_queue")
            return Destination(text, REPLY, "", name)
    if _has(text, "/amq/queue"):
        return Destination(text, EXISTING, "", _segments(text, "/amq/queue", "amqqueue", 1, dialect)[0])
    if _has(text, "/queue"):
        return _queue(text, _segments(text, "/queue", "queue", 1, dialect)[0], "/queue/", dialect)
    if _has(text, "/temp-queue"):
        return Destination(text, TEMPORARY, "", _segments(text, "/temp-queue", "temp_queue", 1, dialect)[0])
    if _has(text, "/topic"):
        return _topic(text, _segments(text, "/topic", "topic", 1, dialect)[0], dialect)
    if _has(text, "/exchange"):
        exchange, *key = _segments(text, "/exchange", "exchange", 2, dialect)
        return Destination(text, EXCHANGE, exchange, key[0] if key else "")
    raise _unknown(text)


def _has(text: str, prefix: str) -> bool:
    return text.startswith(prefix) and text[len(prefix) : len(prefix) + 1] in ("", "/")


def _unknown(text: str) -> StompFailure:
    detail = f"'{text}' is not a valid destination.\nValid destination types are: {_TYPES}."
    return StompFailure("Unknown destination", detail)


def _invalid(rest: str, kind: str) -> StompFailure:
    return StompFailure("Invalid destination", f"'{rest}' is not a valid {kind} destination")


def no_destination(text: str, command: str) -> StompFailure:
    """The failure for a destination that is valid, but not in this command."""
    return StompFailure("Invalid destination", f"'{text}' is not a valid destination for '{command}'")


def _segments(text: str, prefix: str, kind: str, most: int, dialect: Dialect) -> list[str]:
    """The parts after the prefix and its slash, as many as the kind has. Raises StompFailure."""
    rest = text[len(prefix) :]
    inner = rest.removeprefix("/")
    segments = inner.split("/", most - 1) if dialect.names_have_slashes else inner.split("/")
    if not segments[0] or len(segments) > most:
        raise _invalid(rest, kind)
    return [_unquoted(segment) for segment in segments]


def _unquoted(segment: str) -> str:
    """%-escapes of UTF-8 octets; invalid ones stay as they are."""
    if "%" not in segment:
        return segment
    data = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), _latin(segment))
    return data.encode("latin-1").decode(errors="surrogateescape")


def _latin(text: str) -> str:
    """The octets of a text's UTF-8, each as a character."""
    return text.encode(errors="surrogateescape").decode("latin-1")


def quoted(name: str) -> str:
    """A name as a segment of a destination: slashes, percent signs and what is not printable ASCII %-escaped."""
    if not _TO_ESCAPE.search(name):
        return name
    return _TO_ESCAPE.sub(lambda match: f"%{ord(match[0]):02X}", _latin(name))


def shown_address(exchange: str, routing_key: str, dialect: Dialect) -> str:
    """The destination in MESSAGE frames for a message that was published there."""
    key = quoted(routing_key)
    if dialect.names_have_slashes:
        key = key.replace("%2F", "/")
    if exchange == "":
        shown = "/queue/" + key
    elif exchange == TOPIC_EXCHANGE and key:
        shown = "/topic/" + key
    else:
        shown = f"/exchange/{quoted(exchange)}" + (f"/{key}" if key else "")
    if dialect.has_composites:
        # There they would separate destinations, and options.
        shown = shown.replace(",", "%2C").replace("?", "%3F")
        if exchange == "" and is_pattern(key):
            shown = "/queue/" + key.replace("*", "%2A").replace(">", "%3E")
    return shown
