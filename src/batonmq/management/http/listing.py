"""Lists: filtered, sorted, paged, and reduced to the requested columns, as in RabbitMQ.

However long a list is, it is created in slices while it is sent, so that no message waits for it.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from batonmq.broker.patterns.expressions import PatternError, compile_pattern
from batonmq.management.http.call import Call
from batonmq.management.http.encoding import encode
from batonmq.management.http.errors import BadRequest, HttpError
from batonmq.management.http.query import Query
from batonmq.management.http.responses import Json, Response, Stream
from batonmq.management.slices import Slices, sliced

__all__ = ["LIST_QUERY", "chosen_columns", "listing", "only_columns"]

PAGE_SIZE: Final = 100
PAGE_SIZE_MAX: Final = 500
PAGE_MAX: Final = 10**9
# The most columns: each is looked up in each row.
COLUMNS_MAX: Final = 200

# The minimum size of a sent piece in octets, except the last.
PIECE: Final = 32 * 1024

# Parts of a regular expression, with its repeats written out: each may cost time with each character of a name.
PATTERN_MAX: Final = 100

# The size of a sorted run: merged runs can be consumed a few items at a time.
RUN: Final = 500

LIST_QUERY: Final[Mapping[str, str]] = {
    "page": "The number of the page, from 1; without it the whole list is answered, as an array.",
    "page_size": f"How many are on a page, {PAGE_SIZE_MAX} at most.",
    "name": "With a page: only those whose name holds this text.",
    "use_regex": "true: that text is a regular expression.",
    "sort": "The field to sort by, such as messages or message_stats.publish.",
    "sort_reverse": "true: the largest come first.",
    "columns": "The fields to answer, separated by commas; one within another as message_stats.publish.",
}

_Item = TypeVar("_Item")


async def listing(
    call: Call,
    items: Sequence[_Item],
    describe: Callable[[_Item], Mapping[str, object]],
    *,
    name: Callable[[_Item], str],
    order: Callable[[_Item], tuple[str, ...]],
) -> Response:
    """The answer with these items.

    ``describe`` returns the object for an item, even for one that was deleted meanwhile; ``name`` returns the text for
    the filter; ``order`` returns the default sort key of an item. Raises HttpError.
    """
    page = _page(call.query)
    found = items if isinstance(items, list) else list(items)
    if page is not None:
        wanted = _filter(call.query)
        if wanted is not None:
            found = [item async for item in sliced(found, stride=1) if wanted(name(item))]
    sort = call.query.text("sort")
    keyed: Callable[[_Item], object]
    keyed = (lambda item: _value(describe(item), sort)) if sort else (lambda item: "\0".join(order(item)))
    found = await _sorted(found, keyed, reverse=call.query.flag("sort_reverse"))
    columns = chosen_columns(call.query)
    if page is None:
        return Stream(_array(found, describe, columns))
    shown = page.cut(found)
    return Json(
        {
            "total_count": len(items),
            "item_count": len(shown),
            "filtered_count": len(found),
            "page": page.number,
            "page_size": page.size,
            "page_count": max(1, -(-len(found) // page.size)),
            "items": [only_columns(describe(item), columns) async for item in sliced(shown)],
        }
    )


# ---------------------------------------------------------------------- pages


@dataclass(frozen=True, slots=True)
class _Page:
    number: int
    size: int

    def cut(self, items: list[_Item]) -> list[_Item]:
        first = (self.number - 1) * self.size
        if self.number > 1 and first >= len(items):
            raise HttpError(
                400,
                "page_out_of_range",
                f"Page out of range, page: {self.number} page size: {self.size}, len: {len(items)}",
            )
        return items[first : first + self.size]


def _page(query: Query) -> _Page | None:
    if "page" not in query and "page_size" not in query and not query.flag("pagination"):
        return None
    number = query.number("page", 1, PAGE_MAX) or 1
    size = query.number("page_size", 1, PAGE_SIZE_MAX) or PAGE_SIZE
    return _Page(number, size)


def _filter(query: Query) -> Callable[[str], bool] | None:
    text = query.text("name")
    if not text:
        return None
    if query.flag("use_regex"):
        try:
            pattern = compile_pattern(text)
        except PatternError as error:
            raise BadRequest(f"name: not a regular expression: {error}") from None
        if pattern.size > PATTERN_MAX:
            raise BadRequest(
                f"name: the regular expression has {pattern.size} parts with its repeats written out, more than"
                f" {PATTERN_MAX}"
            )
        return pattern.found_in
    lower = text.lower()
    return lambda name: lower in name.lower()


# ---------------------------------------------------------------------- order


async def _sorted(items: list[_Item], key: Callable[[_Item], object], *, reverse: bool) -> list[_Item]:
    """Sort in runs of some hundreds, which are merged, yielding to the loop in between.

    None comes first, then numbers, then texts. Only numbers, texts and places in the list are kept: with objects for
    each of ten thousand items, the garbage collector would take longer than a slice.
    """
    keys: list[Any] = []
    places: tuple[list[int], list[int], list[int]] = ([], [], [])
    async for item in sliced(items):
        value = key(item)
        kind = 0 if value is None else 1 if isinstance(value, bool | int | float) else 2
        places[kind].append(len(keys))
        keys.append(str(value) if kind == 2 else value)
    nothing, *others = places
    groups = [nothing, *[await _merged(group, keys.__getitem__, reverse=reverse) for group in others]]
    if reverse:
        groups.reverse()
    return [items[place] for group in groups for place in group]


async def _merged(places: list[int], key: Callable[[int], Any], *, reverse: bool) -> list[int]:
    slices = Slices()
    runs: list[list[int]] = []
    for at in range(0, len(places), RUN):
        runs.append(sorted(places[at : at + RUN], key=key, reverse=reverse))
        if slices.is_over:
            await slices.rest()
    if len(runs) < 2:
        return runs[0] if runs else []
    return [place async for place in sliced(heapq.merge(*runs, key=key, reverse=reverse))]


def _value(row: object, path: str) -> object:
    """The field of that path. A name may contain dots: the whole path is tried first."""
    if not isinstance(row, Mapping):
        return None
    if path in row:
        return row[path]
    first, _, rest = path.partition(".")
    return _value(row.get(first), rest) if rest else None


# ---------------------------------------------------------------------- columns


def chosen_columns(query: Query) -> list[str] | None:
    """The paths of the requested fields; None: all. Raises BadRequest for too many."""
    text = query.text("columns")
    if not text:
        return None
    chosen = [path for path in dict.fromkeys(text.split(",")) if path]
    if len(chosen) > COLUMNS_MAX:
        raise BadRequest(f"columns: there may be {COLUMNS_MAX} at most")
    return chosen


def only_columns(row: Mapping[str, object], columns: list[str] | None) -> Mapping[str, object]:
    """The requested part of an object; None: all of it."""
    if columns is None:
        return row
    chosen: dict[str, object] = {}
    for path in columns:
        _copy(row, path, chosen)
    return chosen


def _copy(row: Mapping[str, object], path: str, into: dict[str, object]) -> None:
    if path in row:
        into[path] = row[path]
        return
    first, _, rest = path.partition(".")
    value = row.get(first)
    if rest and isinstance(value, Mapping):
        below = into.setdefault(first, {})
        if isinstance(below, dict):
            _copy(value, rest, below)


# ---------------------------------------------------------------------- sending


async def _array(
    items: list[_Item], describe: Callable[[_Item], Mapping[str, object]], columns: list[str] | None
) -> AsyncIterator[bytes]:
    slices = Slices()
    piece = bytearray(b"[")
    separator = b""
    for item in items:
        piece += separator
        piece += encode(only_columns(describe(item), columns))
        separator = b","
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
        if slices.is_over:
            await slices.rest()
    piece += b"]"
    yield bytes(piece)
