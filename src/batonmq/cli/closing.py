"""batonmq close-connection"""

from __future__ import annotations

import click

from batonmq.cli.asking import ask
from batonmq.cli.names import TEXT, say
from batonmq.cli.options import url_option

__all__ = ["close_connection"]


@click.command("close-connection", short_help="Close connections.")
@click.argument("name", type=TEXT, required=False)
@click.option("--all", "is_all", is_flag=True, help="Close all connections but the one of this command.")
@click.option("--user", type=TEXT, metavar="USER", help="Close all connections of this user.")
@click.option("--reason", type=TEXT, metavar="TEXT", help="The reason that their clients are told.")
@url_option
@click.pass_context
def close_connection(
    context: click.Context,
    name: str | None,
    is_all: bool,
    user: str | None,
    reason: str | None,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Close the connection NAME, as `batonmq connections` lists it, or several. Clients may connect again at once.

    Messages that they held go back to their queues. Closing the connections of others needs the tag administrator.

    \b
    Examples:
      batonmq close-connection "127.0.0.1:51234 -> 127.0.0.1:5672"
      batonmq close-connection --user ann --reason "the password was changed"
    """
    if sum((name is not None, is_all, user is not None)) != 1:
        raise click.UsageError("expected one of NAME, --all and --user")
    if name is not None:
        ask(context, "connections.close", connection=name, reason=reason)
        say(f"connection {name} is closed")
        return
    count = ask(context, "connections.close_all", user=user, reason=reason)["count"]
    say(f"{count} {'connection' if count == 1 else 'connections'} closed")
