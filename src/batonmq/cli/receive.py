"""batonmq receive"""

from __future__ import annotations

import contextlib
import os
import sys

import click

from batonmq.cli.client import connect
from batonmq.cli.names import QUEUE
from batonmq.cli.options import url_option
from batonmq.cli.progress import Progress
from batonmq.cli.streams import require_output

__all__ = ["receive"]


@click.command(short_help="Take messages and print them.")
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
    # No count where the messages themselves go to the terminal.
    progress = Progress("received", number) if not sys.stdout.isatty() else contextlib.nullcontext()
    with connect(context) as client, progress as counting:
        taken = client.take(queue, number, follow=follow)
        with contextlib.closing(taken):
            try:
                for body in taken:
                    output.write(body + b"\n")
                    output.flush()
                    if counting is not None:
                        counting.advance()
            except BrokenPipeError:
                # The reader is gone: messages that were not printed go back to the queue. The interpreter must not try
                # to write the rest at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            except KeyboardInterrupt:
                if not follow:
                    raise
