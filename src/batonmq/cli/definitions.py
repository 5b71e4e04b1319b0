"""batonmq definitions export, import"""

from __future__ import annotations

import json
import os
from urllib.parse import quote

import click

from batonmq.cli.failure import Failure
from batonmq.cli.http import HttpApi
from batonmq.cli.names import NAME, say, shown
from batonmq.cli.options import url_option
from batonmq.json_text import JsonError, read_json

__all__ = ["definitions"]

vhost_option = click.option("--vhost", type=NAME, help="Only this virtual host. Default: everything.")


@click.group(short_help="Save users, queues, policies ... or load them.")
def definitions() -> None:
    """Save a broker's users, queues, policies and so on to a file, or create those in a file.

    Messages are not in it. The format is RabbitMQ's, so files that RabbitMQ exported can be imported. The command uses
    the HTTP API of a running broker: the URL is that, or an AMQP URL of a user with the tag administrator.

    \b
    Examples:
      batonmq definitions export broker.json
      batonmq --url http://ann:secret@broker.example:15672 definitions import broker.json
    """


@definitions.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@vhost_option
@url_option
@click.pass_context
def export_definitions(
    context: click.Context,
    file: str,
    vhost: str | None,
    url: str | None,  # noqa: ARG001 - noted by its callback
) -> None:
    """Write the definitions to FILE, or to standard output. The file holds password hashes: keep it safe."""
    found = HttpApi(context).get(_path(vhost))
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if file == "-":
        click.echo(text, nl=False)
        return
    try:
        with open(file, "w", encoding="utf-8", opener=_private) as opened:
            opened.write(text)
    except OSError as error:
        raise Failure(f"{file}: cannot be written: {error.strerror}") from None
    say(f"definitions written to {file}")


@definitions.command("import", short_help="Create everything in FILE, or in standard input.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@vhost_option
@url_option
@click.pass_context
def import_definitions(
    context: click.Context,
    file: str,
    vhost: str | None,
    url: str | None,  # noqa: ARG001
) -> None:
    """Create everything in FILE, or in standard input ("-"): all of it, or nothing.

    Existing objects stay. Objects that only RabbitMQ supports are left out, each with a line on stderr.
    """
    try:
        with click.open_file(file, "rb") as opened:
            content = read_json(opened.read())
    except OSError as error:
        raise Failure(f"{file}: cannot be read: {error.strerror}", 2) from None
    except JsonError as error:
        raise Failure(f"{file}: {error}", 2) from None
    if not isinstance(content, dict):
        raise Failure(f"{file}: expected definitions, a JSON object", 2)
    answer = HttpApi(context).post(f"{_path(vhost)}?report=true", content)
    report = answer.get("report") if isinstance(answer, dict) else None
    for line in report if isinstance(report, list) else ():
        click.echo(shown(str(line)), err=True)
    say(f"definitions of {file} are in force")


def _path(vhost: str | None) -> str:
    return "/api/definitions" if vhost is None else f"/api/definitions/{quote(vhost, safe='')}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
