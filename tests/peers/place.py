"""The broker that an environment variable names, for tests of one kind of broker."""

from __future__ import annotations

import os

import pytest

from tests.peers.peer import Peer

__all__ = ["url_of"]


def url_of(kind: type[Peer]) -> str:
    """Its URL; skips the test where none is named."""
    url = os.environ.get(kind.variable)
    if not url:
        pytest.skip(f"{kind.variable} is not set: make engines sets it")
    return url
