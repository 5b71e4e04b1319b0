"""The configuration as a TOML file: read, and refused in one line that a person can act on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from batonmq.server.config import Config
from batonmq.server.failures import ConfigError

__all__ = ["load_config", "parse_config"]


def load_config(path: Path) -> Config:
    """Read a TOML file. Raises ConfigError with one line that names the file, the key and what is expected."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text in UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_config(text, str(path))


def parse_config(text: str, source: str) -> Config:
    """Read TOML. `source` names it in errors; raises ConfigError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{source}: not TOML of ours: nested too deep") from None
    try:
        return msgspec.convert(content, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_readable(str(error))}") from None


def _readable(error: str) -> str:
    """`Expected ... - at `$.amqp.port`` as `amqp.port: expected ...`."""
    what, _, where = error.partition(" - at `")
    key = where.rstrip("`").removeprefix("$").removeprefix(".")
    what = what.replace("Object contains unknown field", "unknown key").replace("Object missing", "missing")
    what = what.replace("required field", "key").replace("`", "'").replace("object", "table")
    # The only alternative word in a file is the port "off".
    what = what.replace("Invalid enum value", "Expected 'int' or 'off', got")
    if what.startswith("Expected"):
        what = "e" + what[1:]
    return f"{key}: {what}" if key else what
