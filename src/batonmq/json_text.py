"""JSON that came from outside, read with a bound on how deep it may be nested.

A JSON parser uses some of the stack for each level of the text, and raises RecursionError where the stack ends. That
depends on the caller: a text accepted in one place might not be readable in another. So the levels are counted before.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

import msgspec

from batonmq.fields import MAX_DEPTH

__all__ = ["JsonError", "check_depth", "read_json", "read_json_as"]

T = TypeVar("T")

# A string, and the part of one that has no end.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(octet for octet in range(256) if octet not in b"[]{}")
# Whether a bracket is closed by one of its own kind is for the reader to say.
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


class JsonError(ValueError):
    """It is not JSON, or is nested deeper than it may be. Its text says which, and where."""


def read_json(text: bytes | str) -> Any:  # noqa: ANN401 (JSON)
    """What a text says. Raises JsonError; a text in octets is UTF-8."""
    try:
        check_depth(text)
        return json.loads(text)
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError(f"not JSON: {error}") from None


def read_json_as(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """What a text says, as a type. Raises JsonError, and msgspec.ValidationError for JSON that is not of the type."""
    try:
        check_depth(bytes(data))
        return msgspec.json.decode(data, type=kind)
    except (JsonError, msgspec.ValidationError):
        raise
    except (ValueError, RecursionError) as error:
        raise JsonError(f"not JSON: {error}") from None


def check_depth(text: bytes | str, most: int = MAX_DEPTH) -> None:
    """Raises JsonError for arrays and objects that are nested deeper than ``most`` levels.

    It takes time in proportion to the text: nearly every text has too few brackets to be nested so deep.
    """
    if isinstance(text, str):
        if text.count("[") + text.count("{") <= most:
            return
        octets = text.encode(errors="surrogatepass")
    elif text.count(b"[") + text.count(b"{") <= most:
        return
    else:
        octets = text
    brackets = _STRINGS.sub(b"", octets).translate(_ONE_KIND, _ALL_BUT_BRACKETS)
    for _ in range(most):
        # The innermost level goes with each round.
        if b"[]" not in brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    # In an incomplete text, a parser would reach the last bracket before it failed.
    if b"[]" in brackets or brackets.count(b"[") > most:
        raise JsonError(f"nested deeper than {most} levels")
