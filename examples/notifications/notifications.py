"""What the programs of this folder share: where notifications go, and what a user's queue is like."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator

import pika
from pika.adapters.blocking_connection import BlockingChannel

__all__ = ["connect", "follow", "inbox", "notify", "pull", "unfollow"]

URL = os.environ.get("BATONMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")
EXCHANGE = "notifications"
DAY = 24 * 60 * 60 * 1000
# A user who was away for long finds the newest, and not too many; who never comes back leaves nothing behind.
INBOX = {"x-max-length": 1000, "x-overflow": "drop-head", "x-message-ttl": 7 * DAY, "x-expires": 30 * DAY}


@contextlib.contextmanager
def connect() -> Iterator[BlockingChannel]:
    """A channel with the exchange there, and confirms: publishing returns when the message is on the broker's disk."""
    with pika.BlockingConnection(pika.URLParameters(URL)) as connection:
        channel = connection.channel()
        channel.exchange_declare(EXCHANGE, "topic", durable=True)
        channel.confirm_delivery()
        yield channel


def inbox(user: str) -> str:
    """The name of a user's queue."""
    return f"{EXCHANGE}.{user}"


def follow(channel: BlockingChannel, user: str, *topics: str) -> None:
    """Have these topics come to a user, beside those he follows already and what goes to himself."""
    channel.queue_declare(inbox(user), durable=True, arguments=INBOX)
    for topic in (f"to.{user}.#", *topics):
        channel.queue_bind(inbox(user), EXCHANGE, topic)


def unfollow(channel: BlockingChannel, user: str, *topics: str) -> None:
    """And these no longer; what has come stays."""
    for topic in topics:
        channel.queue_unbind(inbox(user), EXCHANGE, topic)


def notify(channel: BlockingChannel, kind: str, text: str, user: str | None = None) -> None:
    """Tell all who follow a kind of notification, or one user. Returns when it is on the disk."""
    topic = kind if user is None else f"to.{user}.{kind}"
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        message_id=uuid.uuid4().hex,
        timestamp=int(time.time()),
        type=kind,
    )
    channel.basic_publish(EXCHANGE, topic, json.dumps({"text": text}).encode(), properties)


def pull(channel: BlockingChannel, user: str) -> Iterator[tuple[str, str]]:
    """The kinds and texts of what is there, the oldest first; each is done with when the next is asked for.

    Raises pika.exceptions.ChannelClosedByBroker when the user follows nothing.
    """
    while True:
        method, properties, body = channel.basic_get(inbox(user))
        if method is None or properties is None or body is None:
            return
        yield str(properties.type), json.loads(body)["text"]
        channel.basic_ack(method.delivery_tag)
