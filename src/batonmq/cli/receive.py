"""batonmq receive"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import click
from pika.adapters.blocking_connection import BlockingChannel

from batonmq.cli.client import connect, require_queue
from batonmq.cli.names import QUEUE
from batonmq.cli.options import chosen_url, url_option
from batonmq.cli.progress import Progress
from batonmq.cli.streams import require_output

__all__ = ["receive"]

# Messages on their way to a follower: enough that it seldom waits, few enough that others get their share.
PREFETCH = 100


@click.command()
@click.argument("queue", type=QUEUE)
@click.option("-n", "--number", type=click.IntRange(min=1), metavar="N", help="Stop after N messages.")
@click.option("-f", "--follow", is_flag=True, help="Wait for more messages when the queue is empty.")
@url_option
@click.pass_context
def receive(
    context: click.Context,
    queue: str,
    number: int | None,
    follow: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Take messages from QUEUE and print their bodies, each on a line.

    A message leaves the queue when it has been printed. Without --follow the command ends when the queue is empty;
    with it, at Ctrl-C.

    \b
    Examples:
      batonmq receive hello
      batonmq receive hello -n 1
      batonmq receive orders --follow > orders.jsonl
    """
    require_output()
    output = sys.stdout.buffer
    # A terminal that shows the messages themselves has no room for a count of them.
    progress = Progress("received", number) if not sys.stdout.isatty() else contextlib.nullcontext()
    with connect(chosen_url(context)) as channel:
        require_queue(channel, queue)
        with progress as counting:
            try:
                for tag, body in _messages(channel, queue, number, follow=follow):
                    output.write(body + b"\n")
                    output.flush()
                    channel.basic_ack(tag)
                    if counting is not None:
                        counting.advance()
            except BrokenPipeError:
                # Nobody reads any more: what was not printed goes back to the queue. The interpreter must not try
                # to write the rest when it exits.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            except KeyboardInterrupt:
                if not follow:
                    raise


def _messages(channel: BlockingChannel, queue: str, number: int | None, *, follow: bool) -> Iterator[tuple[int, bytes]]:
    """Delivery tags and bodies, as they come."""
    left = number
    if follow:
        channel.basic_qos(prefetch_count=min(PREFETCH, number or PREFETCH))
        for method, _, body in channel.consume(queue):
            yield method.delivery_tag, body
            if left is not None:
                left -= 1
                if not left:
                    return
    while left is None or left > 0:
        method, _, body = channel.basic_get(queue)
        if method is None:
            return
        yield method.delivery_tag, body
        if left is not None:
            left -= 1
