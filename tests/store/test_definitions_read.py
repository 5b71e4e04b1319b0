"""Rows of the table of definitions that nobody of ours would write."""

from __future__ import annotations

import pytest

from batonmq.errors import StoreCorrupt
from batonmq.store.starting import definition_of


@pytest.mark.parametrize("value", ["", "null", "[]", "[" * 100_000, '{"a":' * 100_000])
def test_a_value_that_is_no_definition_is_damage(value: str) -> None:
    with pytest.raises(StoreCorrupt, match="the definition of queue 'orders' cannot be read"):
        definition_of("queue", "/", "orders", value, bytes(4), None)
