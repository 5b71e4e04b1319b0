"""Marks of the conformance tests."""

from __future__ import annotations

import pytest


def differs_from(broker: str, *, why: str) -> pytest.MarkDecorator:
    """BatonMQ is held to the rule; a broker that announces itself so ("rabbitmq 3.10") is not, for this reason."""
    return pytest.mark.differs_from(broker, why=why)
