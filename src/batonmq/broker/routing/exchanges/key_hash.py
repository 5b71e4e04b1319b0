"""The hash by which exchanges divide keys among destinations: even, and the same after a restart."""

from __future__ import annotations

from hashlib import blake2b


def key_hash(text: str) -> int:
    """Return 64 bits that depend on every character."""
    return int.from_bytes(blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest(), "big")
