"""Errors that the user can fix, in one line."""

from __future__ import annotations

import sys
from typing import IO, Any

import click

from batonmq.cli.names import shown

__all__ = ["Failure"]


class Failure(click.ClickException):
    """An error that the user can fix: one line on stderr, and an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        click.echo(shown(f"batonmq: {self.format_message()}"), file=file or sys.stderr)
