"""Requests that AMQP 0-9-1 has no method for, sent to BatonMQ as messages to its management exchange."""

from __future__ import annotations

import msgspec
from pika.channel import Channel

from batonmq.engines.interface import How
from batonmq.engines.messages import Message

__all__ = [
    "EXCHANGE",
    "renewal",
    "report",
    "request_acceptance",
    "request_renewal",
    "request_return",
    "request_settlement",
    "was_refused",
]

EXCHANGE = "batonmq.management"


def renewal(channel: Channel, tag: int, seconds: float) -> bytes:
    """The request that renews the lease of a delivery, for so many seconds from now."""
    return _request("renew", channel, tag, milliseconds=max(1, round(seconds * 1000)))


def request_renewal(channel: Channel, tag: int, seconds: float) -> None:
    """Renew a delivery without an answer."""
    channel.basic_publish(EXCHANGE, "", renewal(channel, tag, seconds))


def request_settlement(channel: Channel, tag: int, how: How, reason: str, delay: float | None) -> None:
    """Release with a delay, or reject with a reason."""
    if how == "release":
        request = _request("release", channel, tag, milliseconds=round((delay or 0.0) * 1000))
    else:
        request = _request("reject", channel, tag, reason=reason)
    channel.basic_publish(EXCHANGE, "", request)


def report(channel: Channel, tag: int, fraction: float, note: str) -> bytes:
    """The request that reports the progress of the work on a delivery, 0 to 1."""
    return _request("progress", channel, tag, permille=round(fraction * 1000), note=note)


def request_acceptance(channel: Channel, came_on: Channel, tag: int) -> None:
    """Accept a delivery of another channel in this channel's transaction."""
    channel.basic_publish(EXCHANGE, "", _request("accept", came_on, tag))


def request_return(channel: Channel, first: int, last: int) -> None:
    """Give back a range of delivery tags without counting, as nobody has seen the messages."""
    channel.basic_publish(EXCHANGE, "", _request("unseen", channel, first, last=last))


def _request(operation: str, channel: Channel, tag: int, **fields: object) -> bytes:
    asked = {"operation": f"deliveries.{operation}", "channel": channel.channel_number, "delivery_tag": tag, **fields}
    return msgspec.json.encode(asked)


def was_refused(answer: Message) -> bool:
    """Did the broker refuse? An answer that cannot be read counts as a refusal."""
    try:
        return answer.json(dict[str, object]).get("ok") is not True
    except ValueError:
        return True
