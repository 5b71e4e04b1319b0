"""headers: the message's headers match the binding's arguments (AMQP 0-9-1 §3.1.3.4).

``x-match`` says how many must: all (the default) or any; all-with-x and any-with-x also compare those whose names
begin with ``x-``. An argument without a value asks only that the header is there. Numbers are compared as numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.exchanges.base import Binding, Destination, Exchange
from batonmq.errors import PreconditionFailed
from batonmq.fields import type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batonmq.fields import FieldValue

WAYS = ("all", "any", "all-with-x", "any-with-x")


class HeadersExchange(Exchange):
    """See the module."""

    kind = "headers"
    by_key = False

    def check_arguments(self, arguments: Mapping[str, FieldValue]) -> None:
        way = arguments.get("x-match", "all")
        if not isinstance(way, str):
            raise PreconditionFailed(f"Invalid x-match field type {type_name(way)} (value {way!r}); expected longstr")
        if way not in WAYS:
            raise PreconditionFailed(
                f'Invalid x-match field value <<"{way}">>; expected all, any, all-with-x, or any-with-x'
            )

    def _added(self, binding: Binding) -> None:
        """The list of bindings is all it takes."""

    def _removed(self, binding: Binding) -> None:
        """The list of bindings is all it takes."""

    def match(self, routing_key: str, headers: Mapping[str, FieldValue]) -> Iterable[Destination]:
        return [binding.destination for binding in self.bindings if _matches(binding.arguments, headers)]


def _matches(arguments: Mapping[str, FieldValue], headers: Mapping[str, FieldValue]) -> bool:
    way = str(arguments.get("x-match", "all"))
    with_x = way.endswith("-with-x")
    wanted = (
        (name, value)
        for name, value in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    if way.startswith("all"):
        return all(name in headers and _equal(value, headers[name]) for name, value in wanted)
    return any(name in headers and _equal(value, headers[name]) for name, value in wanted)


def _equal(wanted: FieldValue, found: FieldValue) -> bool:
    if wanted is None:
        return True
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    return wanted == found
