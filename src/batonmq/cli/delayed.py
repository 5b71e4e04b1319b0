"""batonmq delayed: the delayed messages of a queue, and cancelling one or delivering it now."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from batonmq.cli.asking import ask
from batonmq.cli.failure import Failure
from batonmq.cli.names import OWN_QUEUE, say
from batonmq.cli.options import url_option
from batonmq.cli.tables import table

__all__ = ["delayed"]

SHOWN_CHARACTERS = 60


@click.command(short_help="List delayed messages, cancel or deliver them.")
@click.argument("queue", type=OWN_QUEUE)
@click.option("--cancel", metavar="ID", help="Drop the message with that id.")
@click.option("--deliver", metavar="ID", help="Deliver the message with that id now; for a schedule, a copy.")
@click.option(
    "-n", "--number", type=click.IntRange(1, 1_000), default=20, show_default=True, help="List the next N due."
)
@click.option("--after", metavar="PLACE", help="Continue a list from where the one before it ended.")
@click.option("--schedules", is_flag=True, help="List only recurring messages.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with properties, headers and whole bodies.")
@url_option
@click.pass_context
def delayed(
    context: click.Context,
    queue: str,
    cancel: str | None,
    deliver: str | None,
    number: int,
    after: str | None,
    schedules: bool,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the delayed messages in QUEUE, the next due first; or cancel one, or deliver it now.

    WHY is delay, schedule, retry (a consumer gave the message back), or dead-letter (there is no place for it yet).

    \b
    Examples:
      batonmq delayed mails
      batonmq delayed mails --cancel 13600000000001
      batonmq delayed mails --deliver 13600000000001
    """
    if cancel is not None and deliver is not None:
        raise Failure("either --cancel or --deliver", 2)
    if cancel is not None:
        ask(context, "queues.cancel", queue=queue, id=cancel)
        say(f"{cancel} is cancelled")
    elif deliver is not None:
        ask(context, "queues.deliver", queue=queue, id=deliver)
        say(f"{deliver} is in {queue} now")
    else:
        operation = "queues.schedules" if schedules else "queues.delayed"
        _list(ask(context, operation, queue=queue, count=number, after=after), queue, as_json=as_json)


def _list(answer: dict[str, object], queue: str, *, as_json: bool) -> None:
    found = answer.get("messages")
    if not isinstance(found, list):
        raise Failure("the broker's answer cannot be read")
    if as_json:
        click.echo(json.dumps({name: answer.get(name) for name in ("messages", "total", "next")}, indent=2))
        return
    if found:
        rows = [(str(one["id"]), _moment(one["due_at"]), str(one["why"]), _text(one)) for one in found]
        click.echo(table(("ID", "DUE", "WHY", "MESSAGE"), rows))
    elif not answer.get("next"):
        say(f"nothing waits in {queue}")
    if answer.get("next"):
        say(f"there is more: --after {answer['next']}")


def _moment(milliseconds: object) -> str:
    """A moment in local time, to the second."""
    if not isinstance(milliseconds, int):
        return str(milliseconds)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().isoformat(" ", "seconds")
    except (OverflowError, ValueError):
        return str(milliseconds)


def _text(message: dict[str, object]) -> str:
    body = message.get("body")
    text = body if isinstance(body, str) else f"({message.get('size')} bytes that are no text)"
    shown = "".join(character if character.isprintable() else " " for character in text[: SHOWN_CHARACTERS + 1])
    return shown[:SHOWN_CHARACTERS] + "..." if len(shown) > SHOWN_CHARACTERS else shown
