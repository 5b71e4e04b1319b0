"""Filters of a source: which of a node's messages its link gets (part 3 §3.5.8, and the registry of filters).

Supported are selectors, by either descriptor or by the names that clients give them; no-local, on topics; and
RabbitMQ's SQL, as far as a selector can express it. Unknown filters have no effect, and our attach omits them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batonmq.broker.selectors.parser import MessageSelector, SelectorError, parse_selector
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.values import Described, Symbol
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.nodes.sql_filters import as_selector
from batonmq.protocols.amqp10.nodes.termini import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.protocols.amqp10.codec.composites import Fields

__all__ = ["Filters", "read_filters"]

_SELECTORS: Final = frozenset({"apache.org:selector-filter:string", 0x0000_468C_0000_0004})
_NO_LOCALS: Final = frozenset({"apache.org:no-local-filter:list", 0x0000_468C_0000_0003})
_SQLS: Final = frozenset({"amqp:sql-filter", 0x120})
# Names under which some clients send a selector as a bare string.
_SELECTOR_NAMES: Final = frozenset({"selector", "jms-selector"})


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters in force."""

    selector: MessageSelector | None = None
    is_deaf: bool = False
    """Does the link get no messages from its own connection?"""
    in_force: Mapping[Symbol, object] = field(default_factory=dict)
    """The filters in their original form, for our attach."""


def read_filters(wanted: Fields | None, *, is_topic: bool) -> Filters:
    """Parse the filters of a source; ``is_topic``: of a subscription, to messages published from now on.

    Raises LinkFailure for an invalid selector, and for more than one.
    """
    selector: MessageSelector | None = None
    is_deaf = False
    in_force: dict[Symbol, object] = {}
    for name, value in (wanted or {}).items():
        descriptor = descriptor_of(value)
        inner = value.value if isinstance(value, Described) else value
        found: MessageSelector | None = None
        if descriptor in _SELECTORS or (descriptor is None and inner is not None and name in _SELECTOR_NAMES):
            found = _selector(inner)
        elif descriptor in _SQLS:
            found = _sql(inner)
            if found is None:
                continue
        elif descriptor in _NO_LOCALS and is_topic:
            is_deaf = True
        else:
            continue
        if found is not None and selector is not None:
            raise _invalid("a link has one selector")
        selector = found or selector
        in_force[Symbol(str(name))] = value
    return Filters(selector, is_deaf, in_force)


def _selector(text: object) -> MessageSelector:
    if not isinstance(text, str):
        raise _invalid("a selector is a text")
    try:
        return parse_selector(str(text))
    except SelectorError as error:
        raise _invalid(str(error)) from None


def _sql(text: object) -> MessageSelector | None:
    """The selector for an SQL filter; None: there is none."""
    if not isinstance(text, str):
        raise _invalid("an SQL filter is a text")
    selector = as_selector(str(text))
    if selector is None:
        return None
    try:
        return parse_selector(selector)
    except SelectorError:
        # SQL filters can express more than selectors.
        return None


def _invalid(text: str) -> LinkFailure:
    return LinkFailure(conditions.INVALID_FIELD, text, {"invalid-field": "filter"})
