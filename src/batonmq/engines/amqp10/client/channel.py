"""The part of a session that its links share: frames, windows and unsettled deliveries (§2.5.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from batonmq.engines.amqp10.client.failures import PeerFault
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import Disposition, Flow, Received
from batonmq.protocols.amqp10.conditions import WINDOW_VIOLATION

if TYPE_CHECKING:
    from batonmq.engines.amqp10.client.output import Output
    from batonmq.protocols.amqp10.codec.performatives import Begin, DeliveryState, Performative

__all__ = ["WINDOW", "Channel"]

WINDOW: Final = 8192
"""Incoming transfers allowed in flight: the prefetch limits messages, this limits their frames."""
_MASK: Final = 0xFFFF_FFFF

Outcome: TypeAlias = Callable[[object, "DeliveryState | None"], None]
Changed: TypeAlias = Callable[[int, "DeliveryState | None"], None]


def distance(later: int, earlier: int) -> int:
    """How far one serial number is behind another (RFC 1982): negative if it comes before."""
    gap = (later - earlier) & _MASK
    return gap - (1 << 32) if gap >> 31 else gap


class Channel:
    """One session's side of the connection."""

    __slots__ = (
        "_coming",
        "_first",
        "_incoming_window",
        "_last",
        "_next_delivery_id",
        "_next_incoming_id",
        "_next_outgoing_id",
        "_outgoing",
        "_settled",
        "_state",
        "max_frame_size",
        "number",
        "output",
        "room",
    )

    def __init__(self, output: Output, number: int, max_frame_size: int) -> None:
        self.output = output
        self.number = number
        self.max_frame_size = max_frame_size
        """Octets of the largest frame that the broker takes."""
        self.room = 0
        """Transfers that the broker has room for."""
        self._next_delivery_id = 0
        self._next_outgoing_id = 0
        self._next_incoming_id: int | None = None
        self._incoming_window = WINDOW
        # Sent and unsettled: the recipient of each outcome, and its token.
        self._outgoing: dict[int, tuple[Outcome, object]] = {}
        # Received and unsettled: the receiver to tell if the broker settles first.
        self._coming: dict[int, Changed] = {}
        # A settled range whose disposition was not sent yet.
        self._first = self._last = -1
        self._state: DeliveryState | None = None
        self._settled = True

    # ------------------------------------------------------------------ frames

    def say(self, performative: Performative, payload: bytes = b"") -> None:
        """A frame of this session. Raises EncodeError."""
        self.flush()
        self.output.put(frame(self.number, performative, payload))

    def say_flow(
        self,
        handle: int | None = None,
        delivery_count: int | None = None,
        link_credit: int | None = None,
        *,
        drain: bool | None = None,
        echo: bool | None = None,
    ) -> None:
        """Send a flow with the state of the session, and of a link."""
        self._incoming_window = WINDOW
        self.say(
            Flow(
                next_incoming_id=self._next_incoming_id,
                incoming_window=WINDOW,
                next_outgoing_id=self._next_outgoing_id,
                outgoing_window=WINDOW,
                handle=handle,
                delivery_count=delivery_count,
                link_credit=link_credit,
                drain=drain,
                echo=echo,
            )
        )

    # ------------------------------------------------------------------ windows

    def begun(self, begin: Begin) -> None:
        """The broker's begin: its window, and the first number of its transfers."""
        self._next_incoming_id = begin.next_outgoing_id
        self.room = begin.incoming_window

    def flowed(self, flow: Flow) -> None:
        """The broker's flow for the session: its window (§2.5.6, remote-incoming-window)."""
        seen = flow.next_incoming_id if flow.next_incoming_id is not None else 0
        self.room = max(distance(seen + flow.incoming_window & _MASK, self._next_outgoing_id), 0)
        self._next_incoming_id = flow.next_outgoing_id

    def sent(self, count: int) -> None:
        """Count outgoing transfers."""
        self._next_outgoing_id = self._next_outgoing_id + count & _MASK
        self.room -= count

    def came(self, count: int) -> None:
        """Count incoming transfers. Raises PeerFault."""
        self._next_incoming_id = (self._next_incoming_id or 0) + count & _MASK
        self._incoming_window -= count
        if self._incoming_window < 0:
            raise PeerFault(WINDOW_VIOLATION, "more transfers came than the window has room for")
        if self._incoming_window < WINDOW // 2:
            self.say_flow()

    # ------------------------------------------------------------------ deliveries that went out

    def number_deliveries(self, count: int, awaited: tuple[Outcome, object] | None) -> int:
        """Number that many messages; returns the first delivery-id.

        ``awaited``: the recipient of each outcome, with a token; None: they are sent settled.
        """
        first = self._next_delivery_id
        self._next_delivery_id = first + count & _MASK
        if awaited is not None:
            outgoing = self._outgoing
            for number in range(first, first + count):
                outgoing[number & _MASK] = awaited
        return first

    def forget(self, tell: Outcome) -> None:
        """A link is gone: the outcomes of what it sent will not come."""
        for number in [number for number, (told, _) in self._outgoing.items() if told == tell]:
            del self._outgoing[number]

    # ------------------------------------------------------------------ deliveries that came

    def hold(self, delivery_id: int, changed: Changed) -> None:
        """Note an unsettled incoming delivery."""
        self._coming[delivery_id] = changed

    def settle(self, delivery_id: int, state: DeliveryState, *, settled: bool = True) -> None:
        """Settle a delivery with an outcome. Consecutive deliveries share one disposition."""
        if settled:
            self._coming.pop(delivery_id, None)
        if delivery_id == self._last + 1 and state is self._state and settled is self._settled:
            self._last = delivery_id
            return
        self.flush()
        self._first = self._last = delivery_id
        self._state = state
        self._settled = settled

    def let_go(self, changed: Changed) -> None:
        """A link is gone, with its unsettled deliveries."""
        for number in [number for number, told in self._coming.items() if told == changed]:
            del self._coming[number]

    def flush(self) -> None:
        """Send the pending disposition."""
        first, last = self._first, self._last
        if first < 0:
            return
        self._first = self._last = -1
        settled = Disposition(
            role=True,
            first=first,
            last=last if last != first else None,
            settled=self._settled,
            state=self._state,
        )
        self._state = None
        self.output.put(frame(self.number, settled))

    # ------------------------------------------------------------------ the broker's dispositions

    def disposed(self, disposition: Disposition) -> None:
        """The broker's disposition (§2.7.6)."""
        state = disposition.state
        settled = bool(disposition.settled)
        first = disposition.first
        last = disposition.last if disposition.last is not None else first
        if not disposition.role:
            for number in _named(first, last, self._coming):
                changed = self._coming[number]
                if settled:
                    del self._coming[number]
                changed(number, state)
            return
        if not settled and (state is None or isinstance(state, Received)):
            # An intermediate state, which is of no interest.
            return
        outgoing = self._outgoing
        for number in _named(first, last, outgoing):
            tell, token = outgoing.pop(number)
            if not settled:
                self.say(Disposition(role=False, first=number, settled=True, state=None))
            tell(token, state)


def _named(first: int, last: int, held: Mapping[int, object]) -> list[int]:
    """The ids in a range that are held, however absurd the range."""
    count = distance(last, first) + 1
    if count == 1:
        return [first] if first in held else []
    if count <= 0:
        return []
    if count > len(held):
        return [number for number in held if 0 <= distance(number, first) < count]
    return [number & _MASK for number in range(first, first + count) if number & _MASK in held]
