"""The fields of a JSON body, read and checked as RabbitMQ reads them: `"true"` is as good as `true`."""

from __future__ import annotations

from collections.abc import Mapping

from batonmq.field_encoding import encode_name, encode_table
from batonmq.fields import NAME_MAX, FieldError, FieldValue
from batonmq.management.http.errors import BadRequest

__all__ = ["MISSING", "Body", "as_arguments", "as_flag", "as_number", "as_table", "as_tags"]

# Stands for an absent field, where null would be a value.
MISSING = object()


class Body:
    """A JSON object. Unknown fields are ignored, as in RabbitMQ."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values

    def need(self, *names: str) -> None:
        """Raises BadRequest, which names all missing fields, if any is missing."""
        missing = [name for name in names if name not in self.values]
        if missing:
            raise BadRequest(f"[{','.join(f'{{key_missing,{name}}}' for name in missing)}]")

    def has(self, name: str) -> bool:
        """Is the field present, and not null?"""
        return self.values.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A text; a number counts as its digits. Raises BadRequest for anything else."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise BadRequest(f"{name} is to be a text")
        try:
            encode_name(value)
        except FieldError as error:
            raise BadRequest(f"{name}: {error}") from None
        return value

    def short_text(self, name: str, default: str = "") -> str:
        """A text of 255 octets at most. Raises BadRequest."""
        value = self.text(name, default)
        if len(encode_name(value)) > NAME_MAX:
            raise BadRequest(f"{name} has more than {NAME_MAX} octets")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false, also as a text. Raises BadRequest for anything else."""
        value = self.values.get(name)
        return default if value is None else as_flag(name, value)

    def number(self, name: str, default: int = 0, least: int = -(2**63), most: int = 2**63 - 1) -> int:
        """A whole number, also as a text. Raises BadRequest for anything else, and beyond the bounds."""
        value = self.values.get(name)
        return default if value is None else as_number(name, value, least, most)

    def value(self, name: str) -> object:
        """Any JSON value; MISSING if absent."""
        return self.values.get(name, MISSING)

    def arguments(self, name: str = "arguments", *, has_null: bool = False) -> dict[str, FieldValue]:
        """Arguments of a queue, an exchange or a binding. Raises BadRequest for values that no AMQP table can hold."""
        return as_arguments(name, self.values.get(name), has_null=has_null)


def as_flag(name: str, value: object) -> bool:
    """True or false, also as a text. Raises BadRequest for anything else."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value, value)
    if not isinstance(value, bool):
        raise BadRequest(f"not_boolean: {name} is {_shown(value)}")
    return value


def as_number(name: str, value: object, least: int = -(2**63), most: int = 2**63 - 1) -> int:
    """A whole number, also as a text. Raises BadRequest for anything else, and beyond the bounds."""
    found = value
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 20:
            found = int(value)
    if isinstance(found, bool) or not isinstance(found, int):
        raise BadRequest(f"not_integer: {name} is {_shown(value)}")
    if not least <= found <= most:
        raise BadRequest(f"{name} is to be a number from {least} to {most}, and not {_shown(found)}")
    return found


def as_table(name: str, value: object) -> dict[str, object]:
    """A JSON object; null and the empty list, which some languages make of an empty table, count as one.

    Raises BadRequest for anything else.
    """
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} is to be an object, and not {_shown(value)}")
    return value


def as_tags(value: object) -> tuple[str, ...]:
    """Tags, as a list or as one text with commas between them. Raises BadRequest."""
    if isinstance(value, str):
        return tuple(tag for tag in (part.strip() for part in value.split(",")) if tag)
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return tuple(value)
    raise BadRequest("tags are to be a list of texts, or one text with commas between them")


def as_arguments(name: str, value: object, *, has_null: bool = False) -> dict[str, FieldValue]:
    """A JSON object as an AMQP table.

    Raises BadRequest for values that such a table cannot hold. null is refused, as in RabbitMQ, since it is meant as
    "no such argument"; with ``has_null`` it is AMQP's void.
    """
    table = as_table(name, value)
    if not has_null:
        _without_null(table, 0)
    try:
        encode_table(table)  # type: ignore[arg-type]
    except FieldError as error:
        raise BadRequest(f"{name}: {error}") from None
    return table  # type: ignore[return-value]


def _without_null(value: object, depth: int) -> None:
    if value is None:
        raise BadRequest("null_not_allowed")
    # Encoding refuses deeper nesting.
    if depth > 100:
        return
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _without_null(inner, depth + 1)


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 64 else f"{text[:64]}..."
