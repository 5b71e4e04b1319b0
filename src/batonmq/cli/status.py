"""batonmq status, batonmq health"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from batonmq.cli.client import connect
from batonmq.cli.failure import Failure
from batonmq.cli.listings import json_option
from batonmq.cli.names import shown
from batonmq.cli.options import chosen_url, url_option, without_password

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["health", "status"]

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.command(short_help="Show the state of the broker, or the file.")
@json_option
@url_option
@click.pass_context
def status(
    context: click.Context,
    as_json: bool,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Show the state of the broker or the file: its contents, its store, its memory, and what is wrong.

    Version, addresses and the data directory are shown to users with the tag administrator or monitoring.

    \b
    Examples:
      batonmq status
      batonmq --url orders.db status
    """
    with connect(context) as client:
        found = client.ask("broker.status")
    del found["ok"]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = _rows(found, chosen_url(context))
    width = max(map(len, rows))
    for name, value in rows.items():
        for number, line in enumerate([value] if isinstance(value, str) else value):
            click.echo(f"{'' if number else name:{width}}  {shown(line)}".rstrip())


def _rows(found: Mapping[str, Any], url: str) -> dict[str, str | list[str]]:
    """The values to show, by name. A list takes one line for each of its texts."""
    rows: dict[str, str | list[str]] = {"at": without_password(url)}
    if "version" in found:
        rows["version"] = f"{found['product']} {found['version']}"
        rows["process"] = str(found["process"])
        rows["up for"] = _lasting(found["uptime"] // 1000)
    if "data" in found:
        rows["data"] = found["data"]
        rows["listens"] = [str(address) for address in found["addresses"]]
    rows["virtual hosts"] = f"{found['vhosts']:,}"
    channels = found["channels"]
    rows["connections"] = f"{found['connections']:,}, with {channels:,} {'channel' if channels == 1 else 'channels'}"
    rows["queues"] = f"{found['queues']:,}"
    rows["messages"] = f"{found['ready']:,} ready, {found['unsettled']:,} unsettled, {found['delayed']:,} delayed"
    store = found["store"]
    rows["store"] = store["fault"] or f"takes messages; {_size(store['pending'])} not written yet"
    rows["memory"] = f"{_size(found['memory']['used'])} of {_size(found['memory']['limit'])} for messages"
    rows["alarms"] = "; ".join(found["alarms"]) or "none"
    return rows


def _lasting(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{number} {unit}" for number, unit in parts[:2])


def _size(octets: float) -> str:
    unit = 0
    while octets >= 1024 and unit < len(UNITS) - 1:
        octets /= 1024
        unit += 1
    return f"{octets:,.0f} {UNITS[unit]}" if unit == 0 else f"{octets:,.1f} {UNITS[unit]}"


@click.command(short_help="Ask whether the broker is well.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the broker has to answer.",
)
@url_option
@click.pass_context
def health(
    context: click.Context,
    timeout: float,
    url: str | None,  # noqa: ARG001
) -> None:
    """Ask whether the broker is well; one line, and exit code 0 or 1. For containers and for monitoring.

    It connects, logs in, and asks: the broker answers, its store takes messages, and its queues can be read.

    \b
    Example:
      batonmq health --timeout 3
    """
    place = without_password(chosen_url(context))
    with connect(context, patience=timeout) as client:
        alarms = client.ask("broker.health", patience=timeout)["alarms"]
    if not isinstance(alarms, list):
        raise Failure("the broker's answer cannot be read")
    if alarms:
        raise Failure(f"{place}: {'; '.join(map(str, alarms))}")
    parts = urlsplit(place)
    click.echo(shown(f"ok: {parts.hostname}:{parts.port or 5672}" if parts.hostname else f"ok: {place}"))
