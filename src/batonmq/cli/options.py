"""What commands share: the URL, and errors in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TypeVar

import click

from batonmq.cli.environment import url_of_user

__all__ = ["DEFAULT_URL", "chosen_url", "note_url", "url_option", "without_password"]

ADDRESS = "127.0.0.1:5672"
DEFAULT_URL = f"amqp://guest:guest@{ADDRESS}/"

# The query's parameter for the passphrase of a client's key.
KEY_PASSWORD = re.compile(r"([?&]password=)[^&#]*")

Command = TypeVar("Command", bound=Callable[..., object])


def note_url(context: click.Context, _: click.Parameter, url: str | None) -> str | None:
    """The callback of an option `--url`: notes the URL for `chosen_url`."""
    if url is not None:
        context.find_root().meta["batonmq.url"] = url
    return url


def url_option(command: Command) -> Command:
    """`--url`, before or after the command's name; the one after it wins."""
    return click.option(
        "--url",
        callback=note_url,
        metavar="URL",
        help="Which broker, as amqp://user:password@host:port/vhost, or the file that queues are in. Default: "
        f"BATONMQ_URL, or {DEFAULT_URL}",
    )(command)


def chosen_url(context: click.Context, default: str = DEFAULT_URL) -> str:
    """The URL that applies."""
    url: str | None = context.find_root().meta.get("batonmq.url")
    return url or os.environ.get("BATONMQ_URL") or url_of_user(ADDRESS) or default


def without_password(url: str) -> str:
    """The URL without passwords, for printing."""
    url = KEY_PASSWORD.sub(r"\1***", url)
    before, at, after = url.rpartition("@")
    return f"{before.rpartition(':')[0]}:***{at}{after}" if ":" in before else url
