"""The list of a message's properties (part 3 §3.2.4) as parts of a list of AMQP 0-9-1 (§4.2.6.1).

A short string has the same octets in both. A list that differs from the last one only in the message's id and its time
of creation, like those of one JMS producer, is compared and not parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq import property_list as basic
from batonmq.protocols.amqp10.messages.entries import is_text, named_text
from batonmq.protocols.amqp10.messages.identifiers import fits, names_queue, reply_as_text
from batonmq.protocols.amqp10.messages.tables import GROUP, GROUP_SEQUENCE, REPLY_TO_GROUP

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.messages.leads import Lead

__all__ = ["PropertyList"]

# Places in the list of properties (part 3 §3.2.4).
_ID: Final = 0
_USER: Final = 1
_TO: Final = 2
_SUBJECT: Final = 3
_REPLY_TO: Final = 4
_CORRELATION: Final = 5
_CONTENT_TYPE: Final = 6
_ENCODING: Final = 7
_EXPIRY: Final = 8
_CREATED: Final = 9
_GROUP: Final = 10
_SEQUENCE: Final = 11
_REPLY_GROUP: Final = 12
_COUNT: Final = 13
# The constructors of short strings and symbols by place, and the flags of the resulting properties.
_TEXTS: Final = (0xA1, -1, 0xA1, 0xA1, 0xA1, 0xA1, 0xA3, 0xA3, -1, -1, 0xA1, -1, 0xA1)
_FLAGS: Final = (
    basic.MESSAGE_ID,
    basic.USER_ID,
    0,
    basic.TYPE,
    basic.REPLY_TO,
    basic.CORRELATION_ID,
    basic.CONTENT_TYPE,
    basic.CONTENT_ENCODING,
    0,
    basic.TIMESTAMP,
    basic.APP_ID,
    0,
    0,
)
_NULL: Final = 0x40
_STRING: Final = 0xA1
_TIMESTAMP: Final = 0x83
_UUID: Final = 0x98
_SYMBOL: Final = 0xA3
_BINARY: Final = 0xA0
_ULONG: Final = 0x80
_SMALL_ULONG: Final = 0x53
_ULONG0: Final = 0x44
_UINT: Final = 0x70
_SMALL_UINT: Final = 0x52
_UINT0: Final = 0x43
_LIST8: Final = 0xC0
_LIST32: Final = 0xD0
_LIST0: Final = 0x45


class PropertyList:
    """The list of the last message of one link, in parts."""

    __slots__ = (
        "_count",
        "_middle",
        "_tail",
        "created",
        "flags",
        "groups",
        "identifier",
        "is_correlated",
        "rest",
        "subject",
        "thousandths",
        "to",
        "types",
        "ways",
    )

    def __init__(self) -> None:
        self.flags = 0
        """The flags of the resulting properties, and of those from the header."""
        self.types = b""
        """Content-type and encoding, which come before the headers."""
        self.ways = b""
        """Between the headers and the id: delivery mode and priority, correlation-id, reply-to, expiration."""
        self.identifier = b""
        self.created = b""
        """The time of creation, in seconds."""
        self.rest = b""
        """The properties after that: type, user-id, app-id."""
        self.thousandths = b""
        """The octets of the time of creation in milliseconds, if it is not in whole seconds."""
        self.groups = b""
        """The headers of groups, as entries of a table."""
        self.is_correlated = False
        """Does it have a correlation-id?"""
        self.to = b""
        """That property, after its length."""
        self.subject = b""
        """That property, after its length."""
        # The octets of the list between id and time, and after the time, and its number of properties; b"": it does not
        # have both.
        self._middle = self._tail = b""
        self._count = 0

    def forget(self) -> None:
        """Forget the last list, which was not read to its end, or had another header."""
        self._middle = b""

    def read(self, data: bytes, at: int, lead: Lead) -> int:
        """Read the properties that begin at ``at``, if there are any, after that header.

        Returns where they end; 0: `heads` has to read, or refuse, some of them. Raises IndexError.
        """
        if self._middle:
            stop = self._read_like(data, at)
            if stop:
                return stop
        return self._read_any(data, at, lead)

    def _read_like(self, data: bytes, at: int) -> int:
        """Read the properties that begin at ``at``, if they differ from the last only in id and time of creation.

        Returns where they end; 0: they differ in more. Raises IndexError.
        """
        if not data.startswith(b"\x00Ss\xc0", at) or data[at + 5] != self._count:
            return 0
        start = at + 6
        if data[start] == _STRING:
            end = start + 2 + data[start + 1]
            identifier = data[start + 1 : end]
            if not identifier.isascii():
                return 0
        else:
            held = [b""]
            end = _read_other(data, start, _ID, held)
            identifier = held[0]
        middle = self._middle
        if not end or not data.startswith(middle, end):
            return 0
        start = end + len(middle)
        end = start + 8
        octets = data[start:end]
        tail = self._tail
        stop = end + len(tail)
        if not data.startswith(tail, end) or at + 5 + data[at + 4] != stop:
            return 0
        self.identifier = identifier
        moment = int.from_bytes(octets, "big", signed=True)
        self.created = (moment // 1000).to_bytes(8, "big", signed=True)
        self.thousandths = octets if moment % 1000 else b""
        return stop

    def _read_any(self, data: bytes, at: int, lead: Lead) -> int:
        """Read the properties that begin at ``at``, if any; returns where they end, or 0: they cannot be read here.

        Raises IndexError.
        """
        found = [b""] * _COUNT
        self._middle = b""
        self.flags = lead.flags
        self.thousandths = b""
        if data.startswith(b"\x00Ss", at):
            at = self._read_list(data, at + 3, found, lead)
            if not at or (found[_REPLY_TO] and not _name_queue(found)):
                self._middle = b""
                return 0
        self.identifier = found[_ID]
        self.created = found[_CREATED]
        self.is_correlated = bool(found[_CORRELATION])
        self.to = found[_TO]
        self.subject = found[_SUBJECT]
        # In the order of 0-9-1 §4.2.6.1.
        self.types = found[_CONTENT_TYPE] + found[_ENCODING]
        self.ways = lead.mode + found[_CORRELATION] + found[_REPLY_TO] + lead.expiration
        self.rest = found[_SUBJECT] + found[_USER] + found[_GROUP]
        self.groups = _of_groups(found) if found[_GROUP] or found[_REPLY_GROUP] else b""
        return at

    def _read_list(self, data: bytes, at: int, found: list[bytes], lead: Lead) -> int:
        """Read the list that begins at ``at`` by places; returns where it ends, or 0: it cannot be read here.

        Raises IndexError.
        """
        code = data[at]
        is_short = code == _LIST8
        if is_short:
            stop = at + 2 + data[at + 1]
            count = data[at + 2]
            at += 3
        elif code == _LIST32:
            stop = at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
            count = int.from_bytes(data[at + 5 : at + 9], "big")
            at += 9
        else:
            return at + 1 if code == _LIST0 else 0
        if count > _COUNT:
            return 0
        flags = 0
        second = 0
        for place in range(count):
            code = data[at]
            if code == _NULL:
                at += 1
                continue
            if code == _TEXTS[place]:
                end = at + 2 + data[at + 1]
                text = data[at + 1 : end]
                if not text.isascii() and (code == _SYMBOL or not is_text(text)):
                    return 0
                found[place] = text
                at = end
            elif place == _CREATED and code == _TIMESTAMP:
                end = at + 9
                octets = data[at + 1 : end]
                moment = int.from_bytes(octets, "big", signed=True)
                found[_CREATED] = (moment // 1000).to_bytes(8, "big", signed=True)
                if moment % 1000:
                    self.thousandths = octets
                if is_short and second:
                    self._middle = data[second : at + 1]
                    self._tail = data[end:stop]
                    self._count = count
                at = end
            else:
                at = _read_other(data, at, place, found)
                # With a time to live, the expiry time is ignored.
                if not at or (place == _EXPIRY and not lead.expiration):
                    return 0
            if place == _ID:
                second = at
            flags |= _FLAGS[place]
        if at != stop:
            return 0
        self.flags |= flags
        return at


def _read_other(data: bytes, at: int, place: int, found: list[bytes]) -> int:
    """Read a property that is not a short string; returns where the next one begins, or 0: it cannot be read here.

    Raises IndexError.
    """
    code = data[at]
    if place in (_ID, _CORRELATION):
        if code == _UUID:
            digits = data[at + 1 : at + 17].hex()
            text = f"-urn:uuid:{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
            # The length, 45, is the number of the dash.
            found[place] = text.encode()
            return at + 17
        if code == _ULONG:
            digits_of = b"%d" % int.from_bytes(data[at + 1 : at + 9], "big")
            at += 9
        elif code == _SMALL_ULONG:
            digits_of = b"%d" % data[at + 1]
            at += 2
        elif code == _ULONG0:
            digits_of = b"0"
            at += 1
        else:
            return 0
        found[place] = b"%c%b" % (len(digits_of), digits_of)
        return at
    if place == _USER and code == _BINARY:
        end = at + 2 + data[at + 1]
        text_of = data[at + 1 : end]
        if b"\0" in text_of[1:] or not is_text(text_of):
            return 0
        found[place] = text_of
        return end
    if place == _SEQUENCE:
        if code == _UINT:
            found[place] = data[at + 1 : at + 5]
            return at + 5
        if code == _SMALL_UINT:
            found[place] = b"\0\0\0%c" % data[at + 1]
            return at + 2
        if code == _UINT0:
            found[place] = b"\0\0\0\0"
            return at + 1
    if place == _EXPIRY and code == _TIMESTAMP:
        return at + 9
    return 0


def _name_queue(found: list[bytes]) -> bool:
    """Replace the address of a queue in reply-to by its name. False: it does not fit."""
    text = found[_REPLY_TO][1:]
    if names_queue(text):
        name = reply_as_text(text.decode())
        if not fits(name):
            return False
        octets = name.encode(errors="surrogateescape")
        found[_REPLY_TO] = b"%c%b" % (len(octets), octets)
    return True


def _of_groups(found: list[bytes]) -> bytes:
    """The headers of groups."""
    more = b""
    if found[_GROUP]:
        more = named_text(GROUP, found[_GROUP])
        number = found[_SEQUENCE]
        if number:
            more += b"%c%b%c%b" % (
                len(GROUP_SEQUENCE),
                GROUP_SEQUENCE.encode(),
                0x49 if number[0] < 128 else 0x69,
                number,
            )
    if found[_REPLY_GROUP]:
        more += named_text(REPLY_TO_GROUP, found[_REPLY_GROUP])
    return more
