"""The contract of DESIGN.md, rule by rule, through every engine."""

from __future__ import annotations

from batonmq.testing.contract import suite
from batonmq.testing.contract.suite import *
from tests.contract.conftest import EVERYWHERE, NAMED
from tests.contract.exceptions import EXCEPTIONS


def test_each_exception_is_one_of_an_engine_to_a_test() -> None:
    for engine, test in EXCEPTIONS:
        assert engine in (*EVERYWHERE, *NAMED)
        assert hasattr(suite, test)
