"""The contract of batonmq's Python API."""

from __future__ import annotations

from batonmq.testing.contract.suite import *  # noqa: F403
