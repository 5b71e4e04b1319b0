"""Management requests to a broker."""

from __future__ import annotations

from typing import Any

import click

from batonmq.cli.client import connect
from batonmq.cli.failure import Failure

__all__ = ["ask", "ask_list"]

# Seconds. Moving a million messages takes about 20 s on a small machine.
PATIENCE = 3600.0


def ask(context: click.Context, operation: str, **arguments: object) -> dict[str, object]:
    """Ask the broker that the URL names, and wait for as long as it takes. Raises Failure when it says no."""
    with connect(context) as client:
        return client.ask(operation, patience=PATIENCE, **arguments)


def ask_list(context: click.Context, operation: str, key: str, **arguments: object) -> list[dict[str, Any]]:
    """Ask the broker for the list under that key of its answer. Raises Failure, also if there is no list."""
    found = ask(context, operation, **arguments).get(key)
    if not isinstance(found, list):
        raise Failure("the broker's answer cannot be read")
    return found
