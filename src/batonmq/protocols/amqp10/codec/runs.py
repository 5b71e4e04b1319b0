"""Runs of transfers, which a gathering parser reports as one event, and their single transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10.codec.constants import RUN, TRANSFER
from batonmq.protocols.amqp10.codec.transfer_template import ID_MASK

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.codec.transfers import TransferEvent

__all__ = ["single", "transfers_of"]


def single(events: list[Event], at: int) -> TransferEvent:
    """The transfer at that index; a run there is first replaced by its transfers, with empty tags."""
    event = events[at]
    if event[0] == RUN:
        _, channel, shape, first, payloads = event
        events[at : at + 1] = [
            (TRANSFER, channel, shape, first + place & ID_MASK, b"", payload) for place, payload in enumerate(payloads)
        ]
        event = events[at]
    assert event[0] == TRANSFER
    return event


def transfers_of(event: Event) -> int:
    """The number of transfers in an event."""
    return len(event[4]) if event[0] == RUN else 1
