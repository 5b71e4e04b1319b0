"""The contract: all tests and fixtures. ``from batonmq.testing.contract.suite import *`` runs it."""

from __future__ import annotations

from batonmq.testing.contract.arguments import *
from batonmq.testing.contract.calls import *
from batonmq.testing.contract.fixtures import *
from batonmq.testing.contract.forked import *
from batonmq.testing.contract.giving_up import *
from batonmq.testing.contract.holding import *
from batonmq.testing.contract.keeping import *
from batonmq.testing.contract.looking import *
from batonmq.testing.contract.messages import *
from batonmq.testing.contract.ordering import *
from batonmq.testing.contract.place import Place
from batonmq.testing.contract.working import *


def test_what_an_engine_does_otherwise_is_about_a_test(place: Place) -> None:
    assert [name for name in place.otherwise if name not in globals()] == []
