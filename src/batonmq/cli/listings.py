"""batonmq vhosts, batonmq connections"""

from __future__ import annotations

import json
from datetime import datetime

import click

from batonmq.cli.asking import ask_list
from batonmq.cli.options import url_option
from batonmq.cli.tables import table

__all__ = ["connections", "vhosts"]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON array with everything that is known, all counters included."
)


@click.command()
@json_option
@url_option
@click.pass_context
def vhosts(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the virtual hosts that the user may open, with what is in their queues and what went through them.

    A user with the tag administrator or monitoring sees all of them. ENQUEUED and ACCEPTED count from the start of the
    broker.
    """
    found = ask_list(context, "vhosts.list", "vhosts")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = [
        (
            str(vhost["name"]),
            *(str(vhost[name]) for name in ("queues", "connections", "ready", "unsettled")),
            *(str(vhost["counters"][name]) for name in ("enqueued", "accepted")),
        )
        for vhost in found
    ]
    head = ("VIRTUAL HOST", "QUEUES", "CONNECTIONS", "READY", "UNSETTLED", "ENQUEUED", "ACCEPTED")
    click.echo(table(head, rows, right=(1, 2, 3, 4, 5, 6)))


@click.command()
@json_option
@url_option
@click.pass_context
def connections(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the connections of the user, this one included, with the messages that went over each.

    A user with the tag administrator or monitoring sees those of all users.
    """
    found = ask_list(context, "connections.list", "connections")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = [
        (
            *(str(connection[name]) for name in ("peer", "user", "vhost", "protocol")),
            connection["tls"]["protocol"] if connection["tls"] else "",
            *(str(connection[name]) for name in ("channels", "state")),
            datetime.fromtimestamp(connection["connected_at"] / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            *(str(connection["counters"][name]) for name in ("published", "delivered")),
            " ".join(str(connection[name]) for name in ("name", "client") if connection[name]),
        )
        for connection in found
    ]
    head = (
        "PEER",
        "USER",
        "VIRTUAL HOST",
        "PROTOCOL",
        "TLS",
        "CHANNELS",
        "STATE",
        "SINCE",
        "PUBLISHED",
        "DELIVERED",
        "",
    )
    click.echo(table(head, rows, right=(5, 8, 9)))
