"""Frames out of a stream of bytes, whole or byte by byte, for either role.

A publisher sends much the same headers with every message. So the lines of a SEND are looked up before they are
parsed, without content-length and receipt, which are what differs most; if they are not known, without correlation-id;
and the frame that begins with the very bytes of the last one needs not even that.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from batonmq.protocols.stomp.codec import (
    NUL_IN_HEADERS,
    UNESCAPED,
    V10,
    V12,
    FrameError,
    Head,
    decode,
    parse_head,
    unescape,
)

__all__ = ["ERROR", "Event", "FrameParser"]

Event: TypeAlias = tuple[Head, "str | None", bytes]
"""A frame's command and headers, its receipt header, its body. A SEND's headers come without receipt."""

ERROR: Final = ""
"""The command of an event that is not a frame: its body is the text of the error. Nothing follows it."""

# The longest command line, in octets.
COMMAND_MAX: Final = 256
# The most cached heads of SEND frames, and the most octets of one.
CACHED_HEADS: Final = 64
CACHED_OCTETS: Final = 1024

_LINE_ENDS: Final = b"\n\r\0"
_CORRELATION: Final = b"\ncorrelation-id:"
# Text that means itself in every version, of as many octets as AMQP has a property for.
_PLAIN: Final = re.compile(rb"[ -\[\]-~]{1,255}")
# What most consumers of 1.2 send, with nothing else.
_PLAIN_ACK: Final = re.compile(rb"ACK\nid:([ -\[\]-~]{1,255})")

# What an unfinished frame waits for.
HEAD: Final = 0
LENGTH: Final = 1
NUL: Final = 2


class FrameParser:
    """Finds frames in what one connection brings."""

    __slots__ = (
        "_heads",
        "_last_block",
        "_last_head",
        "_last_length",
        "_need",
        "_pending",
        "_sized_heads",
        "_wait",
        "dead",
        "max_body",
        "max_head",
        "max_headers",
        "paused",
        "version",
    )

    def __init__(self, *, max_headers: int, max_head: int, max_body: int) -> None:
        """How many headers a frame may have, and how many octets command and headers together, and a body."""
        self.max_headers = max_headers
        self.max_head = max_head
        self.max_body = max_body
        self.version: str | None = None
        """The version that is spoken; None until it is agreed on."""
        self.paused = False
        """Is nothing more parsed until ``resume``? What follows a CONNECT depends on the answer to it."""
        self.dead = False
        """Has it come upon bytes that are no frame? Nothing is understood after them."""
        self._pending = bytearray()
        self._wait = HEAD
        self._need = 0
        # Of frames without content-length, and of those with it: to some brokers' clients that makes text or bytes.
        self._heads: dict[bytes, Head] = {}
        self._sized_heads: dict[bytes, Head] = {}
        self._last_block = b""
        self._last_head = Head(ERROR, {})
        self._last_length = -1

    @property
    def waiting(self) -> int:
        """Octets that came and were not parsed yet."""
        return len(self._pending)

    def resume(self, version: str | None) -> None:
        """Resume parsing, in this version (None: not negotiated yet); ``feed(b"")`` returns the frames held back."""
        self.version = version
        self.paused = False
        # The same bytes may mean something else in another version.
        self._heads.clear()
        self._sized_heads.clear()
        self._last_block = b""
        # Everything received so far is parsed.
        self._wait, self._need = LENGTH, 0

    def feed(self, data: bytes) -> list[Event]:
        """The frames that are complete with these bytes."""
        if self.dead:
            return []
        if self._pending:
            pending = self._pending
            start = len(pending)
            pending += data
            if self.paused or not self._goes_on(pending, start):
                return []
            data = bytes(pending)
            self._pending = bytearray()
        elif self.paused:
            self._pending += data
            return []
        events: list[Event] = []
        try:
            at = self._parse(data, events)
        except FrameError as error:
            self.dead = True
            events.append((Head(ERROR, {}), None, str(error).encode()))
            return events
        if at < len(data):
            self._pending += memoryview(data)[at:]
        return events

    def _goes_on(self, pending: bytearray, start: int) -> bool:
        """Do the bytes from ``start`` on allow progress that was not possible before?"""
        if self._wait == LENGTH:
            return len(pending) >= self._need
        if pending.find(0, start) >= 0:
            return True
        if self._wait == NUL:
            return len(pending) > self._need
        around = max(0, start - 2)
        return (
            len(pending) > self.max_head
            or pending.find(b"\n\n", around) >= 0
            or pending.find(b"\n\r\n", around) >= 0
            # By then it must have a command.
            or start <= COMMAND_MAX < len(pending)
        )

    def _parse(self, data: bytes, events: list[Event]) -> int:
        """Parse frames; returns where the first incomplete one begins. Raises FrameError."""
        at = 0
        size = len(data)
        while True:
            # Line ends between frames are heart-beats; stray NULs are what some clients send along.
            while at < size and data[at] in _LINE_ENDS:
                at += 1
            if at == size or self.paused:
                return at
            receipt: str | None = None
            if self._last_block and data.startswith(self._last_block, at):
                head, length = self._last_head, self._last_length
                start = at + len(self._last_block)
            else:
                end, start = self._head_end(data, at)
                if end < 0:
                    self._wait = HEAD
                    return at
                head, length, receipt = self._head(data[at:end])
                if receipt is None and head.prepared is not None:
                    self._last_block, self._last_head, self._last_length = data[at:start], head, length
            if length >= 0:
                stop = start + length
                if stop >= size:
                    self._wait, self._need = LENGTH, stop + 1 - at
                    return at
                if data[stop]:
                    raise FrameError(f"no NUL octet follows the {length} octets of the body (content-length)")
            else:
                stop = data.find(0, start)
                if (stop if stop >= 0 else size) - start > self.max_body:
                    raise FrameError(f"the body is larger than {self.max_body} octets")
                if stop < 0:
                    self._wait, self._need = NUL, start - at + self.max_body
                    return at
            events.append((head, receipt, data[start:stop]))
            at = stop + 1
            if self.version is None and head.command in UNESCAPED:
                self.paused = True

    def _head_end(self, data: bytes, at: int) -> tuple[int, int]:
        """Where the last header line ends and where the body begins; -1: not there yet. Raises FrameError."""
        line = data.find(b"\n", at, at + COMMAND_MAX)
        if line < 0:
            if len(data) - at > COMMAND_MAX or data.find(0, at) >= 0:
                raise FrameError(f"no command in the first octets of a frame: {data[at : at + 16]!r}")
            return -1, 0
        limit = at + self.max_head
        # The kind of line end that the command has is looked for first: the other one may be far away.
        if data[line - 1] == 13:
            long = data.find(b"\n\r\n", line, limit)
            short = data.find(b"\n\n", line, limit if long < 0 else long + 1)
        else:
            short = data.find(b"\n\n", line, limit)
            long = data.find(b"\n\r\n", line, limit if short < 0 else short + 2)
        if short >= 0 and (long < 0 or short < long):
            return short, short + 2
        if long >= 0:
            return long, long + 3
        if len(data) > limit:
            raise FrameError(f"the headers are larger than {self.max_head} octets")
        if data.find(0, at) >= 0:
            raise FrameError(NUL_IN_HEADERS)
        return -1, 0

    def _head(self, block: bytes) -> tuple[Head, int, str | None]:
        """Command and headers, content-length (-1: none) and receipt. Raises FrameError."""
        if not block.startswith((b"SEND\n", b"SEND\r\n")):
            if self.version == V12 and (ack := _PLAIN_ACK.fullmatch(block)) is not None:
                return Head("ACK", {"id": ack[1].decode()}), -1, None
            head = parse_head(block, self.version, self.max_headers)
            return head, self._length(head.headers.get("content-length")), head.headers.get("receipt")
        length, block = _cut(block, b"\ncontent-length:")
        receipt, block = _cut(block, b"\nreceipt:")
        heads = self._heads if length is None else self._sized_heads
        known = heads.get(block)
        if known is None:
            cut = (length is not None) + (receipt is not None)
            known = self._like_others(heads, block, cut, is_sized=length is not None)
            if known is None:
                known = self._new_head(heads, block, cut, is_sized=length is not None)
        text = None if receipt is None else self._text(receipt, block)
        size = None if length is None else length.decode(errors="replace")
        if self.version == V10:
            # Names may be padded, so that they were not found.
            if size is None:
                size = known.headers.get("content-length")
            if text is None:
                text = known.headers.get("receipt")
        return known, self._length(size), text

    def _like_others(self, heads: dict[bytes, Head], block: bytes, cut: int, *, is_sized: bool) -> Head | None:
        """The head of a SEND that differs from others in its correlation-id, which is plain text; None: it is not so.

        Raises FrameError.
        """
        if self.version is None or self.version == V10:
            return None
        value, rest = _cut(block, _CORRELATION)
        # It is the first of its name that counts.
        if value is None or _PLAIN.fullmatch(value) is None or _CORRELATION in rest:
            return None
        like = heads.get(rest)
        if like is None:
            like = self._new_head(heads, rest, cut + 1, is_sized=is_sized)
        headers = like.headers.copy()
        headers["correlation-id"] = value.decode()
        return Head(like.command, headers, is_sized=like.is_sized, like=like)

    def _new_head(self, heads: dict[bytes, Head], block: bytes, cut: int, *, is_sized: bool) -> Head:
        """The head of a SEND from whose headers that many were cut. Raises FrameError."""
        count = block.count(b"\n") + cut
        if count > self.max_headers:
            raise FrameError(f"more than {self.max_headers} headers")
        head = parse_head(block, self.version, self.max_headers, is_sized=is_sized)
        # A cached head must have room for all three headers that are cut.
        if len(block) <= CACHED_OCTETS and count + 3 <= self.max_headers:
            if len(heads) >= CACHED_HEADS:
                heads.clear()
            heads[block] = head
        return head

    def _text(self, value: bytes, block: bytes) -> str:
        """The value of a header that was cut out of the block. Raises FrameError."""
        if 0 in value:
            # As in the rest of the block: which of the two it is may not depend on how much came at once.
            raise FrameError(NUL_IN_HEADERS)
        if value.endswith(b"\r") and (self.version is None or self.version == V12 or block.startswith(b"SEND\r")):
            value = value[:-1]
        text = decode(value, self.version)
        if self.version is None:
            return text
        return text.strip(" \t") if self.version == V10 else unescape(text, self.version)

    def _length(self, text: str | None) -> int:
        if text is None:
            return -1
        digits = text.strip()
        if not (digits.isascii() and digits.isdigit()):
            raise FrameError(f"content-length is no number: {text[:32]!r}")
        if len(digits) > 18 or int(digits) > self.max_body:
            raise FrameError(f"the body is larger than {self.max_body} octets")
        return int(digits)


def _cut(block: bytes, name: bytes) -> tuple[bytes | None, bytes]:
    """A header's value, or None, and the lines without it."""
    at = block.find(name)
    if at < 0:
        return None, block
    end = block.find(b"\n", at + 1)
    if end < 0:
        end = len(block)
    return block[at + len(name) : end], block[:at] + block[end:]
