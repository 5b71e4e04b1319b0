"""The command line, called in this process."""

from __future__ import annotations

import inspect

from click.testing import CliRunner

__all__ = ["runner"]


def runner() -> CliRunner:
    """What calls a command, and has what it said to stderr by itself, as click does of its own accord since 8.2."""
    is_mixed = "mix_stderr" in inspect.signature(CliRunner).parameters
    return CliRunner(mix_stderr=False) if is_mixed else CliRunner()  # type: ignore[call-arg]
