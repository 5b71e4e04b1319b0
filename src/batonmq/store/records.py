"""What a store keeps and gives back, and how its rows are numbered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batonmq.queued import DURABLE, UNCOUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.fields import FieldValue
    from batonmq.message import Message

__all__ = [
    "DELAY_LANE",
    "LANES_MAX",
    "POSITION_BITS",
    "POSITION_MASK",
    "Definition",
    "LaneRecord",
    "Snapshot",
    "StoredMessage",
    "StoredRun",
]

# A row's number: the lane in the high 18 bits, the position in the low 45. Two lanes never share rows, a lane's rows
# lie together in the file in the order of the queue, and 35 billion messages a day would fill a lane in 2.7 years.
POSITION_BITS: Final = 45
POSITION_MASK: Final = (1 << POSITION_BITS) - 1
LANES_MAX: Final = (1 << (63 - POSITION_BITS)) - 1
# Instead of a priority: the lane where a queue's messages wait for their time.
DELAY_LANE: Final = -1


@dataclass(frozen=True, slots=True)
class Definition:
    """A durable exchange, queue, binding or policy as the store keeps it."""

    kind: str
    vhost: str
    name: str
    value: Mapping[str, object]
    arguments: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """A lane that was found at the start: whose it is, how many messages wait in it and the last one's row."""

    lane_id: int
    vhost: str
    queue: str
    priority: int
    waiting: int
    waiting_bytes: int
    last_row: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a broker needs to come up again, but the messages, which are read as they are wanted."""

    definitions: list[Definition]
    lanes: list[LaneRecord]


@dataclass(slots=True)
class StoredMessage:
    """A message read back from the store."""

    row: int
    message: Message
    expires_at: int = 0
    returns: int = 0
    """As a ``QueuedMessage`` has it; however often it came back uncounted, that is one time."""
    stored: int = DURABLE
    due: int = 0
    return_row: int = 0

    @property
    def return_count(self) -> int:
        """How often it came back from a consumer, and that counted."""
        return self.returns & (UNCOUNTED - 1)


@dataclass(slots=True)
class StoredRun:
    """Messages read back in the order of their rows, by columns: an object less for each than StoredMessages take."""

    rows: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    # By row, those of which anything differs from a StoredMessage's defaults.
    unusual: dict[int, StoredMessage] = field(default_factory=dict)
    # Rows that are no message, as a damaged file may have them, and what is wrong with each.
    unreadable: dict[int, str] = field(default_factory=dict)

    def whole(self) -> list[StoredMessage]:
        """The run as a list of messages with their rows, which costs more."""
        unusual = self.unusual
        rows = zip(self.rows, self.messages, strict=True)
        return [unusual.get(row) or StoredMessage(row, message) for row, message in rows]
