"""Integrations of BatonMQ with frameworks, one package or module each. ``import batonmq`` imports none of them.

Each needs its framework, and says how to install it when it is missing.
"""

from __future__ import annotations
