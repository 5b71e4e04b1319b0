"""batonmq policies list, set, clear"""

from __future__ import annotations

import json
import textwrap

import click

from batonmq.cli.asking import ask, ask_list
from batonmq.cli.failure import Failure
from batonmq.cli.names import say
from batonmq.cli.options import url_option
from batonmq.cli.tables import table
from batonmq.json_text import JsonError, read_json

__all__ = ["policies"]

EXAMPLE = '{"max-length": 10000}'


class SetCommand(click.Command):
    """A command whose help ends with a list of the settings for a DEFINITION."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Loading the broker takes longer than the rest of a command, so it is loaded only for this help.
        from batonmq.broker.model.arguments import IN_POLICIES
        from batonmq.broker.routing.exchanges import ALTERNATE_EXCHANGE

        settings = {"queues": [name.removeprefix("x-") for name in IN_POLICIES], "exchanges": [ALTERNATE_EXCHANGE]}
        for kind, names in settings.items():
            with formatter.section(f"Settings for {kind}"):
                indent = " " * formatter.current_indent
                lines = textwrap.wrap(", ".join(names), formatter.width - len(indent), break_on_hyphens=False)
                formatter.write("".join(f"{indent}{line}\n" for line in lines))


@click.group(short_help="List, set and clear policies.")
def policies() -> None:
    """Settings for all queues or exchanges whose names match, changed while they live.

    If several match, only the one with the highest priority applies. Needs a user with the tag policymaker
    or administrator.

    \b
    Example:
      batonmq policies set short "^events" '{"max-length": 10000}' --apply-to queues
    """


@policies.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@url_option
@click.pass_context
def list_policies(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the policies of the virtual host that the URL names."""
    found = ask_list(context, "policies.list", "policies")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("there are no policies")
        return
    rows = [
        (
            str(policy["name"]),
            str(policy["pattern"]),
            str(policy["apply-to"]),
            str(policy["priority"]),
            json.dumps(policy["definition"]) + (" (configuration file)" if policy.get("fixed") else ""),
        )
        for policy in found
    ]
    click.echo(table(("POLICY", "PATTERN", "APPLY-TO", "PRIORITY", "DEFINITION"), rows, right=(3,)))


@policies.command("set", cls=SetCommand, short_help="Add or replace the policy NAME.")
@click.argument("name")
@click.argument("pattern")
@click.argument("definition")
@click.option(
    "--apply-to",
    type=click.Choice(["queues", "exchanges", "all"]),
    default="all",
    show_default=True,
    help="What it applies to.",
)
@click.option("--priority", type=int, default=0, show_default=True, help="The highest one applies.")
@url_option
@click.pass_context
def set_policy(
    context: click.Context,
    name: str,
    pattern: str,
    definition: str,
    apply_to: str,
    priority: int,
    url: str | None,  # noqa: ARG001
) -> None:
    """Add or replace the policy NAME: DEFINITION, in JSON, applies where PATTERN matches a name.

    \b
    Example:
      batonmq policies set dead "^orders" '{"dead-letter-exchange": "", "dead-letter-routing-key": "dead"}'
    """
    try:
        content = read_json(definition)
    except JsonError as error:
        raise Failure(f"DEFINITION: {error}", 2) from None
    if not isinstance(content, dict) or not content:
        raise Failure(f"DEFINITION: expected a JSON object with settings, as {EXAMPLE}, got {definition}", 2)
    fields = {"apply-to": apply_to, "name": name, "pattern": pattern, "priority": priority, "definition": content}
    ask(context, "policies.set", **fields)
    say(f"policy {name} is in force")


@policies.command("clear")
@click.argument("name")
@url_option
@click.pass_context
def clear_policy(
    context: click.Context,
    name: str,
    url: str | None,  # noqa: ARG001
) -> None:
    """Remove the policy NAME, and its effects."""
    ask(context, "policies.clear", name=name)
    say(f"policy {name} is gone")
