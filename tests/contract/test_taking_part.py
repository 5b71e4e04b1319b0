"""Which engines the contract is held by, and what is said of those that do otherwise."""

from __future__ import annotations

import pytest

from batonmq.testing.contract import suite
from tests.contract.conftest import ENGINES, EVERYWHERE, NAMED
from tests.contract.exceptions import EXCEPTIONS


@pytest.fixture(autouse=True)
def otherwise() -> None:
    """No engine is needed here."""


@pytest.mark.parametrize("engine", NAMED)
def test_the_engine_takes_part(engine: str) -> None:
    if engine not in ENGINES:
        pytest.skip(f"{NAMED[engine]} is not set: make engines sets it")


def test_each_exception_is_one_of_an_engine_to_a_test() -> None:
    for engine, test in EXCEPTIONS:
        assert engine in (*EVERYWHERE, *NAMED)
        assert hasattr(suite, test)
