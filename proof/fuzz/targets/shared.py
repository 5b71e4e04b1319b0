"""A file that processes share: the frames of its socket, notes beside it, and both sides of the socket as a whole."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Hashable
from pathlib import Path

import msgspec

from batonmq.engines.shared import answers, commands, roll, wire
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.socket_path import socket_path_of_note
from batonmq.engines.values import QueueOptions
from batonmq.store.file_lock import Locked
from proof.fuzz.folders import new_folder
from proof.fuzz.sessions import shared_guest, shared_owner
from proof.fuzz.target import Take, Target, ensure

COMMANDS: tuple[Numbered, ...] = (
    commands.Resume(
        0, 5, 4711, [1], [(1, "q", 10, None, 3)], [(1, 2, 5, 1, 2.0)], [(3, "q", 5, 1, "accept", "", None)]
    ),
    commands.Declare(1, "q", QueueOptions(max_priority=3, dead_letter="dead", ttl=5.0)),
    commands.Send(2, 1, "q", [(b"body", b"\x00\x00", 0.0)]),
    commands.Subscribe(3, 1, "q", 10, 5.0),
    commands.Settle(4, 1, 1, "release", "", 0.5),
    commands.Transact(5, 1, [("q", (b"body", b"\x00\x00", 0.0))], [(1, 1)]),
)
ANSWERS: tuple[Numbered, ...] = (
    answers.Hello(0, wire.VERSION, 4711, 3),
    answers.Arrived(1, [((b"body", b"\x00\x00", 0.0), 1, False, 1, 5, "", "q")]),
    answers.Resumed(0, [(1, 1)], [(2, 1)], [(1, "NotFound", "it is gone")], [(3, True)]),
    answers.Failed(3, "NotFound", "it is gone"),
    answers.Counted(4, 5),
)
WORDS = (
    b"\x91" * 3000,
    b"\x81\xa1a",
    b"\xcf" + b"\xff" * 8,
    b"\xcb\x7f\xf8" + bytes(6),
    b"\xcb\x7f\xf0" + bytes(6),
    b"\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xa4Send",
    b"\x7f\xff\xff\xff",
)


def _frames(read: Callable[[FrameStream], Numbered | None]) -> Take:
    def all_of(data: bytes, found: list[Numbered]) -> None:
        here, there = socket.socketpair()
        with here, there:
            there.sendall(data)
            there.shutdown(socket.SHUT_WR)
            stream = FrameStream(here)
            is_over = False
            while not is_over:
                is_over = not stream.receive()
                while stream.has_frame and (one := read(stream)) is not None:
                    found.append(one)

    def take(data: bytes) -> Hashable:
        found: list[Numbered] = []
        said = ""
        try:
            all_of(data, found)
        except msgspec.DecodeError as error:
            said = str(error)[:24]
        for one in found:
            again: list[Numbered] = []
            all_of(wire.frame(one), again)
            ensure(repr(again) == repr([one]), f"{again!r} comes of {one!r}")
        return tuple(type(one).__name__ for one in found), said

    return take


def _beside() -> Take:
    folder = str(new_folder())
    path = f"{folder}/store.db"
    found_at = Path(path + roll.SUFFIX)

    def take(data: bytes) -> Hashable:
        found_at.write_bytes(data)
        expected = roll.expected(path)
        ensure(len(expected) <= len(data.splitlines()), "more processes are expected than there are lines")
        said = Locked(os.fsdecode(data))
        where = os.fsencode(socket_path_of_note(path, said.note))
        ensure(where.startswith((b"/", os.fsencode(folder))), f"the socket is sought at {where!r}")
        return len(expected), bool(said.process), bool(said.note)

    return take


TARGETS = (
    Target(
        "shared.commands",
        "frames of the socket of a shared file, as its owner reads them, and back",
        lambda: _frames(wire.next_command),
        (*(wire.frame(one) for one in COMMANDS), b"".join(wire.frame(one) for one in COMMANDS)),
        WORDS,
        4000,
    ),
    Target(
        "shared.answers",
        "frames of the socket of a shared file, as other processes read them, and back",
        lambda: _frames(wire.read_answer),
        (*(wire.frame(one) for one in ANSWERS), b"".join(wire.frame(one) for one in ANSWERS)),
        WORDS,
        4000,
    ),
    Target(
        "shared.notes",
        "what processes note beside a file: whom the owner serves, and where it listens",
        _beside,
        (b"1 5\n1 6\n", b"4712\nstore.db-socket\n", b"1 " + b"9" * 40 + b"\n" + b"9" * 30 + b" 5\n", b"4712\n/run/x\n"),
        (b"\n", b" ", b"1 ", b"/", b"\x00", b"\xff", b"\xb2", b"9" * 25, b"-1"),
        200,
    ),
    *shared_owner.sessions(),
    *shared_guest.sessions(),
)
