"""A SUBSCRIBE request: its headers, parsed and checked before anything is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.broker.selectors.parser import MessageSelector, parse_selector
from batonmq.fields import LongLong
from batonmq.protocols.stomp.codec import V10
from batonmq.protocols.stomp.composites import parts_of, with_options
from batonmq.protocols.stomp.destinations import Destination, parse_destination
from batonmq.protocols.stomp.failures import StompFailure, missing
from batonmq.protocols.stomp.headers import flag, integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.protocols.stomp.dialects import Dialect
    from batonmq.protocols.stomp.terms import Terms

__all__ = ["AUTO", "CLIENT", "INDIVIDUAL", "MODES", "SubscribeRequest", "read_subscribe", "subscription_key"]

AUTO: Final = 0
CLIENT: Final = 1
INDIVIDUAL: Final = 2
MODES: Final = {"auto": AUTO, "client": CLIENT, "client-individual": INDIVIDUAL}

# The priority of ActiveMQ's exclusive consumer on an ordinary queue: it is served before all others.
EXCLUSIVE: Final = 1_000_000
# The headers for a consumer's priority.
PRIORITIES: Final = ("x-priority", "activemq.priority", "consumer-priority")


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """The request of a client."""

    key: str
    """Its identity among the connection's subscriptions."""
    id: str | None
    """The header id; None: there was none."""
    text: str
    """The header destination."""
    destinations: tuple[Destination, ...]
    """The parsed destinations: one, or several in the dialect activemq."""
    headers: Mapping[str, str]
    """All headers, options of the destination among them."""
    mode: int = AUTO
    """How deliveries are acknowledged: AUTO, CLIENT or INDIVIDUAL."""
    prefetch: int = 0
    """How many messages it may hold at once; 0: no limit."""
    window: int = 0
    """How many octets of bodies it may hold at once; 0: no limit."""
    priority: int = 0
    """Of several consumers with room, those with the highest number are served first."""
    arguments: Mapping[str, FieldValue] | None = None
    """The consumer's arguments."""
    selector: MessageSelector | None = None
    """Its selector; None: all messages."""
    is_browser: bool = False
    """Does it only browse?"""
    is_deaf: bool = False
    """Does it exclude messages that the same connection sends to a topic?"""


def read_subscribe(headers: Mapping[str, str], terms: Terms) -> SubscribeRequest:
    """Parse a SUBSCRIBE. Raises StompFailure, SelectorError."""
    dialect = terms.dialect
    text = headers.get("destination")
    if text is None:
        raise missing("SUBSCRIBE", "destination")
    shown_id = headers.get("id")
    if shown_id is None and terms.version != V10 and dialect.requires_id:
        raise missing("SUBSCRIBE", "id")
    mode = headers.get("ack", "auto")
    if mode not in MODES:
        raise StompFailure("Invalid header", f"header 'ack' must be one of {', '.join(MODES)} and is '{mode[:64]}'")
    parts = [text]
    if dialect.has_composites:
        headers, parts = with_options(text, headers), parts_of(text)
    prefetch, window = _limits(headers, dialect)
    arguments: dict[str, FieldValue] = {}
    if "x-consumer-timeout" in headers:
        arguments["x-consumer-timeout"] = LongLong(integer("x-consumer-timeout", headers["x-consumer-timeout"]))
    return SubscribeRequest(
        subscription_key(shown_id, text),
        shown_id,
        text,
        tuple(parse_destination(part, dialect, headers) for part in parts),
        headers,
        MODES[mode],
        prefetch,
        window,
        _priority(headers),
        arguments,
        _selector(headers),
        is_browser=flag(headers.get("browser")),
        is_deaf=any(flag(headers.get(name)) for name in dialect.no_local),
    )


def subscription_key(shown_id: str | None, destination: str) -> str:
    """The identity of a subscription: its id, or its destination if there is none."""
    return f"Q_{destination}" if shown_id is None else f"T_{shown_id}"


def _limits(headers: Mapping[str, str], dialect: Dialect) -> tuple[int, int]:
    """How many messages, and octets of them, it may hold at once; 0: no limit. Raises StompFailure."""
    prefetch, window = dialect.prefetch, dialect.window
    if "prefetch-count" in headers:
        prefetch = _limit("prefetch-count", headers)
    if "activemq.prefetchSize" in headers:
        size = _limit("activemq.prefetchSize", headers)
        if dialect.name == "artemis":
            window = size
        else:
            prefetch = size
    if "consumer-window-size" in headers:
        octets = integer("consumer-window-size", headers["consumer-window-size"])
        # 0: one at a time; below: no limit.
        window = 1 if octets == 0 else max(octets, 0)
    return prefetch, window


def _limit(name: str, headers: Mapping[str, str]) -> int:
    """0, or less: no limit."""
    return max(integer(name, headers[name]), 0)


def _priority(headers: Mapping[str, str]) -> int:
    if flag(headers.get("activemq.exclusive")):
        return EXCLUSIVE
    for name in PRIORITIES:
        if name in headers:
            return integer(name, headers[name])
    return 0


def _selector(headers: Mapping[str, str]) -> MessageSelector | None:
    text = headers.get("selector", "").strip()
    # All header values are text, so a number is compared with the number that the text spells.
    return parse_selector(text, converts_strings=True) if text else None
