"""batonmq shovels"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from batonmq.cli.failure import Failure
from batonmq.cli.http import HttpApi
from batonmq.cli.listings import json_option
from batonmq.cli.names import NAME
from batonmq.cli.options import url_option
from batonmq.cli.tables import table

__all__ = ["shovels"]


@click.command(short_help="List the shovels of a broker.")
@click.option("--vhost", type=NAME, help="Only those of this virtual host. Default: all that the user sees.")
@json_option
@url_option
@click.pass_context
def shovels(
    context: click.Context,
    vhost: str | None,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """List the shovels that a broker runs, and their state. `batonmq shovel` runs one without a broker.

    This uses the broker's HTTP API, as a user with the tag monitoring or administrator: the URL is that of the API, or
    an AMQP URL of an administrator. MOVED counts from when the shovel was made, or the broker started.
    """
    found = HttpApi(context).get("/api/shovels" if vhost is None else f"/api/shovels/{quote(vhost, safe='')}")
    if not isinstance(found, list):
        raise Failure("the broker's answer cannot be read")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = [
        (
            str(one["name"]),
            str(one["vhost"]),
            str(one["state"]),
            _end(one, "src"),
            _end(one, "dest"),
            str(one.get("moved", one.get("forwarded", ""))),
            str(one.get("reason", "")),
        )
        for one in found
    ]
    click.echo(table(("SHOVEL", "VIRTUAL HOST", "STATE", "FROM", "TO", "MOVED", "REASON"), rows, right=(5,)))


def _end(shovel: Mapping[str, Any], side: str) -> str:
    """The URL and the queue; empty while unknown."""
    where = shovel.get(f"{side}_queue") or shovel.get(f"{side}_address") or shovel.get(f"{side}_exchange") or ""
    return f"{shovel.get(f'{side}_uri', '')} {where}".strip()
