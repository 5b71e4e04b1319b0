"""batonmq send"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import click
import pika
from pika import exceptions
from pika.adapters.blocking_connection import BlockingChannel

from batonmq.cli.client import NOT_FOUND, connect
from batonmq.cli.names import QUEUE, say
from batonmq.cli.options import chosen_url, url_option
from batonmq.cli.progress import Progress
from batonmq.cli.tables import counted

__all__ = ["send"]


@click.command()
@click.argument("queue", type=QUEUE)
@click.argument("body", required=False)
@click.option("--file", "file", type=click.File("rb"), help="Send what is in this file.")
@click.option("--lines", is_flag=True, help="Send a message for each line of the input.")
@click.option("--count", type=click.IntRange(min=1), default=1, metavar="N", help="Send each message N times.")
@url_option
@click.pass_context
def send(
    context: click.Context,
    queue: str,
    body: str | None,
    file: BinaryIO | None,
    lines: bool,
    count: int,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Send messages to QUEUE, which is made, durable, if it is not there.

    BODY is the message; "-" or nothing reads it from standard input. Messages are persistent, and the command ends
    with exit code 0 only when the broker has confirmed that they are on the disk.

    \b
    Examples:
      batonmq send hello "Hello, world"
      batonmq send hello --count 1000 "Hello, world"
      batonmq send orders - < order.json
      batonmq send orders --file order.json
      tail -f access.log | batonmq send log --lines
    """
    if file is not None and body is not None:
        raise click.UsageError("expected either BODY or --file, not both")
    if body is None and file is None and sys.stdin.isatty():
        raise click.UsageError('expected a message: BODY, "-" for standard input, or --file')
    if body is not None and body != "-":
        if lines:
            raise click.UsageError("--lines is for standard input and --file, not for BODY")
        bodies = iter([body.encode("utf-8", "surrogateescape")])
    else:
        bodies = _read(file or sys.stdin.buffer, lines=lines)
    total = None if lines else count
    # Input may come slowly, and nobody answers heartbeats while it is waited for: none are asked for.
    with connect(chosen_url(context), heartbeat=0) as channel, Progress("sent", total) as progress:
        channel = _with_queue(channel, queue)
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=2)
        for each in bodies:
            for _ in range(count):
                channel.basic_publish("", queue, each, properties, mandatory=True)
                progress.advance()
    if progress.count != 1 or sys.stdout.isatty():
        say(f"{counted(progress.count)} sent to {queue}")


def _read(stream: BinaryIO, *, lines: bool) -> Iterator[bytes]:
    if not lines:
        yield stream.read()
        return
    for line in stream:
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _with_queue(channel: BlockingChannel, queue: str) -> BlockingChannel:
    """A channel, and the queue there. One that exists is taken as it is, whatever it was declared with."""
    connection = channel.connection
    try:
        channel.queue_declare(queue, passive=True)
    except exceptions.ChannelClosedByBroker as error:
        if error.reply_code != NOT_FOUND:
            raise
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
    return channel
