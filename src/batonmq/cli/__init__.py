"""The command `batonmq`."""

from __future__ import annotations

import click

from batonmq import __version__

__all__ = ["main"]


@click.group()
@click.version_option(__version__, prog_name="batonmq")
def main() -> None:
    """A durable message broker: every message is handed to exactly one consumer."""
