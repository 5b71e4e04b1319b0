"""Which engines the contract is held by in this run."""

from __future__ import annotations

import pytest

from tests.contract.conftest import ENGINES, NAMED


@pytest.fixture(autouse=True)
def otherwise() -> None:
    """No engine is needed here."""


@pytest.mark.parametrize("engine", NAMED)
def test_the_engine_takes_part(engine: str) -> None:
    if engine not in ENGINES:
        pytest.skip(f"{NAMED[engine]} is not set: make engines sets it")
