"""Where a URL that kombu has parsed leads: to a file, or to a broker."""

from __future__ import annotations

import os
from typing import Any, Protocol
from urllib.parse import quote

from batonmq.engines.urls import parse_url

__all__ = ["Client", "file_of", "names_host", "uri_of"]

FILE = "file:"
HOW = "batonmq:////var/lib/shop/tasks.db for an absolute path, batonmq:///tasks.db for a relative one"


class Client(Protocol):
    """The attributes of kombu's Connection that are used here."""

    hostname: str | None
    virtual_host: str | None
    transport_options: dict[str, Any] | None


def names_host(client: Client) -> bool:
    """Does the URL name a broker? If not, it names a file."""
    return bool(client.hostname) and not str(client.hostname).startswith(FILE)


def file_of(client: Client) -> str:
    """The absolute path of the file. Raises ValueError for a URL that names none."""
    if client.hostname:
        # In batonmq+file:///path kombu leaves what follows the plus as it is.
        return parse_url(client.hostname).location
    path = client.virtual_host or ""
    if path in ("", "/"):
        raise ValueError(f"the URL names no file: {HOW}")
    if path.endswith("/"):
        raise ValueError(f"{path} is a folder: {HOW}")
    return os.path.abspath(path)  # noqa: PTH100


def uri_of(client: Client) -> str:
    """The URL of the file, as a user writes it."""
    return "batonmq:///" + quote(file_of(client))
