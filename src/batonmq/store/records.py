"""The records of a store, and the numbers of its rows."""

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
# In place of a priority: the lane of a queue's delayed messages.
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
    """A lane found at the start: its owner, the number of waiting messages, and the last one's row."""

    lane_id: int
    vhost: str
    queue: str
    priority: int
    waiting: int
    waiting_bytes: int
    last_row: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a broker needs to start again, except the messages, which are read on demand."""

    definitions: list[Definition]
    lanes: list[LaneRecord]


@dataclass(slots=True)
class StoredMessage:
    """A message read back from the store."""

    row: int
    message: Message
    expires_at: int = 0
    returns: int = 0
    """As in a ``QueuedMessage``; any number of uncounted returns is one."""
    stored: int = DURABLE
    due: int = 0
    return_row: int = 0

    @property
    def return_count(self) -> int:
        """How often it came back from a consumer in a way that counts."""
        return self.returns & (UNCOUNTED - 1)


@dataclass(slots=True)
class StoredRun:
    """Messages read back in the order of their rows, by columns: one object fewer per message than StoredMessages."""

    rows: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    # By row, the messages that differ in anything from a StoredMessage's defaults.
    unusual: dict[int, StoredMessage] = field(default_factory=dict)
    # Rows that are not messages, as in a damaged file, and the error of each.
    unreadable: dict[int, str] = field(default_factory=dict)

    def whole(self) -> list[StoredMessage]:
        """The run as a list of messages with their rows, which costs more."""
        unusual = self.unusual
        rows = zip(self.rows, self.messages, strict=True)
        return [unusual.get(row) or StoredMessage(row, message) for row, message in rows]
