"""batonmq queues, batonmq purge"""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from batonmq.cli.client import connect, request, require_queue
from batonmq.cli.options import Failure, chosen_url, url_option

__all__ = ["purge", "queues", "table"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with everything that is known.")
@url_option
@click.pass_context
def queues(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the queues of the virtual host that the URL names.

    READY messages wait for a consumer; UNSETTLED ones are in a consumer's hands, which has not yet said that it is
    done with them.

    \b
    Examples:
      batonmq queues
      batonmq --url amqp://guest:guest@127.0.0.1:5672/shop queues --json
    """
    with connect(chosen_url(context)) as channel:
        found = request(channel, "queues.list").get("queues")
    if not isinstance(found, list):
        raise Failure("the broker's answer cannot be read")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo('there are no queues; `batonmq send hello "Hello, world"` makes one')
        return
    rows = [
        (str(queue["name"]), str(queue["ready"]), str(queue["unsettled"]), str(queue["consumers"]), _features(queue))
        for queue in sorted(found, key=lambda queue: str(queue["name"]))
    ]
    click.echo(table(("QUEUE", "READY", "UNSETTLED", "CONSUMERS", ""), rows, right=(1, 2, 3)))


def _features(queue: dict[str, object]) -> str:
    names = ["durable", "exclusive", "auto_delete"]
    features = [name.replace("_", "-") for name in names if queue.get(name)]
    arguments = queue.get("arguments")
    if isinstance(arguments, dict):
        features += [f"{name}={value}" for name, value in arguments.items()]
    return " ".join(features)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows in columns; those numbered in `right` hold numbers."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(lines)


@click.command()
@click.argument("queue")
@url_option
@click.pass_context
def purge(
    context: click.Context,
    queue: str,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Drop all messages that are ready in QUEUE; those in the hands of consumers stay.

    \b
    Example:
      batonmq purge hello
    """
    with connect(chosen_url(context)) as channel:
        require_queue(channel, queue)
        count: int = channel.queue_purge(queue).method.message_count
    click.echo(f"{count:,} {'message' if count == 1 else 'messages'} dropped from {queue}")
