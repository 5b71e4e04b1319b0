"""What the tests with real clients share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import sweep
from tests.support.wire import Address


@pytest.fixture
def queue(amqp: Address, name: str) -> Iterator[str]:
    """The name of a queue that is deleted in the end, whoever declares it."""
    yield name
    sweep(amqp, {("queue", name)})
