"""What goes to the broker, until somebody takes it."""

from __future__ import annotations

__all__ = ["Output"]


class Output:
    """Bytes in the order in which they are to go out."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        """What was put and not taken yet."""

    def put(self, data: bytes) -> None:
        """Send this next."""
        self.parts.append(data)

    def take(self) -> bytes:
        """All that waits, which is then on its way."""
        parts = self.parts
        if not parts:
            return b""
        self.parts = []
        return parts[0] if len(parts) == 1 else b"".join(parts)
