"""The base class of the errors with which protocols answer their clients."""

from __future__ import annotations


class ClientFailure(Exception):
    """The client broke the protocol, or asked for something it cannot have. Each protocol has its own subclass."""
