"""The output of one connection, and whether it has room for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.protocols.sessions.host import Host

# Deliveries stop while this many octets wait to be written to the client.
UNSENT_MAX: Final = 512 << 10
# Requests wait while this many octets of output have not been taken.
OUTPUT_MAX: Final = 1 << 20


class Output:
    """Collects output until the server takes it, at the end of its turn."""

    __slots__ = ("_behind", "_host", "chunks", "finished", "is_left", "limit", "unsent")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._behind: list[bytes] = []
        self.chunks: list[bytes] = []
        """The pieces that the server sends. It clears the list, which is the same for the life of the connection."""
        self.unsent = 0
        """How many octets were added since the output was last taken."""
        self.limit = UNSENT_MAX
        """Deliveries wait while `unsent` is not below this; 0 while the client does not read."""
        self.finished = False
        """Is there no more output? Then the server sends what is left and closes the socket."""
        self.is_left = False
        """Does the client close the socket?"""

    def send(self, data: bytes) -> None:
        """Send bytes at the end of the turn."""
        chunks = self.chunks
        if not chunks:
            self._host.wake()
        chunks.append(data)
        self.unsent += len(data)

    def send_behind(self, data: bytes) -> None:
        """Send bytes after all other output of the turn, and after an answer that waits for the store."""
        self._behind.append(data)
        self._host.wake()

    def begin(self) -> list[bytes]:
        """The list to which deliveries are appended; call `count` with their octets."""
        chunks = self.chunks
        if not chunks:
            self._host.wake()
        return chunks

    def count(self, octets: int) -> None:
        """Count octets that were appended to the chunks."""
        self.unsent += octets

    def fill(self) -> None:
        """Accept no more deliveries until the output has been taken."""
        self.unsent = max(self.unsent, self.limit)

    def wake(self) -> None:
        """Request that the server takes the output when the turn ends."""
        self._host.wake()

    def take(self, *, is_suspended: bool) -> bool:
        """Prepare the output, which the server is about to take. True: deliveries had no room before, and have now."""
        if self._behind and not is_suspended:
            self.chunks += self._behind
            self._behind.clear()
        if not self.unsent:
            return False
        was_full = self.unsent >= self.limit
        self.unsent = 0
        return was_full

    def writable(self, is_writable: bool) -> None:
        """Note whether the client reads its output. While it does not, deliveries have no room."""
        self.limit = UNSENT_MAX if is_writable else 0

    def finish(self, *, is_left: bool = False) -> None:
        """End the output: the server sends what is left and closes the socket; ``is_left``: the client closes it."""
        self.finished = True
        self.is_left = is_left
        self._host.wake()

    def close(self) -> None:
        """Note that the socket is gone."""
        self.finished = True
