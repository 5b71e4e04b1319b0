"""A file that processes share, the side of a process that has not got it: whoever has it answers with anything."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, get_args

import msgspec
from msgspec.structs import fields

from batonmq import errors
from batonmq.engines.embedded.core import Core
from batonmq.engines.futures import Future
from batonmq.engines.interface import Subscription
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.claims import Claims
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.link import Link
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.opening import Reached
from batonmq.engines.shared.roll import Roll
from batonmq.engines.shared.serving import Guests
from batonmq.engines.values import Incoming, QueueOptions
from batonmq.errors import BatonError
from batonmq.store import MemoryStore
from proof.fuzz.choices import Choices
from proof.fuzz.sessions.shared_owner import MESSAGES, NOWHERE, SECONDS, framed, typed
from proof.fuzz.target import Take, Target, ensure

__all__ = ["sessions"]

# The answer that each command means, by its name.
MEANT: Final[dict[str, type[Numbered]]] = {
    "Resume": answers.Resumed,
    "Receive": answers.Arrived,
    "Peek": answers.Found,
    "Count": answers.Counted,
    "Purge": answers.Counted,
    "Move": answers.Counted,
    "Request": answers.Found,
    "Manage": answers.Found,
}
ANSWERS: Final[tuple[type[Numbered], ...]] = get_args(answers.Answer)
# Commands that are not answered by their number.
SILENT: Final = ("Settle", "Withdraw", "Forget", "Report")
MOST: Final = 30
NAMES: Final = (*dir(errors), "ValueError", "TypeError", "KeyboardInterrupt", "nothing", "")


class GuestAttack:
    """What an input has the owner answer, while a program does all that it can do."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._typed = typed(choices)
        self._heard = b""
        self._is_over = False
        self._futures: list[Future[Any]] = []
        self._subscriptions: list[Subscription] = []
        self._held: list[tuple[Subscription, Incoming]] = []

    def run(self) -> Hashable:
        """Do it; tells what became of it."""
        choices = self._choices
        here, self._peer = socket.socketpair()
        with self._peer:
            link = Link(here)
            is_good = not choices.chance(16)
            hello = wire.frame(answers.Hello(0, wire.VERSION, 4711, choices.below(3)))
            self._peer.sendall(hello if is_good else self._any_answer(0))
            if not is_good:
                # Who says no whole hello is waited for as long as the socket is open.
                self._peer.shutdown(socket.SHUT_WR)
            try:
                link.greet()
            except (OSError, BatonError) as error:
                return type(error).__name__
            engine = SharedEngine(NOWHERE, Reached(link, None))
            try:
                for _ in range(MOST):
                    if choices.is_over or self._is_over:
                        break
                    self._do(engine)
                    self._answer()
            finally:
                # As when the process that had the file is gone; no other can have this one.
                self._peer.close()
                engine.close()
        return self._outcome()

    # ------------------------------------------------------------------ what the program does

    def _do(self, engine: SharedEngine) -> None:
        choices = self._choices
        one = Message(b"x", reply_to="q")
        calls: tuple[Callable[[], Future[Any] | None], ...] = (
            lambda: engine.declare("q", QueueOptions()),
            lambda: engine.send("q", [Message(b"a")]),
            lambda: engine.count("q"),
            lambda: engine.peek("q", 2),
            lambda: engine.purge("q"),
            lambda: engine.move("q", "dead", 5),
            lambda: engine.request("q", Message(b"a")),
            lambda: engine.manage(Message(b"{}")),
            lambda: engine.reply(one, Message(b"a")),
            lambda: engine.transact([("q", Message(b"a"))], self._held[:1]),
            lambda: self._subscribe(engine),
            lambda: self._subscribe(engine),
            *[self._receive] * 5,
            self._settle,
            self._settle,
            self._renew,
            self._close,
        )
        try:
            future = choices.one_of(calls)()
        except BatonError:
            # Nobody can be asked any more, or the message is not held any more.
            return
        if future is not None:
            self._futures.append(future)

    def _subscribe(self, engine: SharedEngine) -> Future[Subscription]:
        future = engine.subscribe("q", 10, self._choices.one_of((None, 5.0)))

        def then() -> None:
            if not future.failed:
                self._subscriptions.append(future.result())

        future.when_done(then)
        return future

    def _receive(self) -> Future[list[Incoming]] | None:
        if not self._subscriptions:
            return None
        subscription = self._choices.one_of(self._subscriptions)
        future = subscription.receive(2)

        def then() -> None:
            if not future.failed:
                self._held += [(subscription, incoming) for incoming in future.result()]

        future.when_done(then)
        if self._choices.chance(4):
            subscription.withdraw(future)
        return future

    def _settle(self) -> Future[None] | None:
        if not self._held:
            return None
        subscription, incoming = self._held.pop()
        return subscription.settle(incoming, self._choices.one_of(("accept", "release", "reject")))

    def _renew(self) -> Future[None] | None:
        if not self._held:
            return None
        subscription, incoming = self._held[-1]
        return subscription.renew(incoming, 5.0)

    def _close(self) -> Future[None] | None:
        return self._subscriptions.pop().close() if self._subscriptions else None

    # ------------------------------------------------------------------ what the owner answers

    def _answer(self) -> None:
        for name, number in self._asked_for():
            choices = self._choices
            kind = choices.byte()
            if kind < 150:
                said = self._meant(name, number)
            elif kind < 200:
                said = self._any_answer(number)
            elif kind < 220:
                said = b""
            elif kind < 235:
                said = wire.frame(answers.Failed(number, choices.one_of(NAMES), "for a reason"))
            elif kind < 240:
                said = framed(msgspec.msgpack.encode(self._typed.anything()))
            elif kind < 245:
                late = answers.Late(0, 1, choices.below(4))
                said = wire.frame(late if kind & 1 else answers.Unsettled(choices.below(8), "q"))
            elif kind < 250:
                said = self._meant(name, number) * 2
            else:
                said = choices.octets(4) + choices.octets(8)
            try:
                self._peer.sendall(said)
            except OSError:
                self._is_over = True
                return

    def _asked_for(self) -> list[tuple[str, int]]:
        """What has come: the names of commands, with their numbers."""
        self._peer.settimeout(0.0)
        while select.select([self._peer], [], [], 0.0005)[0]:
            try:
                piece = self._peer.recv(1 << 16)
            except ConnectionResetError:
                # It has hung up, with answers that it has not read.
                piece = b""
            if not piece:
                self._is_over = True
                break
            self._heard += piece
        self._peer.settimeout(SECONDS)
        found: list[tuple[str, int]] = []
        while len(self._heard) >= 4:
            end = 4 + int.from_bytes(self._heard[:4], "big")
            if len(self._heard) < end:
                break
            command = msgspec.msgpack.decode(self._heard[4:end], type=commands.Command)
            self._heard = self._heard[end:]
            if type(command).__name__ not in SILENT:
                found.append((type(command).__name__, command.number))
        return found

    def _meant(self, name: str, number: int) -> bytes:
        choices = self._choices
        kind = MEANT.get(name, answers.Done)
        if kind is answers.Resumed:
            return wire.frame(answers.Resumed(0, [], [], [], []))
        if kind is answers.Arrived:
            some = [
                [choices.one_of(MESSAGES), 1, False, 1 + choices.below(5), 0, "", "q"]
                for _ in range(1 + choices.below(2))
            ]
            return framed(msgspec.msgpack.encode(["Arrived", number, some]))
        if kind is answers.Found:
            some = [choices.one_of(MESSAGES) for _ in range(choices.one_of((1, 1, 0, 2)))]
            return framed(msgspec.msgpack.encode(["Found", number, some]))
        return wire.frame(answers.Counted(number, 1) if kind is answers.Counted else answers.Done(number))

    def _any_answer(self, number: int) -> bytes:
        choices = self._choices
        kind = choices.one_of(ANSWERS)
        values: list[object] = [kind.__name__]
        values += [
            number if one.name == "number" and not choices.chance(8) else self._typed.of(one.type)
            for one in fields(kind)
        ]
        return framed(msgspec.msgpack.encode(values))

    # ------------------------------------------------------------------ what becomes of it

    def _outcome(self) -> Hashable:
        outcomes: dict[str, None] = {}
        end = time.monotonic() + SECONDS
        for future in self._futures:
            ensure(future.wait(max(0.0, end - time.monotonic())), "a caller waits for ever")
            error = future.error
            ensure(error is None or isinstance(error, (BatonError, ValueError, TypeError)), f"{error!r} is told")
            outcomes["done" if error is None else f"{type(error).__name__} {str(error)[:16]}"] = None
        _serve_another()
        return tuple(sorted(outcomes))


def _serve_another() -> None:
    """A good owner is a good owner to the next connection."""
    core = Core(MemoryStore(), serves=False)
    guests = Guests(core, Claims(core, Roll(NOWHERE), {}), None)
    here, there = socket.socketpair()
    try:
        guests.adopt(there)
        link = Link(here)
        link.greet()
        engine = SharedEngine(NOWHERE, Reached(link, None))
        try:
            engine.declare("q", QueueOptions()).get()
            engine.send("q", [Message(b"still")]).get()
            ensure(engine.count("q").get() == 1, "the next connection is not served")
        finally:
            engine.close()
    finally:
        guests.close()
        core.close()


def _make() -> Take:
    def take(data: bytes) -> Hashable:
        return GuestAttack(Choices(data)).run()

    return take


def sessions() -> tuple[Target, ...]:
    """The targets."""
    seeds = tuple(bytes((first, *range(first, 250, 1 + first % 5))) for first in range(0, 64, 3))
    about = "the socket of a shared file, as a process hears it that has not got the file: answers of any kind"
    return (Target("shared.guest", about, _make, seeds, longest=500, is_session=True),)
