"""A file that processes share, its owner's side: another process says anything at all, and the next one is served."""

from __future__ import annotations

import contextlib
import select
import shutil
import socket
import time
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Final, get_args

import msgspec
from msgspec.structs import fields

from batonmq.engines.embedded.core import Core
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.claims import Claims
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.link import Link
from batonmq.engines.shared.numbered import Numbered, WireMessage
from batonmq.engines.shared.opening import Reached
from batonmq.engines.shared.registry import own_file
from batonmq.engines.shared.roll import Roll
from batonmq.engines.shared.serving import Guests
from batonmq.engines.values import QueueOptions
from batonmq.properties import Properties
from batonmq.store import MemoryStore, SqliteStore, Store
from proof.fuzz.choices import Choices
from proof.fuzz.folders import new_folder
from proof.fuzz.target import Take, Target, ensure
from proof.fuzz.typed import Known, Typed, deep_pack

__all__ = ["MESSAGES", "NOWHERE", "SECONDS", "framed", "sessions", "typed"]

SECONDS: Final = 30.0
"""How long anything may take that takes a millisecond, on a machine that has other work."""
NOWHERE: Final = "/nonexistent/batonmq-fuzz.db"
"""A file that nobody can open."""
MESSAGES: Final = (
    [b"body", Properties.make(delivery_mode=2).raw, 0.0],
    [b"", b"\x00\x00", 0.001],
    [b"body", Properties.make(headers={"x-delay": 5, "a": None}, reply_to="q", correlation_id="c").raw, 0.0],
    [b"body", b"\xff\xfc\x00", 0.0],
    [b"body", b"\x00\x00", float("nan")],
    [b"body", b"\x00\x00", -1e300],
)
KNOWN: Final[Known] = {
    WireMessage: (*MESSAGES[:3] * 4, *MESSAGES),
    str: ("q", "q", "q", "rich", "new", "dead", "", "x" * 256, "none", "accept", "$management"),
    float | None: (None, None, 0.0, 0.5, 60.0, -1.0, 1e300, float("nan"), float("inf")),
}
# Every kind of command, and those that lead further more often.
SAID: Final[tuple[type[Numbered], ...]] = (
    *get_args(commands.Command),
    *(commands.Send, commands.Subscribe, commands.Receive, commands.Settle) * 4,
    *(commands.Renew, commands.Transact, commands.Withdraw, commands.Peek) * 2,
)
MOST: Final = 40


def typed(choices: Choices) -> Typed:
    """Fields of commands and answers."""
    return Typed(choices, KNOWN, deep_pack)


def framed(packed: bytes) -> bytes:
    """A frame of the socket."""
    return len(packed).to_bytes(4, "big") + packed


class OwnerAttack:
    """What an input has another process say to the owner."""

    def __init__(self, choices: Choices, template: Path, folder: Path) -> None:
        self._choices = choices
        self._typed = typed(choices)
        self._number = 0
        store: Store = MemoryStore()
        self._path = NOWHERE
        # Over a file it takes ten times as long, and only there are places and claims of former guests.
        if choices.below(8) == 7:
            self._path = str(folder / "store.db")
            shutil.copyfile(template, self._path)
            store = SqliteStore(self._path, serves=False)
        self._core = Core(store, serves=False)
        self._claims = Claims(self._core, Roll(self._path), {})
        self._guests = Guests(self._core, self._claims, None)

    def run(self) -> Hashable:
        """Do it; tells what became of it."""
        try:
            with self._connected() as here:
                heard = _talk(here, b"".join(self._said()))
                # Its end of the connection is closed.
            self._await_the_end("a guest that has gone is served on")
            self._serve_another()
            return len(heard).bit_length(), _kinds(heard)
        finally:
            self._guests.close()
            self._core.close()
            for path in Path(self._path).parent.glob("store.db*") if self._path != NOWHERE else ():
                path.unlink()

    def _connected(self) -> socket.socket:
        here, there = socket.socketpair()
        self._guests.adopt(there)
        return here

    def _await_the_end(self, otherwise: str) -> None:
        end = time.monotonic() + SECONDS
        while self._guests.count:
            ensure(time.monotonic() < end, otherwise)
            time.sleep(0.0005)

    # ------------------------------------------------------------------ what it says

    def _said(self) -> Iterator[bytes]:
        choices = self._choices
        if not choices.chance(20):
            opening = [self._claims.opening - 1] if choices.chance(2) else []
            first = commands.Resume(0, 5, 4711, opening, [], [], [])
            yield wire.frame(first) if choices.chance(3) else self._one(commands.Resume)
        if not choices.chance(4):
            yield wire.frame(commands.Declare(self._next(), "q", QueueOptions()))
            yield wire.frame(commands.Subscribe(self._next(), 1, "q", 10, None))
        for _ in range(MOST):
            if choices.is_over:
                return
            kind = choices.byte()
            if kind < 240:
                yield self._one(choices.one_of(SAID))
            elif kind < 250:
                made = self._one(choices.one_of(SAID))
                yield made[: choices.below(len(made))] if kind & 1 else made + choices.octets(4)
            elif kind < 253:
                yield framed(msgspec.msgpack.encode(self._typed.anything()))
            else:
                # A head that promises more than ever comes.
                yield choices.octets(4) + choices.octets(8)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _one(self, kind: type[Numbered]) -> bytes:
        choices, of = self._choices, self._typed.of
        values: list[object] = [kind.__name__]
        for one in fields(kind):
            if one.name == "number" and not choices.chance(12):
                values.append(self._next())
            elif one.name in ("subscription", "tag", "most", "known", "receive", "request") and not choices.chance(6):
                values.append(1 + choices.below(3))
            else:
                values.append(of(one.type))
        return framed(msgspec.msgpack.encode(values))

    # ------------------------------------------------------------------ who comes after it

    def _serve_another(self) -> None:
        link = Link(self._connected())
        link.greet()
        engine = SharedEngine(NOWHERE, Reached(link, None))
        try:
            engine.declare("fresh", QueueOptions()).get()
            subscription = engine.subscribe("fresh", 10).get()
            engine.send("fresh", [Message(b"still")]).get()
            (incoming,) = subscription.receive(1).get()
            ensure(incoming.message.body == b"still", "the next process gets something else")
            subscription.settle(incoming, "accept")
            subscription.close().get()
        finally:
            engine.close()
        self._await_the_end("the next process is served after its end")


def _talk(peer: socket.socket, data: bytes) -> bytes:
    """Say all of it, and hear until the other side has said all."""
    heard = bytearray()
    peer.setblocking(False)
    left = memoryview(data)
    end = time.monotonic() + SECONDS
    while True:
        readable, writable, _ = select.select([peer], [peer] if left else [], [], max(0.0, end - time.monotonic()))
        ensure(readable or writable, "the other side does nothing")
        # It may hang up before it has read all.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if writable:
                left = left[peer.send(left) :]
                if not left:
                    peer.shutdown(socket.SHUT_WR)
        if readable:
            try:
                piece = peer.recv(1 << 16)
            except ConnectionResetError:
                return bytes(heard)
            if not piece:
                return bytes(heard)
            heard += piece
            ensure(len(heard) < (1 << 20) + 400 * len(data), f"{len(heard)} octets are said to {len(data)}")


def _kinds(heard: bytes) -> tuple[str, ...]:
    """What was answered, shortly."""
    found: dict[str, None] = {}
    at = 0
    while at + 4 <= len(heard):
        size = int.from_bytes(heard[at : at + 4], "big")
        answer = msgspec.msgpack.decode(heard[at + 4 : at + 4 + size], type=answers.Answer)
        found[answer.error if isinstance(answer, answers.Failed) else type(answer).__name__] = None
        at += 4 + size
    return tuple(sorted(found))


def _template(folder: Path) -> Path:
    """A file with what a former owner has left."""
    path = folder / "template.db"
    engine = own_file(str(path))
    engine.declare("q", QueueOptions()).get()
    engine.declare("rich", QueueOptions(max_priority=3, max_deliveries=2, dead_letter="dead", max_length=5)).get()
    engine.send("q", [Message(b"%d" % number) for number in range(4)]).get()
    subscription = engine.subscribe("q", 2).get()
    subscription.receive(2).get()
    engine.close()
    return path


def _make() -> Take:
    template = _template(new_folder())
    folder = new_folder()

    def take(data: bytes) -> Hashable:
        return OwnerAttack(Choices(data), template, folder).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((first, *range(first, 250, 1 + first % 5))) for first in range(0, 64, 3))
    about = "the socket of a shared file, as its owner hears it: commands in any order, whole and broken"
    return (Target("shared.owner", about, _make, seeds, longest=500, is_session=True),)
