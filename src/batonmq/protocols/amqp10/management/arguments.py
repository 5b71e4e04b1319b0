"""Arguments of queues, exchanges and bindings, in the types of AMQP 1.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.operations.declarations import shown_arguments
from batonmq.fields import FieldError
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.management.requests import BadRequest
from batonmq.protocols.amqp10.messages.field_values import from_field, to_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue


def to_arguments(value: object) -> dict[str, FieldValue]:
    """The arguments in a request. Raises BadRequest."""
    if not isinstance(value, dict):
        raise BadRequest(400, "arguments are a map")
    arguments: dict[str, FieldValue] = {}
    for name, entry in value.items():
        if not isinstance(name, str | Symbol):
            raise BadRequest(400, f"unsupported argument {str(name)[:64]!r}")
        try:
            arguments[str(name)] = to_field(entry)
        except FieldError as error:
            raise BadRequest(400, f"unsupported argument {name[:64]!r}: {error}") from None
    return arguments


def from_arguments(arguments: Mapping[str, FieldValue]) -> dict[str, object]:
    """Arguments as an answer shows them, without internal ones."""
    return {name: from_field(value) for name, value in shown_arguments(arguments).items()}
