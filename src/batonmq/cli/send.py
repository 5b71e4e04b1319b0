"""batonmq send"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

import click

from batonmq.cli.client import connect
from batonmq.cli.names import QUEUE, say
from batonmq.cli.options import url_option
from batonmq.cli.progress import Progress
from batonmq.cli.tables import counted

__all__ = ["send"]

# The most messages, and bytes, that are on their way at once.
BATCH = 500
BATCH_BYTES = 1 << 20


@click.command(short_help="Send messages.")
@click.argument("queue", type=QUEUE)
@click.argument("body", required=False)
@click.option("--file", "file", type=click.File("rb"), help="Send the contents of this file.")
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
    """Send messages to QUEUE, which is created, durable, if it does not exist.

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
    with connect(context, makes_file=True) as client, Progress("sent", total) as progress:
        client.make(queue)
        for each in bodies:
            most = max(1, min(BATCH, BATCH_BYTES // (len(each) + 1)))
            for begin in range(0, count, most):
                sent = min(most, count - begin)
                client.send(queue, [each] * sent)
                progress.advance(sent)
    if progress.count != 1 or sys.stdout.isatty():
        say(f"{counted(progress.count)} sent to {queue}")


def _read(stream: BinaryIO, *, lines: bool) -> Iterator[bytes]:
    if not lines:
        yield stream.read()
        return
    for line in stream:
        yield line.removesuffix(b"\n").removesuffix(b"\r")
