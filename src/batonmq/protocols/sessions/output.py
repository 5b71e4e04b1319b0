"""What is to be sent on one connection, and whether there is room for more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.protocols.sessions.host import Host

# In octets. Deliveries stop while so much waits to be written to the client.
UNSENT_MAX: Final = 512 << 10
# Requests wait while so much of the output has not been taken.
OUTPUT_MAX: Final = 1 << 20


class Output:
    """Collects what is said until the server takes it, at the end of its turn."""

    __slots__ = ("_behind", "_host", "chunks", "finished", "limit", "unsent")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._behind: list[bytes] = []
        self.chunks: list[bytes] = []
        """What the server sends, joined; it clears the list, which is the same for the life of the connection."""
        self.unsent = 0
        """Octets that were said since the output was last taken."""
        self.limit = UNSENT_MAX
        """Deliveries wait while `unsent` is not below it; 0 while the client does not read."""
        self.finished = False
        """Nothing more is said: the server sends what is left and closes the socket."""

    def send(self, data: bytes) -> None:
        """Send this at the end of the turn."""
        chunks = self.chunks
        if not chunks:
            self._host.wake()
        chunks.append(data)
        self.unsent += len(data)

    def send_behind(self, data: bytes) -> None:
        """Send this behind all else that the turn has to say, and behind an answer that waits for the store."""
        self._behind.append(data)
        self._host.wake()

    def begin(self) -> list[bytes]:
        """The list to which deliveries are appended; tell `count` how much it was."""
        chunks = self.chunks
        if not chunks:
            self._host.wake()
        return chunks

    def count(self, octets: int) -> None:
        """So much was appended to the chunks."""
        self.unsent += octets

    def fill(self) -> None:
        """There is no room for deliveries until the output has been taken."""
        self.unsent = max(self.unsent, self.limit)

    def wake(self) -> None:
        """Have the server look at the output when the turn ends."""
        self._host.wake()

    def take(self, *, is_suspended: bool) -> bool:
        """The server is about to take the output. True: there was no room for deliveries before, and now there is."""
        if self._behind and not is_suspended:
            self.chunks += self._behind
            self._behind.clear()
        if not self.unsent:
            return False
        was_full = self.unsent >= self.limit
        self.unsent = 0
        return was_full

    def writable(self, is_writable: bool) -> None:
        """Does the client read what is sent to it? While it does not there is no room for deliveries."""
        self.limit = UNSENT_MAX if is_writable else 0

    def finish(self) -> None:
        """Nothing more is said."""
        self.finished = True
        self._host.wake()

    def close(self) -> None:
        """The socket is gone."""
        self.finished = True
