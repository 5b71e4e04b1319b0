"""Conversations in STOMP written down: what clients send, and what comes back.

    a 1.1 activemq                              a client logs in, with this version and dialect
    a> SEND destination:/queue/q | body         it sends a frame; then the broker comes to rest
    a< MESSAGE destination:/queue/q | body      it was sent this frame, and no others than are written
    a. 2.5                                      seconds go by
    a!                                          its socket is lost
    a$                                          its connection has been closed by the broker

Headers are ``name:value``, and values have no spaces but those in double quotes. Of an expected frame only the headers
that are written are compared; ``-name`` says that it has no such header, ``name:*`` any value. ``$1`` is the ack
header, or else the message-id, of the first MESSAGE that came to anybody, ``$1.name`` another header of it.
"""

from __future__ import annotations

import re
import shlex
from codecs import decode

from batonmq.protocols.stomp.codec import encode_frame
from tests.support.driven import Driven
from tests.support.stomp import Client, Frame, settings

_LINE = re.compile(r"([a-z])([><.!$]?)\s*(.*)")
_GIVEN = re.compile(r"\$(\d+)(?:\.([a-z-]+))?")


class Script:
    """One conversation over a driven broker, which may go on in several pieces of text."""

    def __init__(self, driven: Driven) -> None:
        self.driven = driven
        self.clients: dict[str, Client] = {}
        self.messages: list[Frame] = []
        self._come: dict[str, list[Frame]] = {}

    def play(self, text: str) -> None:
        """Do what the lines say; AssertionError where something else comes."""
        for line in filter(None, map(str.strip, text.splitlines())):
            match = _LINE.fullmatch(line)
            assert match is not None, line
            name, kind, rest = match.groups()
            if kind == "<":
                self._expect(name, rest)
                continue
            self._rest(line)
            if kind == "":
                version, dialect, *headers = rest.split()
                client = self.clients[name] = Client(self.driven, settings(dialect))
                client.connect(version, **dict(header.split(":", 1) for header in headers))
            elif kind == ">":
                command, headers, body = _parsed(_GIVEN.sub(self._given, rest))
                # Whether a frame has a content-length is for the line to say.
                present = [(key, value) for key, value in headers.items() if value is not None]
                frame = encode_frame(command, present, version=self.clients[name].version)
                at = frame.rindex(b"\0")
                self.clients[name].session.receive(frame[:at] + body + frame[at:])
            elif kind == ".":
                self._take(name, self.clients[name].wait(float(rest)))
            elif kind == "!":
                self.clients.pop(name).lose()
            else:
                assert self.clients[name].has_ended(), line
            self._read()
        self._rest("the end")

    def _given(self, match: re.Match[str]) -> str:
        message = self.messages[int(match[1]) - 1]
        return message[match[2]] if match[2] else message.get("ack") or message["message-id"]

    def _read(self) -> None:
        for _ in range(2):
            for name, client in self.clients.items():
                self._take(name, client.read())

    def _take(self, name: str, frames: list[Frame]) -> None:
        self.messages += [frame for frame in frames if frame.command == "MESSAGE"]
        self._come.setdefault(name, []).extend(frames)

    def _rest(self, where: str) -> None:
        left = {name: frames for name, frames in self._come.items() if frames}
        assert not left, f"before {where}: {left}"

    def _expect(self, name: str, text: str) -> None:
        waiting = self._come.get(name)
        assert waiting, f"nothing came to {name}: {text}"
        frame = waiting.pop(0)
        command, headers, body = _parsed(_GIVEN.sub(self._given, text))
        assert frame.command == command, (text, frame)
        for key, value in headers.items():
            assert (frame.get(key) is not None) if value == "*" else frame.get(key) == value, (text, frame)
        if " |" in text:
            assert frame.body == body, (text, frame)


def _parsed(text: str) -> tuple[str, dict[str, str | None], bytes]:
    """Command, headers (None: it is not there) and body."""
    text, _, body = text.partition(" |")
    command, *fields = shlex.split(text)
    headers: dict[str, str | None] = {}
    for field in fields:
        if field.startswith("-"):
            headers[field[1:]] = None
        else:
            key, _, value = field.partition(":")
            headers[key] = decode(value, "unicode_escape") if "\\" in value else value
    return command, headers, decode(body.removeprefix(" "), "unicode_escape").encode()


def play(driven: Driven, text: str) -> None:
    """One conversation from its beginning to its end."""
    Script(driven).play(text)
