"""The contract of DESIGN.md, rule by rule, through every engine."""

from __future__ import annotations

from batonmq.testing.contract.suite import *
