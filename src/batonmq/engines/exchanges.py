"""Exchanges, bindings and queues as AMQP 0-9-1 has them (section 3.1), for frameworks that were made for AMQP.

The API does not need them: it sends to queues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from batonmq.engines.futures import Future
from batonmq.engines.messages import Message
from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldValue

__all__ = [
    "NO_ARGUMENTS",
    "Bind",
    "Change",
    "DeclareExchange",
    "DeclareQueue",
    "DeleteExchange",
    "DeleteQueue",
    "Exchanges",
    "LookUpExchange",
    "LookUpQueue",
    "Standing",
    "Unbind",
    "packed",
    "unpacked",
]


class _Change(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """One change. Arguments are ``packed``."""


def packed(arguments: Mapping[str, FieldValue]) -> bytes:
    """Arguments as a field table. Raises FieldError, a ValueError, for values that it cannot hold."""
    return encode_table(arguments)


def unpacked(table: bytes) -> dict[str, FieldValue]:
    """The reverse of ``packed``. Raises FieldError."""
    return decode_table(table, 0, len(table))[0]


NO_ARGUMENTS = packed({})
"""No arguments."""


class DeclareExchange(_Change, frozen=True):
    """exchange.declare. PreconditionFailed if it exists with other options, or the kind is unknown."""

    name: str
    kind: str
    auto_delete: bool = False
    """Is it deleted with the last binding from it?"""
    arguments: bytes = NO_ARGUMENTS


class LookUpExchange(_Change, frozen=True):
    """Check that the exchange exists. NotFound."""

    name: str


class DeleteExchange(_Change, frozen=True):
    """exchange.delete; a missing exchange counts as deleted. PreconditionFailed if it is in use."""

    name: str
    if_unused: bool = False


class DeclareQueue(_Change, frozen=True):
    """queue.declare. PreconditionFailed if it exists with other arguments."""

    name: str
    arguments: bytes = NO_ARGUMENTS


class LookUpQueue(_Change, frozen=True):
    """Look up the queue's counts. NotFound."""

    name: str


class DeleteQueue(_Change, frozen=True):
    """queue.delete; a missing queue counts as deleted. PreconditionFailed if it is in use, or not empty."""

    name: str
    if_unused: bool = False
    if_empty: bool = False


class Bind(_Change, frozen=True):
    """queue.bind, or exchange.bind. NotFound, PreconditionFailed."""

    source: str
    destination: str
    key: str
    arguments: bytes = NO_ARGUMENTS
    to_exchange: bool = False


class Unbind(_Change, frozen=True):
    """queue.unbind, or exchange.unbind; a missing binding counts as removed."""

    source: str
    destination: str
    key: str
    arguments: bytes = NO_ARGUMENTS
    to_exchange: bool = False


Change: TypeAlias = (
    DeclareExchange | LookUpExchange | DeleteExchange | DeclareQueue | LookUpQueue | DeleteQueue | Bind | Unbind
)


class Standing(NamedTuple):
    """The counts of a queue after its change, or before its deletion; zeros for other changes."""

    messages: int = 0
    """Ready messages: neither delayed nor held."""
    consumers: int = 0


class Exchanges(ABC):
    """The exchanges of an engine that routes by itself. All declarations are durable."""

    __slots__ = ()

    @abstractmethod
    def change(self, change: Change, *, flushed: bool) -> Future[Standing]:
        """Make a change; it is safe when the future is resolved.

        ``flushed``: safe from a loss of power too, which takes waiting for the disk, and not only from the end of any
        process.
        """

    @abstractmethod
    def publish(self, exchange: str, key: str, message: Message, *, flushed: bool) -> Future[int]:
        """Route a message by its routing key; returns the number of queues. NotFound; ResourceError when one is full.

        ``flushed`` is as in ``change``, for a message that is durable.
        """
