"""Imports definitions into a running broker, and at its start: first parsed and checked as a whole, then applied."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from batonmq.management.definitions.accounts import edit_of, who_there_is
from batonmq.management.definitions.checking import check_definitions
from batonmq.management.definitions.entries import Definitions
from batonmq.management.definitions.importing import import_definitions
from batonmq.management.definitions.reading import read_definitions
from batonmq.management.http.errors import HttpError
from batonmq.management.http.kept import kept
from batonmq.management.slices import Slices
from batonmq.server.extensions import Parts
from batonmq.server.failures import ConfigError

__all__ = ["take", "take_file"]

logger = logging.getLogger("batonmq.management")

_Step = TypeVar("_Step")


async def take(parts: Parts, data: bytes, vhost: str | None = None) -> Definitions:
    """Import definitions, yielding to the loop in between; when this returns, all of it is on the disk.

    Raises BadRequest that names an entry, and nothing is changed; StoreError.
    """
    found = await _sliced(read_definitions(data, vhost))
    assert found is not None
    await _sliced(check_definitions(parts.broker, found, who_there_is(parts)))
    if found.users or found.permissions or found.topic_permissions:
        await parts.users.change(edit_of(found))
    await _sliced(import_definitions(parts.broker, found))
    await kept(parts.broker)
    _log(found)
    return found


async def _sliced(steps: Iterator[_Step]) -> _Step | None:
    """Take all steps; returns the last result."""
    slices = Slices()
    last = None
    for step in steps:
        last = step
        if slices.is_over:
            await slices.rest()
    return last


def _at_once(steps: Iterator[_Step]) -> _Step | None:
    last = None
    for step in steps:
        last = step
    return last


def take_file(parts: Parts, file: Path) -> None:
    """Import a file before anybody is served. Raises ConfigError, and then changes nothing."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"server.definitions: {file}: cannot be read: {error.strerror}") from None
    try:
        found = _at_once(read_definitions(data))
        assert found is not None
        _at_once(check_definitions(parts.broker, found, who_there_is(parts)))
        if found.users or found.permissions or found.topic_permissions:
            parts.users.change_now(edit_of(found))
        _at_once(import_definitions(parts.broker, found))
    except HttpError as error:
        raise ConfigError(f"server.definitions: {file}: {error.reason}") from None
    logger.info("the definitions of %s were taken", file)
    _log(found)


def _log(found: Definitions) -> None:
    for line in found.report:
        logger.warning("definitions: %s", line)
