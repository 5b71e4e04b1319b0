"""Frames as bytes, for either role: escaping by version, header lines, encoding (STOMP 1.2 "STOMP Frames").

What a client or a server sends is encoded by ``encode_frame``; ``parse_head`` reads a command and its headers, and
``FrameParser`` (parser.py) finds frames in a stream.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "NUL_IN_HEADERS",
    "V10",
    "V11",
    "V12",
    "FrameError",
    "Head",
    "encode_frame",
    "escape",
    "header_lines",
    "octets",
    "parse_head",
    "unescape",
]

V10: Final = "1.0"
V11: Final = "1.1"
V12: Final = "1.2"

# These are never escaped, so that a 1.0 peer can read them (STOMP 1.2 "Value Encoding").
UNESCAPED: Final = frozenset({"CONNECT", "CONNECTED", "STOMP"})

NUL_IN_HEADERS: Final = "a NUL octet stands in the headers: the blank line before the body is missing"

_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_MEANINGS: Final[dict[str, dict[str, str]]] = {
    V11: {"n": "\n", "c": ":", "\\": "\\"},
    V12: {"n": "\n", "c": ":", "\\": "\\", "r": "\r"},
}


class FrameError(Exception):
    """Bytes that are not a frame, or too large a one; nothing after them can be parsed."""


class Head:
    """A command and its headers, the first of each name (STOMP 1.2 "Repeated Header Entries").

    One object serves all equal frames of a publisher.
    """

    __slots__ = ("command", "headers", "is_sized", "like", "prepared")

    def __init__(
        self, command: str, headers: dict[str, str], *, is_sized: bool = False, like: Head | None = None
    ) -> None:
        self.command = command
        self.headers = headers
        self.like = like
        """The head of frames without a correlation-id that are equal otherwise; None: none is known."""
        self.is_sized = is_sized
        """Do the frames say how long their bodies are? That header may be left out of ``headers``."""
        self.prepared: object = None
        """The parsed form that the handler of the frames built from the headers; None: none yet."""

    def keep(self, prepared: object) -> None:
        """Keep the parsed form of the headers."""
        self.prepared = prepared

    def __repr__(self) -> str:
        return f"<{self.command} {self.headers!r}>"


def unescape(text: str, version: str) -> str:
    """A header's name or value, unescaped. Raises FrameError for an escape that the version does not know."""
    if "\\" not in text or version == V10:
        return text
    meanings = _MEANINGS[version]

    def meaning(match: re.Match[str]) -> str:
        found = meanings.get(match[1])
        if found is None:
            raise FrameError(f"undefined escape sequence {match[0]!r} in a header of STOMP {version}")
        return found

    return _ESCAPED.sub(meaning, text)


def escape(text: str, version: str) -> str:
    """A header's name or value, escaped.

    Characters that the version cannot represent become spaces: NUL, which many parsers take for the end of a frame, and
    in 1.0 line ends.
    """
    if "\0" in text:
        text = text.replace("\0", " ")
    if version == V10:
        return text.replace("\n", " ") if "\n" in text else text
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if "\n" in text:
        text = text.replace("\n", "\\n")
    if ":" in text:
        text = text.replace(":", "\\c")
    if version == V12 and "\r" in text:
        text = text.replace("\r", "\\r")
    return text


def octets(text: str, version: str) -> bytes:
    """A frame's text as UTF-8; in 1.0, which has no encoding, what was not UTF-8 goes out as it came.

    In later versions, whose frames must be UTF-8, such octets become replacement characters.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        data = text.encode(errors="surrogateescape")
        return data if version == V10 else data.decode(errors="replace").encode()


def decode(data: bytes, version: str | None) -> str:
    """Text from a header; 1.0 says nothing about encodings. Raises FrameError."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if version == V10:
            return data.decode(errors="surrogateescape")
        raise FrameError(f"a header is not UTF-8: {error.reason} at octet {error.start}") from None


def parse_head(block: bytes, version: str | None, max_headers: int, *, is_sized: bool = False) -> Head:
    """A frame's lines up to the blank one, without the last line end.

    ``version`` is None before it was agreed on. Line ends are LF, or CR LF if the command's is one, and anywhere in
    frames that are, or may be, 1.2. ``is_sized``: the frame has a content-length that is not in the block. Raises
    FrameError.
    """
    if b"\0" in block:
        raise FrameError(NUL_IN_HEADERS)
    text = decode(block, version)
    lines = text.split("\n")
    if len(lines) - 1 > max_headers:
        raise FrameError(f"more than {max_headers} headers")
    command = lines[0]
    if "\r" in text and (command.endswith("\r") or version is None or version == V12):
        lines = [line.removesuffix("\r") for line in lines]
        command = lines[0]
    headers: dict[str, str] = {}
    is_escaped = version is not None and version != V10 and "\\" in text and command not in UNESCAPED
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise FrameError(f"a header line without a colon: {line[:64]!r}")
        if is_escaped:
            assert version is not None
            name, value = unescape(name, version), unescape(value, version)
        elif version == V10:
            # Examples of 1.0 pad; later versions forbid to trim.
            name, value = name.strip(" \t"), value.strip(" \t")
        if not name:
            raise FrameError("a header without a name")
        if name not in headers:
            headers[name] = value
    if version is None and _is_oldest(command, headers):
        headers = _trimmed(headers)
    return Head(command, headers, is_sized=is_sized or "content-length" in headers)


def _is_oldest(command: str, headers: dict[str, str]) -> bool:
    """Does a frame that negotiates the version allow only 1.0?"""
    if command == "CONNECTED":
        return headers.get("version", V10).strip() == V10
    return command in UNESCAPED and headers.get("accept-version", V10).strip() == V10


def _trimmed(headers: dict[str, str]) -> dict[str, str]:
    trimmed: dict[str, str] = {}
    for name, value in headers.items():
        trimmed.setdefault(name.strip(" \t"), value.strip(" \t"))
    if "" in trimmed:
        raise FrameError("a header without a name")
    return trimmed


def encode_frame(
    command: str, headers: Iterable[tuple[str, str]], body: bytes = b"", version: str | None = V12
) -> bytes:
    """A whole frame. With a body it gets its content-length, unless ``headers`` have one.

    Names that the version cannot say are left out. CONNECT, CONNECTED and STOMP are never escaped. ``version`` None is
    as good as 1.0.
    """
    spoken = V10 if version is None or command in UNESCAPED else version
    lines = header_lines(headers, spoken)
    if body and not any(line.startswith("content-length:") for line in lines):
        lines.append(f"content-length:{len(body)}\n")
    # A line end after the NUL is allowed, and what the oldest clients look for.
    return b"%b\n%b\n%b\0\n" % (command.encode(), octets("".join(lines), spoken), body)


def header_lines(headers: Iterable[tuple[str, str]], version: str) -> list[str]:
    """Encoded headers, each with its line end.

    Those with names that the version cannot represent are left out: an empty name, which AMQP allows, and in 1.0 one
    with a colon.
    """
    return [
        f"{escape(name, version)}:{escape(value, version)}\n"
        for name, value in headers
        if (name if version != V10 else ":" not in name and name.strip())
    ]
