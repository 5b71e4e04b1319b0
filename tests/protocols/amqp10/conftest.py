"""A broker, driven by hand."""

from __future__ import annotations

import pytest

from tests.support.driven import Driven


@pytest.fixture
def driven() -> Driven:
    """Over a store in memory."""
    return Driven()
