"""The flow control of one session: how many transfer frames may come and go (part 2 §2.5.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Begin, Flow
from batonmq.protocols.amqp10.deliveries.serial import MASK, distance
from batonmq.protocols.amqp10.failures import SessionFailure

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.deliveries.channel import Channel

# The transfer frames that a client may send before our next flow. Its frames are handled at once, and a fast client is
# slowed down by not reading from it, so this only limits the number of our flows.
INCOMING_WINDOW: Final = 1 << 15
# The window that we announce; nothing is sent beyond the client's window.
OUTGOING_WINDOW: Final = 0x7FFF_FFFF


class Windows:
    """The state of one session, with the specification's names."""

    __slots__ = (
        "_channel",
        "_initial_outgoing_id",
        "incoming_window",
        "next_incoming_id",
        "next_outgoing_id",
        "remote_incoming_window",
    )

    def __init__(self, channel: Channel, begin: Begin) -> None:
        """``begin`` is the client's."""
        self._channel = channel
        self._initial_outgoing_id = self.next_outgoing_id = 0
        self.next_incoming_id: int = begin.next_outgoing_id
        self.incoming_window = INCOMING_WINDOW
        self.remote_incoming_window: int = begin.incoming_window

    def answer(self, handle_max: int) -> Begin:
        """Our begin."""
        return Begin(
            remote_channel=self._channel.number,
            next_outgoing_id=self.next_outgoing_id,
            incoming_window=INCOMING_WINDOW,
            outgoing_window=OUTGOING_WINDOW,
            handle_max=handle_max,
        )

    def received(self, count: int) -> None:
        """Count received transfer frames. Raises SessionFailure if they exceed the window."""
        self.next_incoming_id = self.next_incoming_id + count & MASK
        self.incoming_window -= count
        if self.incoming_window < INCOMING_WINDOW >> 1:
            if self.incoming_window < 0:
                raise SessionFailure(conditions.WINDOW_VIOLATION, "more transfers came than the window allows")
            self.say_flow()

    def sent(self, count: int) -> None:
        """Count sent transfer frames."""
        self.next_outgoing_id = self.next_outgoing_id + count & MASK
        self.remote_incoming_window -= count

    def flowed(self, flow: Flow) -> None:
        """Take over the client's flow: what it has seen, and its window. Raises SessionFailure."""
        first = flow.next_incoming_id if flow.next_incoming_id is not None else self._initial_outgoing_id
        ahead = distance(first, self.next_outgoing_id)
        if ahead < 0:
            text = f"next-incoming-id {first} is of a transfer that was not sent"
            raise SessionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "next-incoming-id"})
        self.remote_incoming_window = flow.incoming_window - ahead

    def say_flow(
        self,
        handle: int | None = None,
        delivery_count: int | None = None,
        link_credit: int | None = None,
        available: int | None = None,
        *,
        drain: bool = False,
        properties: Fields | None = None,
    ) -> None:
        """Send a flow with the state of the session, and of a link if one is named."""
        self.incoming_window = INCOMING_WINDOW
        self._channel.say(
            Flow(
                next_incoming_id=self.next_incoming_id,
                incoming_window=INCOMING_WINDOW,
                next_outgoing_id=self.next_outgoing_id,
                outgoing_window=OUTGOING_WINDOW,
                handle=handle,
                delivery_count=delivery_count,
                link_credit=link_credit,
                available=available,
                drain=drain or None,
                properties=properties,
            )
        )
