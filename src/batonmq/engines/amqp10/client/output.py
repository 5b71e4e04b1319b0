"""The output for the broker, until somebody takes it."""

from __future__ import annotations

__all__ = ["Output"]


class Output:
    """Bytes in the order of sending."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        """The pending pieces."""

    def put(self, data: bytes) -> None:
        """Send this next."""
        self.parts.append(data)

    def take(self) -> bytes:
        """Take everything that is pending."""
        parts = self.parts
        if not parts:
            return b""
        self.parts = []
        return parts[0] if len(parts) == 1 else b"".join(parts)
