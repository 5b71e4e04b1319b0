"""Errors that keep a broker from starting and that its user can fix: one clear line, an exit code, no traceback."""

from __future__ import annotations

from batonmq.errors import BatonError

__all__ = ["ConfigError", "StartError"]


class StartError(BatonError):
    """The broker cannot start: a port is taken, a directory is in use or cannot be written. Exit code 1."""

    exit_code = 1


class ConfigError(StartError):
    """The configuration is wrong; the text names the file, the key and what is expected. Exit code 2."""

    exit_code = 2
