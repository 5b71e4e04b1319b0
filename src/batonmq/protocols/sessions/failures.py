"""The root of what a protocol answers with an error of its own."""

from __future__ import annotations


class ClientFailure(Exception):
    """The client broke the protocol, or asked for what it cannot have. Each protocol has its own kind."""
