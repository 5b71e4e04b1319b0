"""A connection to a broker for the length of one command, with errors that say what to do."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from batonmq.cli.options import Failure, without_password
from batonmq.engines.amqp.content_headers import WireConnection
from batonmq.engines.amqp.failures import NOBODY, unreachable
from batonmq.engines.amqp.parameters import AmqpParameters, amqp_parameters
from batonmq.engines.amqp.tls import UnusableTls
from batonmq.engines.urls import check_octets

__all__ = ["connect", "request", "require_queue"]

# How long to wait for a connection, and for an answer, in seconds.
PATIENCE = 10

REPLY_TO = "amq.rabbitmq.reply-to"
MANAGEMENT = "batonmq.management"
NOT_FOUND = 404


@contextlib.contextmanager
def connect(url: str, *, heartbeat: int | None = None) -> Iterator[BlockingChannel]:
    """A channel on a new connection. Whatever goes wrong with either becomes a Failure of one line."""
    # pika logs what it raises.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    parameters = _parameters(url)
    if heartbeat is not None:
        parameters.heartbeat = heartbeat
    connection = _open(parameters)
    try:
        yield connection.channel()
    except exceptions.ChannelClosedByBroker as error:
        raise Failure(_said(error.reply_text)) from None
    except exceptions.ConnectionClosedByBroker as error:
        raise Failure(f"the broker closed the connection: {_said(error.reply_text)}") from None
    except exceptions.UnroutableError:
        raise Failure("the broker has nowhere to put the message") from None
    except exceptions.NackError:
        raise Failure("the broker did not take the message: the queue is full, or the store cannot write") from None
    except exceptions.AMQPConnectionError:
        raise Failure("the connection to the broker broke") from None
    finally:
        with contextlib.suppress(exceptions.AMQPError):
            if connection.is_open:
                connection.close()


def _parameters(url: str) -> AmqpParameters:
    shown = without_password(url)
    try:
        if urlsplit(url).scheme not in ("amqp", "amqps"):
            raise Failure(f"--url: expected amqp://user:password@host:port/vhost, got {shown!r}", 2)
        check_octets(url)
        parameters = amqp_parameters(url)
    except UnusableTls as error:
        raise Failure(f"--url: {error}", 2) from None
    except ValueError as error:
        raise Failure(f"--url: {shown!r} cannot be read: {str(error).replace(url, shown)}", 2) from None
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = PATIENCE
    return parameters


def _open(parameters: AmqpParameters) -> pika.BlockingConnection:
    try:
        # pika's own reader of headers ends the connection at some that other clients may write.
        return pika.BlockingConnection(parameters, WireConnection)
    except (exceptions.AMQPError, AMQPConnectorException, OSError) as error:
        reason = unreachable(error, parameters)
    text = str(reason)
    raise Failure(f"{text} `batonmq serve` starts one" if text.endswith(NOBODY) else text)


def _said(text: str) -> str:
    """A reply text without its code in words."""
    return text.partition(" - ")[2] or text


def require_queue(channel: BlockingChannel, queue: str) -> int:
    """How many messages are ready in a queue; Failure when there is no such queue."""
    try:
        ready: int = channel.queue_declare(queue, passive=True).method.message_count
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code == NOT_FOUND:
            raise Failure(f"there is no queue {queue!r}; `batonmq queues` lists those there are") from None
        raise
    return ready


def request(
    channel: BlockingChannel, operation: str, /, *, patience: float = PATIENCE, **arguments: object
) -> dict[str, object]:
    """Ask the broker something about itself, and wait so many seconds; Failure when it says no."""
    answers: list[dict[str, object]] = []
    # Direct reply-to: whoever asks must be listening before.
    channel.basic_consume(REPLY_TO, lambda *delivery: answers.append(json.loads(delivery[-1])), auto_ack=True)
    properties = pika.BasicProperties(reply_to=REPLY_TO, correlation_id=operation, content_type="application/json")
    try:
        channel.basic_publish(MANAGEMENT, "", json.dumps({"operation": operation, **arguments}).encode(), properties)
        deadline = time.monotonic() + patience
        while not answers:
            if time.monotonic() > deadline:
                raise Failure(f"the broker did not answer within {patience} s")
            channel.connection.process_data_events(time_limit=1)
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code == NOT_FOUND:
            raise Failure("this broker is not a BatonMQ: it answers no questions about itself") from None
        raise
    answer = answers[0]
    if answer.get("ok") is not True:
        raise Failure(str(answer.get("error", "the broker said no, and not why")))
    return answer
