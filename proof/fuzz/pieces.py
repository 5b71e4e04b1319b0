"""A stream that comes in pieces: whatever they are, it means the same."""

from __future__ import annotations

from collections.abc import Iterator


def cut(data: bytes) -> Iterator[bytes]:
    """An input in two halves of itself: its first byte says where the rest is cut, and how often."""
    if not data:
        return
    size = data[0]
    stream = data[1:]
    if size < 128:
        # Mostly all at once but for one cut, which need not come upon anything.
        yield stream[:size]
        yield stream[size:]
        return
    step = 1 + size % 16
    for at in range(0, len(stream), step):
        yield stream[at : at + step]
