"""Decimal numbers: IEEE 754-2008 in the binary encoding of the coefficient, as AMQP 1.0 has them (part 1 §1.6.13).

The octets are a sign, an exponent and a coefficient:

=========  ======  ========  ===========  ======
           octets  exponent  coefficient  bias
=========  ======  ========  ===========  ======
decimal32  4       8 bits    23 bits      101
decimal64  8       10 bits   53 bits      398
decimal128 16      14 bits   113 bits     6176
=========  ======  ========  ===========  ======
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from batonmq.protocols.amqp10.codec.values import Decimal64

# By octets: bits of the coefficient, the bias, and the digits that a coefficient may have.
_LAYOUTS: Final = {4: (23, 101, 7), 8: (53, 398, 16), 16: (113, 6176, 34)}


def decimal_of(raw: bytes) -> Decimal:
    """The number for 4, 8 or 16 octets; infinity and NaN are Python's."""
    bits, bias, digits = _LAYOUTS[len(raw)]
    number = int.from_bytes(raw, "big")
    width = len(raw) * 8
    sign = number >> (width - 1)
    # The five bits after the sign determine the form.
    combination = number >> (width - 6) & 0b11111
    if combination == 0b11111:
        return Decimal("NaN")
    if combination == 0b11110:
        return Decimal("-Infinity" if sign else "Infinity")
    exponent_mask = (1 << (width - 1 - bits)) - 1
    if combination >> 3 == 0b11:
        exponent = number >> (bits - 2) & exponent_mask
        coefficient = 0b100 << (bits - 2) | number & (1 << (bits - 2)) - 1
    else:
        exponent = number >> bits & exponent_mask
        coefficient = number & (1 << bits) - 1
    if coefficient >= 10**digits:
        # By the standard a coefficient that is not canonical counts as 0.
        coefficient = 0
    return Decimal((sign, tuple(map(int, str(coefficient))), exponent - bias))


def decimal64_of(value: Decimal) -> Decimal64 | None:
    """The octets of a number; None for one of more than 16 digits, or beyond the exponents of decimal64."""
    bits, bias, digits = _LAYOUTS[8]
    sign, figures, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return None
    coefficient = int("".join(map(str, figures)) or "0")
    if coefficient >= 10**digits or not 0 <= exponent + bias < 3 << 8:
        return None
    if coefficient >> bits:
        number = 0b11 << 61 | exponent + bias << 51 | coefficient & (1 << 51) - 1
    else:
        number = exponent + bias << bits | coefficient
    return Decimal64((sign << 63 | number).to_bytes(8, "big"))
