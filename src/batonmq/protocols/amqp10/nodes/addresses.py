"""Addresses: names of nodes in attach and in the property to, and the exchanges, keys and queues that they mean.

/queues/Q                           RabbitMQ 4: a queue that must be there
/exchanges/E/K, /exchanges/E        an exchange, and a key of it
/queue/Q                            as RabbitMQ had it before: a queue, made where it is not there
/amq/queue/Q                        one that must be there
/exchange/E/K, /topic/K             an exchange, and a key of it
/exchange/E                         an exchange; the subject of each message is the key
queue://Q, temp-queue://Q           ActiveMQ: a queue, made where it is not there; one that must be there
topic://T, temp-topic://T           a topic: a key of the exchange amq.topic
Q                                   a queue, or what a capability of the terminus says
T::Q                                Artemis: a queue, and the topic of which it gets a copy

Octets of names in what begins with a slash are %-escaped (RFC 3986).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from batonmq.fields import NAME_MAX
from batonmq.protocols.sessions.topics import TOPIC_EXCHANGE, is_pattern, topic_key

if TYPE_CHECKING:
    from collections.abc import Collection

    from batonmq.protocols.amqp10.dialects import Dialect

__all__ = ["EXCHANGE", "EXISTING", "QUEUE", "TOPIC", "Address", "AddressError", "parse_address", "shown_temporary"]

QUEUE: Final = "queue"
"""A queue that is declared if it is missing."""
EXISTING: Final = "existing queue"
EXCHANGE: Final = "exchange"
TOPIC: Final = "topic"
"""A topic as in ActiveMQ: an unroutable message to it is no error."""

# Capabilities of a terminus that mark its address as a topic.
OF_TOPICS: Final = ("topic", "temporary-topic")

_SCHEMES: Final = (("queue://", QUEUE), ("temp-queue://", EXISTING), ("topic://", TOPIC), ("temp-topic://", TOPIC))
# RabbitMQ's name for the default exchange, which is addressed only through queues.
_DEFAULT_EXCHANGE: Final = "amq.default"
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class AddressError(Exception):
    """The text is not a valid address; the message gives the reason, for the client."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address. ``exchange`` is "" for queues, whose name is then the key."""

    text: str
    kind: str
    """QUEUE, EXISTING, EXCHANGE or TOPIC."""
    exchange: str = ""
    routing_key: str | None = None
    """None: the subject of each message."""
    may_be_topic: bool = False
    """Is it a topic, if that has subscribers and there is no queue of this name?"""
    topic: str = ""
    """The topic of which the queue gets copies, for a name that has both."""


def parse_address(text: str, dialect: Dialect, capabilities: Collection[str] = ()) -> Address:
    """Parse an address; ``capabilities`` are those of its terminus. Raises AddressError."""
    if dialect.has_rabbitmq_addresses and text.startswith("/"):
        address = _with_slash(text)
    else:
        address = _by_name(text, dialect, capabilities)
    for name in (address.exchange, address.routing_key or "", address.topic):
        if len(name.encode(errors="surrogateescape")) > NAME_MAX:
            raise AddressError(f"'{text[:64]}...' has a name longer than {NAME_MAX} octets")
        if "\n" in name or "\r" in name:
            # Line ends could forge lines in logs and listings.
            raise AddressError(f"{text[:64]!r} has an end of line in a name")
    return address


def shown_temporary(name: str, dialect: Dialect, *, is_topic: bool = False) -> str:
    """The address of a temporary queue, or topic, of this name."""
    prefix = dialect.temporary_topic if is_topic else dialect.temporary_queue
    return prefix + (quote(name, safe="") if prefix.startswith("/") else name)


# ---------------------------------------------------------------------- RabbitMQ's


def _with_slash(text: str) -> Address:
    """Parse an address that begins with a slash."""
    head, *segments = text[1:].split("/")
    count = len(segments)
    if head == "queues" and count == 1:
        return Address(text, EXISTING, "", _name(text, segments[0]))
    if head == "queue" and count == 1:
        return Address(text, QUEUE, "", _name(text, segments[0]))
    if head == "amq" and count == 2 and segments[0] == "queue":
        return Address(text, EXISTING, "", _name(text, segments[1]))
    if head == "topic" and count == 1:
        return Address(text, EXCHANGE, TOPIC_EXCHANGE, _name(text, segments[0]))
    if head in ("exchanges", "exchange") and count in (1, 2):
        exchange = _name(text, segments[0])
        if exchange == _DEFAULT_EXCHANGE:
            raise AddressError(f"'{_shown(text)}': queues are addressed by /queues/NAME, not by the default exchange")
        if count == 2:
            return Address(text, EXCHANGE, exchange, _unescaped(text, segments[1]))
        return Address(text, EXCHANGE, exchange, "" if head == "exchanges" else None)
    raise AddressError(f"'{_shown(text)}' is no address: /queues/NAME and /exchanges/NAME/KEY are")


def _name(text: str, segment: str) -> str:
    if not segment:
        raise AddressError(f"'{_shown(text)}' has an empty name")
    return _unescaped(text, segment)


def _unescaped(text: str, segment: str) -> str:
    """A segment without its %-escapes. Raises AddressError."""
    if "%" not in segment:
        return segment
    for escape in segment.split("%")[1:]:
        if len(escape) < 2 or not _HEX.issuperset(escape[:2]):
            raise AddressError(f"'{_shown(text)}' has a percent sign without two hexadecimal digits after it")
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise AddressError(f"'{_shown(text)}' has %-escapes that are not UTF-8") from None


# ---------------------------------------------------------------------- ActiveMQ's, and bare names


def _by_name(text: str, dialect: Dialect, capabilities: Collection[str]) -> Address:
    if dialect.has_schemes:
        for scheme, kind in _SCHEMES:
            if text.startswith(scheme):
                return _named(text, kind, text[len(scheme) :], dialect)
    if dialect.has_capabilities:
        if any(name in OF_TOPICS for name in capabilities):
            return _named(text, TOPIC, text, dialect)
        if "temporary-queue" in capabilities:
            return _named(text, EXISTING, text, dialect)
    if dialect.has_escaped_names:
        if "/" in text:
            raise AddressError(f"'{_shown(text)}' is no address: a slash in a name is %2F")
        return _named(text, QUEUE, _unescaped(text, text), dialect)
    if dialect.has_qualified_names and "::" in text:
        topic, _, name = text.partition("::")
        if not topic or not name:
            raise AddressError(f"'{_shown(text)}' has an empty name")
        return Address(text, QUEUE, "", name, topic=topic_key(topic))
    if dialect.has_undecided_names and "queue" not in capabilities:
        if is_pattern(text) or "#" in text.split("."):
            return _named(text, TOPIC, text, dialect)
        return replace(_named(text, QUEUE, text, dialect), may_be_topic=True)
    return _named(text, QUEUE, text, dialect)


def _named(text: str, kind: str, name: str, dialect: Dialect) -> Address:
    if not name:
        raise AddressError(f"'{_shown(text)}' has an empty name")
    if kind == TOPIC:
        return Address(text, TOPIC, TOPIC_EXCHANGE, topic_key(name))
    if dialect.has_composites and ("," in name or is_pattern(name)):
        raise AddressError(f"'{_shown(text)}' is several queues: a link has one")
    return Address(text, kind, "", name)


def _shown(text: str) -> str:
    return text if len(text) <= 64 else f"{text[:64]}..."
