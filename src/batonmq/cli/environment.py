"""The environment of a container: it names a broker's first user, which commands also log in as."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from batonmq.cli.failure import Failure

__all__ = ["PASSWORD", "USER", "given_user", "url_of_user"]

USER, PASSWORD = "BATONMQ_USER", "BATONMQ_PASSWORD"

# The most octets read from such a file: no password is longer.
LONGEST = 4096


def given_user() -> tuple[str, str] | None:
    """Name and password, each from its variable, or from a file that the variable with the suffix ``_FILE`` names.

    None: the environment names no user. Failure when only one of the two is set, or a file cannot be read.
    """
    user, password = _value(USER), _value(PASSWORD)
    if not user and not password:
        return None
    if not user or not password:
        missing, there = (USER, PASSWORD) if not user else (PASSWORD, USER)
        raise Failure(f"{there} is set, and neither {missing} nor {missing}_FILE is", 2)
    return user, password


def url_of_user(address: str) -> str | None:
    """An AMQP URL for the user of the environment, at a host and port; None: there is none."""
    found = given_user()
    if found is None:
        return None
    user, password = (quote(part, safe="") for part in found)
    return f"amqp://{user}:{password}@{address}/"


def _value(name: str) -> str:
    file = os.environ.get(f"{name}_FILE")
    if not file:
        return os.environ.get(name, "")
    if os.environ.get(name):
        raise Failure(f"{name} and {name}_FILE are both set: expected one of them", 2)
    try:
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(LONGEST).partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise Failure(f"{name}_FILE: {file}: not a text in UTF-8", 2) from None
    except OSError as error:
        raise Failure(f"{name}_FILE: {file}: cannot be read: {error.strerror}", 2) from None
