"""Where a message was dead-lettered: the header x-death of AMQP 0-9-1, and RabbitMQ's annotation x-opt-deaths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from batonmq import fields
from batonmq.protocols.amqp10.codec import values
from batonmq.protocols.amqp10.messages.field_values import text_or_octets

if TYPE_CHECKING:
    from batonmq.fields import FieldValue

DEATHS: Final = "x-opt-deaths"
DEATH_HEADER: Final = "x-death"

_UINT_MAX: Final = 2**32 - 1


def deaths_of(record: FieldValue) -> values.Array | None:
    """The annotation for the broker's record of deaths; None: it is not a valid one."""
    if not isinstance(record, list) or not all(isinstance(death, dict) for death in record):
        return None
    return values.Array(dict, [_death(death) for death in record if isinstance(death, dict)])


def _death(death: Mapping[str, FieldValue]) -> dict[object, object]:
    found: dict[object, object] = {}
    expiration = str(death.get("original-expiration", ""))
    if expiration.isascii() and expiration.isdigit():
        found[values.Symbol("ttl")] = values.UInt(min(int(expiration), _UINT_MAX))
    found[values.Symbol("queue")] = _text(death.get("queue"))
    reason = _text(death.get("reason"))
    found[values.Symbol("reason")] = values.Symbol(reason) if reason.isascii() else reason
    count = death.get("count")
    found[values.Symbol("count")] = values.ULong(count if isinstance(count, int) and count > 0 else 1)
    # The broker keeps when it happened last.
    time = death.get("time")
    moment = values.Timestamp(time * 1000 if isinstance(time, int) else 0)
    found[values.Symbol("first-time")] = found[values.Symbol("last-time")] = moment
    found[values.Symbol("exchange")] = _text(death.get("exchange"))
    keys = death.get("routing-keys")
    found[values.Symbol("routing-keys")] = values.Array(str, map(_text, keys if isinstance(keys, list) else ()))
    return found


def _text(value: FieldValue) -> str:
    text = text_or_octets(value) if isinstance(value, str) else b"" if value is None else str(value)
    return text if isinstance(text, str) else text.decode(errors="replace")


def death_header_of(annotation: object) -> FieldValue:
    """The header for an annotation x-opt-deaths; None: it does not look like one."""
    if not isinstance(annotation, Sequence | values.Array) or isinstance(annotation, str | bytes):
        return None
    table: list[FieldValue] = []
    for death in annotation:
        if not isinstance(death, dict):
            return None
        made = _table(death)
        if made is None:
            return None
        table.append(made)
    return table


def _table(death: Mapping[object, object]) -> dict[str, FieldValue] | None:
    get = death.get
    queue, reason, exchange = get("queue"), get("reason"), get("exchange")
    count, first, keys = get("count"), get("first-time"), get("routing-keys")
    if not (isinstance(queue, str) and isinstance(reason, str) and isinstance(exchange, str)):
        return None
    if not (isinstance(count, int) and isinstance(first, int) and isinstance(keys, values.Array | list)):
        return None
    table: dict[str, FieldValue] = {
        "count": fields.LongLong(min(count, 2**63 - 1)),
        "reason": str(reason),
        "queue": str(queue),
        "time": fields.Timestamp(first // 1000),
        "exchange": str(exchange),
        "routing-keys": [str(key) for key in keys],
    }
    ttl = get("ttl")
    if isinstance(ttl, int):
        table["original-expiration"] = str(int(ttl))
    return table
