"""What several commands have in common: the URL, and errors in one line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import IO, Any, TypeVar

import click

from batonmq.cli.names import shown

__all__ = ["DEFAULT_URL", "Failure", "chosen_url", "note_url", "url_option", "without_password"]

DEFAULT_URL = "amqp://guest:guest@127.0.0.1:5672/"

# In the query: what a client's key is encrypted with.
KEY_PASSWORD = re.compile(r"([?&]password=)[^&#]*")

Command = TypeVar("Command", bound=Callable[..., object])


class Failure(click.ClickException):
    """Something that the user can mend: one line on stderr, and an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(shown(f"batonmq: {self.format_message()}"), file=file or sys.stderr)


def note_url(context: click.Context, _: click.Parameter, url: str | None) -> str | None:
    """For an option `--url`: what `chosen_url` returns."""
    if url is not None:
        context.find_root().meta["batonmq.url"] = url
    return url


def url_option(command: Command) -> Command:
    """`--url`, which may stand before or after the command's name; the one after it counts."""
    return click.option(
        "--url",
        callback=note_url,
        metavar="URL",
        help="Which broker, as amqp://user:password@host:port/vhost, or the file that queues are in. Default: "
        f"BATONMQ_URL, or {DEFAULT_URL}",
    )(command)


def chosen_url(context: click.Context, default: str = DEFAULT_URL) -> str:
    """The URL that counts."""
    url: str | None = context.find_root().meta.get("batonmq.url")
    return url or os.environ.get("BATONMQ_URL") or default


def without_password(url: str) -> str:
    """As it may be printed."""
    url = KEY_PASSWORD.sub(r"\1***", url)
    before, at, after = url.rpartition("@")
    return f"{before.rpartition(':')[0]}:***{at}{after}" if ":" in before else url
