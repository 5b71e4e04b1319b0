"""Where a URL leads, as kombu has taken it apart: to a file, or to a broker."""

from __future__ import annotations

import os
from typing import Any, Protocol
from urllib.parse import quote

from batonmq.engines.urls import parse_url

__all__ = ["Client", "file_of", "names_host", "uri_of"]

FILE = "file:"
HOW = "batonmq:////var/lib/shop/tasks.db for an absolute path, batonmq:///tasks.db for a relative one"


class Client(Protocol):
    """What is needed here of kombu's Connection."""

    hostname: str | None
    virtual_host: str | None
    transport_options: dict[str, Any] | None


def names_host(client: Client) -> bool:
    """Is it a broker that the URL names? If not, it is a file."""
    return bool(client.hostname) and not str(client.hostname).startswith(FILE)


def file_of(client: Client) -> str:
    """The absolute path of the file. Raises ValueError for a URL that names none."""
    if client.hostname:
        # batonmq+file:///path, of which kombu leaves what follows the plus as it is.
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
