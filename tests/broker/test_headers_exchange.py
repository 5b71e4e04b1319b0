"""The headers exchange: its index finds what comparing every binding finds, and costs no more than what it finds."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, strategies as st

from batonmq.broker.routing.exchanges.base import Binding, ExchangeOptions
from batonmq.broker.routing.exchanges.headers import WAYS, HeadersExchange, _matches
from batonmq.fields import FieldValue

VALUES: st.SearchStrategy[FieldValue] = st.sampled_from(
    [1, 1.0, True, False, None, "a", b"a", [1], {"a": 1}, Decimal(1), 0, "1"]
)
TABLES = st.dictionaries(st.sampled_from(["a", "b", "x-c"]), VALUES)


class Place:
    """Where a binding leads."""

    survives_restart = False

    def __init__(self, name: str) -> None:
        self.name = name


@given(st.lists(st.tuples(TABLES, st.sampled_from(WAYS)), max_size=8), TABLES, st.data())
def test_the_index_finds_what_a_comparison_finds(
    wanted: list[tuple[dict[str, FieldValue], str]], headers: dict[str, FieldValue], data: st.DataObject
) -> None:
    exchange = HeadersExchange(ExchangeOptions("h"))
    bindings = [
        Binding(exchange, Place(str(number)), "", {**arguments, "x-match": way})
        for number, (arguments, way) in enumerate(wanted)
    ]
    for binding in bindings:
        exchange.bind(binding)
    for binding in [binding for binding in bindings if data.draw(st.booleans())]:
        exchange.unbind(binding)
        bindings.remove(binding)
    found = sorted(place.name for place in exchange.match("", headers))
    assert found == sorted(b.destination.name for b in bindings if _matches(b.arguments, headers))
    for binding in bindings:
        exchange.unbind(binding)
    assert not exchange._by_header
