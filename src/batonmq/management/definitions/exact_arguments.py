"""Arguments as JSON tells them, with their octets beside them where JSON cannot: for bytes, decimals, NaN and infinity.

RabbitMQ ignores the octets. They count as long as nobody has changed what stands beside them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Final

from batonmq.broker.operations.declarations import shown_arguments
from batonmq.field_decoding import decode_table
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldError, FieldValue
from batonmq.json_text import read_json
from batonmq.management.http.bodies import Body
from batonmq.management.http.encoding import encode
from batonmq.management.http.errors import BadRequest

__all__ = ["EXACT", "read_arguments", "told_arguments"]

EXACT: Final = "amqp_arguments"
"""The field of an entry with the table of AMQP 0-9-1 (section 4.2.5.5), in base64."""


def told_arguments(arguments: Mapping[str, FieldValue]) -> dict[str, object]:
    """The fields of an entry for the arguments of a queue, an exchange or a binding."""
    shown = shown_arguments(arguments)
    if _can_be_told(shown):
        return {"arguments": shown}
    return {"arguments": shown, EXACT: base64.b64encode(encode_table(shown)).decode()}


def read_arguments(body: Body) -> dict[str, FieldValue]:
    """The arguments of an entry. Raises BadRequest.

    null is AMQP's void: a client may have declared with one.
    """
    given = body.arguments(has_null=True)
    octets = body.values.get(EXACT)
    if octets is None:
        return given
    try:
        data = base64.b64decode(str(octets), validate=True)
        exact, _ = decode_table(data, 0, len(data))
    except (FieldError, ValueError):
        raise BadRequest(f"{EXACT} is to be a table of AMQP 0-9-1 in base64") from None
    return exact if read_json(encode(exact)) == given else given


def _can_be_told(value: FieldValue) -> bool:
    if isinstance(value, dict):
        return all(map(_can_be_told, value.values()))
    if isinstance(value, list):
        return all(map(_can_be_told, value))
    return not (isinstance(value, bytes | Decimal) or (isinstance(value, float) and not isfinite(value)))
