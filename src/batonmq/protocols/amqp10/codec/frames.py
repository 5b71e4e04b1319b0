"""From bytes to events, for either role: protocol headers, frames and their performatives (part 2 §2.2, §2.3)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.composites import decode_composite
from batonmq.protocols.amqp10.codec.constants import (
    AMQP_HEADER,
    CHANNEL_MAX,
    ERROR,
    FRAME,
    FRAME_AMQP,
    FRAME_HEAD,
    FRAME_LIMIT,
    FRAME_MIN,
    FRAME_SASL,
    HEADER,
    HEARTBEAT,
    SASL,
    SASL_HEADER,
    TRANSFER,
)
from batonmq.protocols.amqp10.codec.dispositions import MARK as DISPOSITION_MARK, DispositionReader, FrameEvent
from batonmq.protocols.amqp10.codec.flows import read_flow
from batonmq.protocols.amqp10.codec.kinds import DecodeError
from batonmq.protocols.amqp10.codec.performatives import Disposition, Performative, SaslPerformative, Transfer
from batonmq.protocols.amqp10.codec.transfers import RunEvent, TransferEvent, TransferReader

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.codec.composites import Composite

__all__ = ["Event", "FrameParser"]

HeaderEvent: TypeAlias = tuple[Literal[1], bytes]
SaslEvent: TypeAlias = tuple[Literal[3], SaslPerformative]
HeartbeatEvent: TypeAlias = tuple[Literal[4]]
ErrorEvent: TypeAlias = tuple[Literal[6], str, str]
Event: TypeAlias = HeaderEvent | FrameEvent | SaslEvent | HeartbeatEvent | TransferEvent | RunEvent | ErrorEvent
"""The events of feed(). The first element is the kind; constants.py describes the others."""

# Size, data offset, type, channel.
_frame_head: Final = struct.Struct(">IBBH").unpack_from

# The size of a frame that is not a frame but a protocol header.
_HEADER_MARK: Final = int.from_bytes(AMQP_HEADER[:4], "big")
# Pieces of a frame with fewer octets than this are joined with others.
SMALL_PIECE: Final = 4096

_HEARTBEAT: Final[HeartbeatEvent] = (HEARTBEAT,)


class _Fault(Exception):
    """The peer broke the protocol: the contents of an ERROR event."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


class FrameParser:
    """Bytes in, in any pieces; events out.

    The first bytes have to be a protocol header; another one may come in place of a frame. ``max_frame_size`` is the
    size in octets of the largest accepted frame, its head included; `limit` sets it when it is negotiated. An
    incomplete frame takes at most that much memory, and its performative no more than a small multiple.

    With ``gathers`` similar deliveries are reported as runs, without their tags, and similar dispositions of
    consecutive deliveries as one; otherwise each of them is an event.
    """

    __slots__ = (
        "_channel_max",
        "_dispositions",
        "_held",
        "_held_size",
        "_limit",
        "_needed",
        "_started",
        "_transfers",
        "dead",
    )

    def __init__(self, max_frame_size: int = FRAME_MIN, *, gathers: bool = False) -> None:
        self.dead = False
        """Nothing more is parsed: the peer broke the protocol, or speaks another."""
        self._started = False
        self._transfers = TransferReader(gathers=gathers)
        self._dispositions = DispositionReader(gathers=gathers)
        # The beginning of a frame, in pieces, and how many bytes are needed before the next attempt.
        self._held: list[bytes | bytearray] = []
        self._held_size = 0
        self._needed = 0
        self.limit(max_frame_size)

    def limit(self, max_frame_size: int, channel_max: int = CHANNEL_MAX) -> None:
        """Set the largest frame in octets, and the highest channel."""
        self._limit = min(max_frame_size, FRAME_LIMIT)
        self._transfers.forget()
        self._dispositions.forget()
        self._channel_max = channel_max

    def feed(self, data: bytes) -> list[Event]:
        """Parse input; returns the events that it completes, in order. Errors of the peer are events, too."""
        if self.dead:
            return []
        if self._held:
            self._hold_more(data)
            if self._held_size < self._needed:
                return []
            data = b"".join(self._held)
            self._held.clear()
        events: list[Event] = []
        try:
            at = self._parse(data, events)
        except (_Fault, DecodeError) as fault:
            self.dead = True
            events.append((ERROR, fault.condition, str(fault)))
            return events
        if at < len(data) and not self.dead:
            self._hold(data[at:])
        return events

    def _hold(self, rest: bytes) -> None:
        """Keep the beginning of a frame until the rest of it comes."""
        self._held.append(rest)
        self._held_size = len(rest)
        self._needed = FRAME_HEAD
        if len(rest) >= FRAME_HEAD:
            self._needed = int.from_bytes(rest[:4], "big")

    def _hold_more(self, piece: bytes) -> None:
        """Join small pieces as they arrive, as separate ones would take many times their size."""
        self._held_size += len(piece)
        last = self._held[-1]
        if len(piece) >= SMALL_PIECE:
            self._held.append(piece)
        elif isinstance(last, bytearray):
            last += piece
        else:
            self._held.append(bytearray(piece))

    def _parse(self, data: bytes, events: list[Event]) -> int:
        """Parse all whole frames; return where the rest begins. Raises _Fault, DecodeError."""
        end = len(data)
        at = 0
        most = self._limit
        transfers = self._transfers
        if not self._started and end >= FRAME_HEAD:
            self._started = True
            at = self._take_header(data, at, events)
        while not self.dead:
            at = transfers.run(data, at, end, most, events.append)
            if end - at < FRAME_HEAD:
                break
            size, offset, kind, channel = _frame_head(data, at)
            if size == _HEADER_MARK:
                at = self._take_header(data, at, events)
                continue
            if size > most:
                raise _Fault(conditions.FRAMING_ERROR, f"a frame has {size} octets, and may have at most {most}")
            start = at + 4 * offset
            stop = at + size
            if size < FRAME_HEAD or offset < 2 or start > stop:
                text = f"a frame of {size} octets has its body at octet {4 * offset}"
                raise _Fault(conditions.FRAMING_ERROR, text)
            if stop > end:
                break
            if kind == FRAME_AMQP:
                if channel > self._channel_max:
                    text = f"channel {channel} is above the highest, {self._channel_max}"
                    raise _Fault(conditions.FRAMING_ERROR, text)
                if data.startswith(DISPOSITION_MARK, start) and offset == 2:
                    at = self._take_dispositions(data, at, stop, channel, events)
                    continue
                if (flow := read_flow(data, start, stop)) is not None:
                    events.append((FRAME, channel, flow, b""))
                else:
                    event = transfers.read(data, at, stop, channel) if offset == 2 else None
                    events.append(event or self._read(data[start:stop], channel))
            elif kind == FRAME_SASL:
                events.append(_read_sasl(data[start:stop]))
            else:
                raise _Fault(conditions.FRAMING_ERROR, f"no frame has the type {kind}")
            at = stop
        return at

    def _take_dispositions(self, data: bytes, at: int, stop: int, channel: int, events: list[Event]) -> int:
        """Parse a frame that begins like a disposition, and similar ones after it; returns where they end."""
        after = self._dispositions.run(data, at, len(data), events.append)
        if after > at:
            return after
        event = self._read(data[at + FRAME_HEAD : stop], channel)
        events.append(event)
        if event[0] == FRAME and isinstance(event[2], Disposition):
            self._dispositions.note(data, at, stop, channel, event[2])
        return stop

    def _take_header(self, data: bytes, at: int, events: list[Event]) -> int:
        header = data[at : at + FRAME_HEAD]
        events.append((HEADER, header))
        self.dead = header not in (AMQP_HEADER, SASL_HEADER)
        return at + FRAME_HEAD

    def _read(self, body: bytes, channel: int) -> FrameEvent | TransferEvent | HeartbeatEvent:
        """The body of a frame of the connection. Raises DecodeError."""
        if not body:
            return _HEARTBEAT
        value, at = decode_composite(body)
        if isinstance(value, Transfer):
            shape = self._transfers.shape_of(value)
            return TRANSFER, channel, shape, value.delivery_id, value.delivery_tag, body[at:]
        _expect(value, "Performative")
        return FRAME, channel, cast("Performative", value), body[at:]


def _read_sasl(body: bytes) -> SaslEvent:
    """The body of a frame of the log-in. Raises DecodeError."""
    value, at = decode_composite(body)
    _expect(value, "SaslPerformative")
    if at != len(body):
        raise DecodeError(f"{len(body) - at} octets are left behind {value.NAME}")
    return SASL, cast("SaslPerformative", value)


def _expect(value: Composite, archetype: str) -> None:
    if archetype not in value.PROVIDES:
        raise DecodeError(f"{value.NAME} does not belong into a frame of this type")
