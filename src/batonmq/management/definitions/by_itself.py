"""Checks single entries of definitions: whether each is valid, and whether an existing object is equal."""

from __future__ import annotations

from collections.abc import Mapping

from batonmq.broker.model.declared import check_new, read_settings
from batonmq.broker.operations.declarations import BY_DEFAULT
from batonmq.broker.patterns.expressions import PatternError, compile_pattern
from batonmq.broker.routing.exchanges import ALTERNATE_EXCHANGE, EXCHANGE_TYPES, Exchange, ExchangeOptions
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.management.definitions.entries import ExchangeEntry, QueueEntry, UserEntry
from batonmq.server.passwords import imported_hash

__all__ = ["check_hash", "check_pattern", "check_queue", "is_same_exchange", "made_exchange", "same_arguments"]

CLASSIC_TYPE = ("x-queue-type", "classic")


def check_hash(entry: UserEntry) -> None:
    """Raises PreconditionFailed if its password hash is invalid."""
    try:
        imported_hash(entry.password_hash, entry.hashing_algorithm)
    except ValueError as error:
        raise PreconditionFailed(str(error)) from None


def check_pattern(pattern: str) -> None:
    """Raises PreconditionFailed for an invalid regular expression."""
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise PreconditionFailed(f"{pattern!r} is not a regular expression: {error}") from None


def check_queue(entry: QueueEntry, described: str) -> None:
    """Raises PreconditionFailed if its arguments are invalid."""
    arguments = entry.arguments
    check_new(arguments, described, durable=entry.durable, exclusive=False, auto_delete=entry.auto_delete)
    read_settings(arguments, described)
    if not isinstance(arguments.get("x-dead-letter-exchange", ""), str):
        raise PreconditionFailed("its x-dead-letter-exchange is no text")


def made_exchange(entry: ExchangeEntry, described: str) -> Exchange:
    """A temporary exchange, for checking only. Raises PreconditionFailed for an invalid one."""
    if not isinstance(entry.arguments.get(ALTERNATE_EXCHANGE, ""), str):
        raise PreconditionFailed(f"the {ALTERNATE_EXCHANGE} of {described} is no text")
    options = ExchangeOptions(entry.name, entry.durable, entry.auto_delete, entry.internal, entry.arguments)
    return EXCHANGE_TYPES[entry.kind](options)


def is_same_exchange(present: Exchange, entry: ExchangeEntry) -> bool:
    """Does the existing exchange match the entry?"""
    flags = (present.kind, present.durable, present.auto_delete, present.internal)
    wanted = (entry.kind, entry.durable, entry.auto_delete, entry.internal)
    return flags == wanted and same_arguments(present.arguments, entry.arguments)


def same_arguments(present: Mapping[str, FieldValue], wanted: Mapping[str, FieldValue]) -> bool:
    """Are they equal, apart from internal arguments and the default queue type?"""

    def told(arguments: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
        return {
            name: value for name, value in arguments.items() if name != BY_DEFAULT and (name, value) != CLASSIC_TYPE
        }

    return told(present) == told(wanted)
