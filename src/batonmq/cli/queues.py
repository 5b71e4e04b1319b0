"""batonmq queues ..., batonmq purge"""

from __future__ import annotations

import json
import sys

import click

from batonmq.cli.asking import ask, ask_list
from batonmq.cli.client import connect
from batonmq.cli.failure import Failure
from batonmq.cli.listings import progress_text
from batonmq.cli.names import OWN_QUEUE, QUEUE, say, shown
from batonmq.cli.options import url_option
from batonmq.cli.tables import counted, table

__all__ = ["purge", "queues"]

SHOWN_CHARACTERS = 200

number_option = click.option(
    "-n", "--number", type=click.IntRange(min=1), metavar="N", help="At most N messages, from the head."
)

where_option = click.option(
    "--where",
    metavar="SELECTOR",
    help='Only messages that match a condition on their headers, as in SQL: "customer = 17".',
)


@click.group(invoke_without_command=True, short_help="List queues; peek, pause, move, replay, purge.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with everything that is known.")
@url_option
@click.pass_context
def queues(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the queues of the virtual host that the URL names, or do something with one of them.

    READY messages wait for a consumer; UNSETTLED ones were delivered to a consumer that has not settled them yet.

    \b
    Examples:
      batonmq queues
      batonmq --url amqp://guest:guest@127.0.0.1:5672/shop queues --json
      batonmq queues peek orders -n 3
      batonmq queues replay orders.dead
    """
    if context.invoked_subcommand is None:
        _list(context, as_json)


@queues.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with everything that is known.")
@url_option
@click.pass_context
def list_queues(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001
) -> None:
    """List the queues; the same as `batonmq queues` alone."""
    _list(context, as_json)


def _list(context: click.Context, as_json: bool) -> None:
    found = ask_list(context, "queues.list", "queues")
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
    features = [name.replace("_", "-") for name in ("paused", "durable", "exclusive", "auto_delete") if queue.get(name)]
    if queue.get("delayed"):
        features.append(f"delayed={queue['delayed']}")
    if queue.get("fault"):
        features.append(f"fault={queue['fault']!r}")
    if queue.get("policy"):
        features.append(f"policy={queue['policy']}")
    arguments = queue.get("arguments")
    if isinstance(arguments, dict):
        features += [f"{name}={value}" for name, value in arguments.items()]
    return " ".join(features)


@queues.command()
@click.argument("queue", type=OWN_QUEUE)
@click.option(
    "-n", "--number", type=click.IntRange(1, 1_000), default=10, show_default=True, help="Show the first N messages."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with properties, headers and whole bodies.")
@click.option("--held", is_flag=True, help="First show the messages that consumers hold, with their progress.")
@where_option
@url_option
@click.pass_context
def peek(
    context: click.Context,
    queue: str,
    number: int,
    as_json: bool,
    held: bool,
    where: str | None,
    url: str | None,  # noqa: ARG001
) -> None:
    """Show the messages that are ready in QUEUE, without taking them.

    A message too long for a line is cut off with "...".

    \b
    Examples:
      batonmq queues peek orders
      batonmq queues peek orders -n 100 --json
    """
    found = ask_list(context, "queues.peek", "messages", queue=queue, count=number, where=where, held=held)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo(shown(f"nothing is {'held or ' if held else ''}ready in {queue}"), err=True)
    for message in found:
        click.echo(_line(message))


def _line(message: dict[str, object]) -> str:
    body = message.get("body")
    text = body if isinstance(body, str) else f"({message.get('size')} bytes that are no text)"
    shown = "".join(character if character.isprintable() else " " for character in text[: SHOWN_CHARACTERS + 1])
    line = shown[:SHOWN_CHARACTERS] + "..." if len(shown) > SHOWN_CHARACTERS else shown
    if not message.get("held"):
        return line
    progress = message.get("progress")
    return f"(held{f', {progress_text(progress)}' if isinstance(progress, dict) else ''}) {line}"


@queues.command()
@click.argument("queue", type=OWN_QUEUE)
@url_option
@click.pass_context
def pause(
    context: click.Context,
    queue: str,
    url: str | None,  # noqa: ARG001
) -> None:
    """Deliver nothing from QUEUE from now on.

    Publishers may go on, and consumers keep the messages that they hold. The pause lasts, over restarts too, until
    `batonmq queues resume`.
    """
    ask(context, "queues.pause", queue=queue)
    say(f"{queue} is paused; `batonmq queues resume {queue}` lets it go on")


@queues.command()
@click.argument("queue", type=OWN_QUEUE)
@url_option
@click.pass_context
def resume(
    context: click.Context,
    queue: str,
    url: str | None,  # noqa: ARG001
) -> None:
    """Resume a paused QUEUE."""
    ask(context, "queues.resume", queue=queue)
    say(f"{queue} is no longer paused")


@queues.command(short_help="Send dead letters back to where they came from.")
@click.argument("queue", type=OWN_QUEUE)
@number_option
@click.option("--to", type=OWN_QUEUE, metavar="QUEUE", help="Send all to this queue, wherever they came from.")
@url_option
@click.pass_context
def replay(
    context: click.Context,
    queue: str,
    number: int | None,
    to: str | None,
    url: str | None,  # noqa: ARG001
) -> None:
    """Send the dead letters in QUEUE back to the queues that they came from.

    Each goes to the queue where it died last (its x-death header), or first if that is gone, without the headers of its
    death. A message whose queue is gone stays.

    \b
    Examples:
      batonmq queues replay orders.dead
      batonmq queues replay orders.dead -n 1
      batonmq queues replay orders.dead --to orders.second-try
    """
    answer = ask(context, "queues.replay", queue=queue, count=number, to=to)
    say(f"{counted(answer.get('count'))} brought back from {queue}")
    skipped = answer.get("skipped")
    if skipped:
        raise Failure(f"{counted(skipped)} stayed: where they came from is gone, or not known; --to QUEUE helps")


@queues.command()
@click.argument("queue", type=OWN_QUEUE)
@click.argument("to", type=OWN_QUEUE)
@number_option
@where_option
@url_option
@click.pass_context
def move(
    context: click.Context,
    queue: str,
    to: str,
    number: int | None,
    where: str | None,
    url: str | None,  # noqa: ARG001
) -> None:
    """Move the ready messages of QUEUE to the tail of the queue TO.

    \b
    Examples:
      batonmq queues move orders orders.old
      batonmq queues move orders orders.urgent --where "urgent = TRUE"
    """
    answer = ask(context, "queues.move", queue=queue, to=to, count=number, where=where)
    say(f"{counted(answer.get('count'))} moved from {queue} to {to}")


@queues.command("purge")
@click.argument("queue", type=OWN_QUEUE)
@where_option
@url_option
@click.pass_context
def purge_queue(
    context: click.Context,
    queue: str,
    where: str | None,
    url: str | None,  # noqa: ARG001
) -> None:
    """Drop ready messages of QUEUE, all or those selected. Messages that consumers hold stay.

    \b
    Example:
      batonmq queues purge orders --where "customer = 17"
    """
    answer = ask(context, "queues.purge", queue=queue, where=where)
    say(f"{counted(answer.get('count'))} dropped from {queue}")


@queues.command()
@click.argument("queue", type=OWN_QUEUE)
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@url_option
@click.pass_context
def delete(
    context: click.Context,
    queue: str,
    yes: bool,
    url: str | None,  # noqa: ARG001
) -> None:
    """Delete QUEUE with everything in it, and its bindings."""
    if not yes:
        if not sys.stdin.isatty():
            raise Failure(f"there is no terminal to ask at whether {queue} may go with all its messages: say --yes", 2)
        click.confirm(f"Delete {shown(queue)} and all its messages?", abort=True)
    answer = ask(context, "queues.delete", queue=queue)
    say(f"{queue} deleted, with {counted(answer.get('count'))}")


@click.command(short_help="Drop all ready messages of a queue.")
@click.argument("queue", type=QUEUE)
@url_option
@click.pass_context
def purge(
    context: click.Context,
    queue: str,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Drop all ready messages of QUEUE. Messages that consumers hold stay.

    \b
    Example:
      batonmq purge hello
    """
    with connect(context) as client:
        count = client.purge(queue)
    say(f"{counted(count)} dropped from {queue}")
