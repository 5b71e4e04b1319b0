"""What client and broker have agreed on for one connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.dialects import Dialect
    from batonmq.protocols.amqp10.settings import Amqp10Settings

# Without a max-frame-size a peer takes frames of any size (part 2 §2.7.1).
UNLIMITED_FRAME = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Terms:
    """From the client's open and ours (part 2 §2.7.1)."""

    settings: Amqp10Settings
    dialect: Dialect
    container_id: str
    """The client's."""
    channel_max: int
    """The highest channel that we may use."""
    max_frame_size: int
    """Bytes of the largest frame that we may send."""
    idle_time_out: float
    """Seconds after which the client gives us up if we are silent; 0: never."""
    desired: frozenset[str] = field(default_factory=frozenset)
    """Capabilities that the client would like us to have."""
