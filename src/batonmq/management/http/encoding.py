"""JSON for listings, which may hold names that are not UTF-8 and numbers that JSON cannot represent."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from batonmq.broker.management.descriptions import readable

__all__ = ["encode"]

_encoder = msgspec.json.Encoder(decimal_format="string")


def encode(value: object) -> bytes:
    """JSON in UTF-8. Values that JSON cannot represent are approximated: see ``readable``."""
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, OverflowError, TypeError):
        return _encoder.encode(_shown(value))


def _shown(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(_shown(name)): _shown(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool):
        # Field tables have number classes of their own, which the encoder does not know.
        return int(value) if -(2**63) <= value < 2**64 else str(value)
    shown = readable(value)
    return float(shown) if isinstance(shown, float) else shown
