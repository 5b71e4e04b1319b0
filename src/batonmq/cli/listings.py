"""batonmq vhosts, connections, channels, consumers, exchanges, bindings"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from batonmq.cli.asking import ask_list
from batonmq.cli.options import url_option
from batonmq.cli.tables import table

__all__ = ["bindings", "channels", "connections", "consumers", "exchanges", "json_option", "progress_text", "vhosts"]

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print everything that is known, counters included, in JSON."
)


@click.command(short_help="List virtual hosts.")
@json_option
@url_option
@click.pass_context
def vhosts(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the virtual hosts that the user may open, with the messages in their queues, and those that went through.

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


@click.command(short_help="List connections.")
@json_option
@url_option
@click.pass_context
def connections(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the user's connections, this one included, with the numbers of messages published and delivered over each.

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


@click.command(short_help="List channels.")
@json_option
@url_option
@click.pass_context
def channels(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the channels of AMQP 0-9-1, the sessions of AMQP 1.0 and the connections of STOMP, of the user or of all.

    UNSETTLED messages are held by the client.
    """
    _show(
        ask_list(context, "channels.list", "channels"),
        {
            "CONNECTION": "connection",
            "CHANNEL": "number",
            "USER": "user",
            "VIRTUAL HOST": "vhost",
            "CONSUMERS": "consumers",
            "UNSETTLED": "unacknowledged",
            "PREFETCH": "prefetch",
        },
        as_json=as_json,
    )


@click.command(short_help="List consumers.")
@json_option
@url_option
@click.pass_context
def consumers(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the consumers on the queues of the virtual host that the URL names.

    PROGRESS is what they report of their work on the messages that they hold, if anything.
    """
    _show(
        ask_list(context, "consumers.list", "consumers"),
        {
            "QUEUE": "queue",
            "CONSUMER": "tag",
            "CONNECTION": "connection",
            "CHANNEL": "channel",
            "PREFETCH": "prefetch",
            "PRIORITY": "priority",
            "PROGRESS": "progress",
        },
        as_json=as_json,
    )


@click.command(short_help="List exchanges.")
@json_option
@url_option
@click.pass_context
def exchanges(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the exchanges of the virtual host that the URL names. The one without a name is the default exchange."""
    _show(
        ask_list(context, "exchanges.list", "exchanges"),
        {"EXCHANGE": "name", "TYPE": "type", "BINDINGS": "bindings", "DURABLE": "durable", "ARGUMENTS": "arguments"},
        as_json=as_json,
    )


@click.command(short_help="List bindings.")
@json_option
@url_option
@click.pass_context
def bindings(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the bindings of the virtual host that the URL names.

    The default exchange, to which every queue is bound by its name, is left out.
    """
    _show(
        ask_list(context, "bindings.list", "bindings"),
        {
            "EXCHANGE": "source",
            "TO": "destination_type",
            "NAME": "destination",
            "ROUTING KEY": "routing_key",
            "ARGUMENTS": "arguments",
        },
        as_json=as_json,
    )


def _show(found: list[dict[str, Any]], columns: dict[str, str], *, as_json: bool) -> None:
    """Print rows as JSON, or in columns: each with its head and its key."""
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = [[_cell(one.get(key)) for key in columns.values()] for one in found]
    numbers = [column for column, key in enumerate(columns.values()) if any(type(one.get(key)) is int for one in found)]
    click.echo(table(list(columns), rows, right=numbers))


def progress_text(progress: dict[str, Any]) -> str:
    """The progress of the work on a message: '40 % resizing'."""
    return f"{round(100 * progress['fraction'])} % {progress['note']}".rstrip()


def _cell(value: object) -> str:
    if value is None or value is False or value == {}:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, list):
        return "; ".join(map(progress_text, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
