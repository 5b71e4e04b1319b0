"""Exchanges, bindings and queues as AMQP 0-9-1 has them (section 3.1), for whoever speaks of queues in its words.

The API needs none of it: it sends to queues. Frameworks that were made for AMQP do.
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
    """One thing to be done. Arguments are ``packed``."""


def packed(arguments: Mapping[str, FieldValue]) -> bytes:
    """Arguments as a field table. Raises FieldError, a ValueError, for what none can hold."""
    return encode_table(arguments)


def unpacked(table: bytes) -> dict[str, FieldValue]:
    """And back. Raises FieldError."""
    return decode_table(table, 0, len(table))[0]


NO_ARGUMENTS = packed({})
"""What is declared or bound without any."""


class DeclareExchange(_Change, frozen=True):
    """exchange.declare. PreconditionFailed when it is there with other options, or the kind is unknown."""

    name: str
    kind: str
    auto_delete: bool = False
    """Is it deleted with the last binding from it?"""
    arguments: bytes = NO_ARGUMENTS


class LookUpExchange(_Change, frozen=True):
    """Is it there? NotFound."""

    name: str


class DeleteExchange(_Change, frozen=True):
    """exchange.delete; one that is not there is deleted already. PreconditionFailed when it is in use."""

    name: str
    if_unused: bool = False


class DeclareQueue(_Change, frozen=True):
    """queue.declare. PreconditionFailed when it is there with other arguments."""

    name: str
    arguments: bytes = NO_ARGUMENTS


class LookUpQueue(_Change, frozen=True):
    """How does it stand? NotFound."""

    name: str


class DeleteQueue(_Change, frozen=True):
    """queue.delete; one that is not there is deleted already. PreconditionFailed when it is in use, or not empty."""

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
    """queue.unbind, or exchange.unbind; a binding that is not there is gone already."""

    source: str
    destination: str
    key: str
    arguments: bytes = NO_ARGUMENTS
    to_exchange: bool = False


Change: TypeAlias = (
    DeclareExchange | LookUpExchange | DeleteExchange | DeclareQueue | LookUpQueue | DeleteQueue | Bind | Unbind
)


class Standing(NamedTuple):
    """How the queue of a change stood after it, or before it was deleted; zeros for what is not a queue."""

    messages: int = 0
    """Ready: not delayed, in nobody's hands."""
    consumers: int = 0


class Exchanges(ABC):
    """What an engine that routes by itself has beside its queues. Everything that is declared is durable."""

    __slots__ = ()

    @abstractmethod
    def change(self, change: Change, *, flushed: bool) -> Future[Standing]:
        """Do it; what it was is safe when the future is resolved.

        ``flushed``: from a loss of power as well as from the end of every process, for which no disk is waited for.
        """

    @abstractmethod
    def publish(self, exchange: str, key: str, message: Message, *, flushed: bool) -> Future[int]:
        """Route a message with a routing key; tells to how many queues. NotFound; ResourceError when one is full.

        ``flushed`` is as in ``change``, for a message that is durable.
        """
