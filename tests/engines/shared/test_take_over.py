"""Each command of the wire, at each step of a take-over: it is answered, done once, or raises; nobody waits for ever.

The table has a row for each command; one without a row fails the first test. A guest's first link goes through a tap,
which stops what it is told to stop; then the owner, another process, ends or is killed, and either another process
takes over or the guest's own.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, cast, get_args

import pytest

import batonmq
from batonmq.engines.embedded.ownership import STARTING, InUse, Ownership
from batonmq.engines.exchanges import DeclareQueue, Standing
from batonmq.engines.futures import Future
from batonmq.engines.interface import Subscription
from batonmq.engines.messages import Message
from batonmq.engines.shared import answers, commands, wire
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.link import Link
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.opening import Reached
from batonmq.engines.values import Incoming, QueueOptions
from tests.engines.shared.conftest import Nursery, is_served_by
from tests.engines.shared.hearing import read_command
from tests.support.waiting import until

T = TypeVar("T")

SOON = 30.0
STEPS = ("not sent", "not read", "not answered", "answer not read")
CHANGES = (("killed", "this process"), ("killed", "another"), ("in order", "this process"), ("in order", "another"))


def result(future: Future[T]) -> T:
    assert future.wait(SOON), "it waits for ever"
    return future.result()


class Tap:
    """A link to an owner, of which a command or its answer can be kept back."""

    def __init__(self, path: str) -> None:
        self._owner = socket.socket(socket.AF_UNIX)
        self._owner.connect(f"{path}-socket")
        self._guest, self.here = socket.socketpair()
        self._command: type[Numbered] | None = None
        self._row: Row | None = None
        self._step = ""
        self._number = -1
        self._is_up = self._is_down = True
        # The owner's last word, which passes when this link is cut: the guest would take the file at once.
        self._bye = b""
        self.reached = threading.Event()
        self._threads = [threading.Thread(target=self._up), threading.Thread(target=self._down)]
        for thread in self._threads:
            thread.start()

    def stop_at(self, command: type[Numbered], step: str) -> None:
        """From that command on, or its answer, nothing passes."""
        self._command, self._row, self._step = command, TABLE[command], step

    def _up(self) -> None:
        stream = FrameStream(self._guest)
        while (command := self._read(read_command, stream)) is not None:
            if type(command) is self._command:
                self._number = command.receive if isinstance(command, commands.Withdraw) else command.number
                if self._step == "not read":
                    self._is_up = False
                    self.reached.set()
            if self._is_up:
                with suppress(OSError):
                    self._owner.sendall(wire.frame(command))
            if type(command) is self._command and self._row is not None and self._row.answer is None:
                self.reached.set()

    def _down(self) -> None:
        stream = FrameStream(self._owner)
        while (answer := self._read(wire.read_answer, stream)) is not None:
            is_it = self._row is not None and type(answer) is self._row.answer and self._number >= 0
            if is_it and (isinstance(answer, answers.Settled) or answer.number == self._number):
                if self._step == "not answered":
                    self._is_down = False
                self._say(answer)
                self._is_down = False
                self.reached.set()
            else:
                self._say(answer)

    def _say(self, answer: Numbered) -> None:
        if isinstance(answer, answers.Bye):
            self._bye = wire.frame(answer)
        elif self._is_down:
            with suppress(OSError):
                self._guest.sendall(wire.frame(answer))

    @staticmethod
    def _read(read: Callable[[FrameStream], T | None], stream: FrameStream) -> T | None:
        with suppress(OSError):
            return read(stream)
        return None

    def cut(self) -> None:
        with suppress(OSError):
            self._guest.sendall(self._bye)
        for one in (self._guest, self._owner):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(SOON)
        self._guest.close()
        self._owner.close()


class Scene:
    """A guest, and what it has: two messages in "orders", none in "other"."""

    def __init__(self, path: str, tap: Tap) -> None:
        self.path = path
        link = Link(tap.here)
        link.greet()
        self.engine = SharedEngine(path, Reached(link, None))
        self.subscription: Subscription
        self.held: Incoming
        self.future: Future[object] = Future()
        self.failure: BaseException | None = None

    def fill(self) -> None:
        for queue in ("orders", "other"):
            result(self.engine.declare(queue, QueueOptions()))
        result(self.engine.send("orders", [Message(b"1"), Message(b"2")]))

    def subscribe(self, queue: str = "orders", lease: float | None = None) -> None:
        self.subscription = result(self.engine.subscribe(queue, 1, lease))

    def hold(self, lease: float | None = None) -> None:
        self.subscribe(lease=lease)
        (self.held,) = result(self.subscription.receive(1))

    def count(self, queue: str) -> int:
        return result(self.engine.count(queue))

    def outcome(self) -> object:
        return result(self.future)

    def next_is(self, body: bytes, count: int = 1) -> None:
        """The next message of the subscription, which is accepted."""
        (incoming,) = result(self.subscription.receive(1))
        assert (incoming.message.body, incoming.delivery_count) == (body, count)
        self.subscription.settle(incoming, "accept")


@dataclass(frozen=True)
class Row:
    """What a command needs, how it is given, and what must be true in the end. ``answer``: None, if it has none."""

    answer: type[Numbered] | None
    prepare: Callable[[Scene], object]
    ask: Callable[[Scene], Future[object] | None]
    check: Callable[[Scene], object]


def nothing(_scene: Scene) -> None:
    """It needs no more than the scene."""


def withdraw(scene: Scene) -> None:
    scene.subscription.withdraw(cast("Future[list[Incoming]]", scene.future))


def await_in_other(scene: Scene) -> None:
    scene.subscribe("other")
    scene.future = cast("Future[object]", scene.subscription.receive(1))


def close(scene: Scene) -> Future[object]:
    future: Future[object] = Future()

    def close() -> None:
        scene.engine.close()
        future.resolve(None)

    threading.Thread(target=close).start()
    return future


def has_received(scene: Scene) -> None:
    (incoming,) = cast("list[Incoming]", scene.outcome())
    # Counted, where the owner was killed before the answer was out.
    assert (incoming.message.body, incoming.delivery_count) in ((b"1", 1), (b"1", 2))
    scene.subscription.settle(incoming, "accept")
    (incoming,) = result(scene.subscription.receive(1))
    assert incoming.message.body == b"2"


def has_subscribed(scene: Scene) -> None:
    scene.subscription = cast("Subscription", scene.outcome())
    scene.next_is(b"1")


def settle(scene: Scene) -> Future[object] | None:
    outcome = scene.subscription.settle(scene.held, "accept")
    return None if outcome is None else of(outcome)


def has_settled(scene: Scene) -> None:
    if scene.future.done:
        scene.outcome()
    with pytest.raises(batonmq.LeaseLost):
        scene.subscription.settle(scene.held, "release")
    scene.next_is(b"2")
    scene.subscription.close()
    assert scene.count("orders") == 0


def has_renewed(scene: Scene) -> None:
    scene.outcome()
    scene.subscription.settle(scene.held, "accept")
    scene.next_is(b"2")


def has_reported(scene: Scene) -> None:
    """Whether anybody was told makes no difference to the message."""
    scene.subscription.settle(scene.held, "accept")
    scene.next_is(b"2")


def has_transacted(scene: Scene) -> None:
    scene.outcome()
    assert scene.count("other") == 1
    with pytest.raises(batonmq.LeaseLost):
        scene.subscription.settle(scene.held, "accept")
    scene.next_is(b"2")


def has_requested(scene: Scene) -> None:
    """Who answers gets it through, or the one who asked is told."""
    scene.subscribe("other")
    waiting = scene.subscription.receive(1)
    until(lambda: waiting.done or scene.future.done)
    if scene.future.done:
        with pytest.raises(batonmq.ConnectionLost):
            scene.outcome()
        return
    (asked,) = result(waiting)
    result(scene.engine.reply(asked.message, Message(b"!")))
    assert cast("Message", scene.outcome()).body == b"!"


def has_managed(scene: Scene) -> None:
    """It is answered, or the one who asked is told that nobody knows; and the next request is answered."""
    until(lambda: scene.future.done)
    if scene.future.failed:
        with pytest.raises(batonmq.ConnectionLost):
            scene.outcome()
    else:
        assert cast("Message", scene.outcome()).json() == {"ok": True}
    assert result(scene.engine.manage(PAUSE)).json() == {"ok": True}


def has_closed(scene: Scene) -> None:
    scene.outcome()
    with batonmq.connect(scene.path) as mq:
        assert mq.count("orders") == 2


def of(future: Future[T]) -> Future[object]:
    return cast("Future[object]", future)


TO_OTHER = Message(b"", reply_to="other")
PAUSE = Message(b'{"operation": "queues.pause", "queue": "other"}')

TABLE: dict[type[Numbered], Row] = {
    commands.Resume: Row(answers.Resumed, nothing, nothing, lambda s: s.fill()),
    commands.Declare: Row(
        answers.Done,
        nothing,
        lambda s: of(s.engine.declare("new", QueueOptions())),
        lambda s: (s.outcome(), s.count("new")),
    ),
    commands.Delete: Row(
        answers.Done, nothing, lambda s: of(s.engine.delete("other")), lambda s: (s.outcome(), s.count("orders"))
    ),
    commands.Send: Row(
        answers.Done,
        nothing,
        lambda s: of(s.engine.send("other", [Message(b"3")])),
        lambda s: _equal((s.outcome(), s.count("other")), (None, 1)),
    ),
    commands.Publish: Row(
        answers.Counted,
        nothing,
        lambda s: of(s.engine.exchanges.publish("", "other", Message(b"3"), flushed=True)),
        lambda s: _equal((s.outcome(), s.count("other")), (1, 1)),
    ),
    commands.Arrange: Row(
        answers.Stands,
        nothing,
        lambda s: of(s.engine.exchanges.change(DeclareQueue("new"), flushed=True)),
        lambda s: _equal((s.outcome(), s.count("new")), (Standing(), 0)),
    ),
    commands.Subscribe: Row(
        answers.Done,
        nothing,
        lambda s: of(s.engine.subscribe("orders", 1)),
        has_subscribed,
    ),
    commands.Receive: Row(
        answers.Arrived, lambda s: s.subscribe(), lambda s: of(s.subscription.receive(1)), has_received
    ),
    commands.Withdraw: Row(answers.Arrived, await_in_other, withdraw, lambda s: _equal(s.outcome(), [])),
    commands.Settle: Row(answers.Settled, lambda s: s.hold(), settle, has_settled),
    commands.Renew: Row(
        answers.Done, lambda s: s.hold(SOON), lambda s: of(s.subscription.renew(s.held, 2 * SOON)), has_renewed
    ),
    commands.Report: Row(
        None, lambda s: s.hold(), lambda s: s.subscription.report(s.held, 0.5, "half of it"), has_reported
    ),
    commands.Unsubscribe: Row(
        answers.Done,
        lambda s: s.subscribe(),
        lambda s: of(s.subscription.close()),
        lambda s: _equal((s.outcome(), s.count("orders")), (None, 2)),
    ),
    commands.Peek: Row(
        answers.Found,
        nothing,
        lambda s: of(s.engine.peek("orders", 9)),
        lambda s: _equal([one.body for one in cast("list[Message]", s.outcome())], [b"1", b"2"]),
    ),
    commands.Count: Row(
        answers.Counted, nothing, lambda s: of(s.engine.count("orders")), lambda s: _equal(s.outcome(), 2)
    ),
    commands.Purge: Row(
        answers.Counted,
        nothing,
        lambda s: of(s.engine.purge("orders")),
        lambda s: _equal((s.outcome(), s.count("orders")), (2, 0)),
    ),
    commands.Move: Row(
        answers.Counted,
        nothing,
        lambda s: of(s.engine.move("orders", "other", 9)),
        lambda s: _equal((s.outcome(), s.count("orders"), s.count("other")), (2, 0, 2)),
    ),
    commands.Transact: Row(
        answers.Done,
        lambda s: s.hold(),
        lambda s: of(s.engine.transact([("other", Message(b"3"))], [(s.subscription, s.held)])),
        has_transacted,
    ),
    commands.Request: Row(None, nothing, lambda s: of(s.engine.request("other", Message(b"?"))), has_requested),
    commands.Manage: Row(None, nothing, lambda s: of(s.engine.manage(PAUSE)), has_managed),
    commands.Forget: Row(
        None,
        lambda s: setattr(s, "future", s.engine.request("other", Message(b"?"))),
        lambda s: s.engine.forget(cast("Future[Message]", s.future)),
        lambda s: s.count("orders"),
    ),
    commands.Reply: Row(
        answers.Done,
        nothing,
        lambda s: of(s.engine.reply(TO_OTHER, Message(b"3"))),
        lambda s: _equal((s.outcome(), s.count("other")), (None, 1)),
    ),
    commands.Close: Row(answers.Done, nothing, close, has_closed),
}
# Not the answer to any command: the first and the last word, what nobody asked for, and what each may have instead.
UNASKED = {answers.Hello, answers.Bye, answers.Late, answers.Unsettled, answers.Failed}


def _equal(found: object, wanted: object) -> None:
    assert found == wanted


def test_the_table_has_a_row_for_each_command_and_each_answer() -> None:
    assert set(TABLE) == set(get_args(commands.Command))
    assert {row.answer for row in TABLE.values() if row.answer is not None} | UNASKED == set(get_args(answers.Answer))


def cases() -> Iterator[object]:
    for command, row in TABLE.items():
        for step in STEPS:
            if (step == "answer not read" and row.answer is None) or (
                step == "not sent" and command is commands.Resume
            ):
                continue
            for end, heir in CHANGES:
                yield pytest.param(command, step, end, heir, id=f"{command.__name__}, {step}, {end}, {heir}")


@pytest.mark.parametrize(("command", "step", "end", "heir"), list(cases()))
def test_it_ends(nursery: Nursery, path: str, command: type[Numbered], step: str, end: str, heir: str) -> None:
    row = TABLE[command]
    first = nursery.own(path)
    until(lambda: is_served_by(path, first))
    tap = Tap(path)
    if command is commands.Resume:
        tap.stop_at(command, step)
    scene = Scene(path, tap)
    try:
        if command is not commands.Resume:
            scene.fill()
            row.prepare(scene)
        if step == "not sent":
            nursery.end(first, end)
            mine = take(path)
            tap.cut()
            until(lambda: not scene.engine._calls.is_open)
            scene.future = row.ask(scene) or scene.future
            if heir == "another":
                nursery.own(path)
            mine.release()
        else:
            if command is not commands.Resume:
                tap.stop_at(command, step)
                scene.future = row.ask(scene) or scene.future
            assert tap.reached.wait(SOON)
            nursery.end(first, end)
            if heir == "another":
                second = nursery.own(path)
                until(lambda: is_served_by(path, second))
            tap.cut()
        row.check(scene)
    finally:
        scene.engine.close()
        tap.cut()
        nursery.clear()


def take(path: str) -> Ownership:
    """The file's lock, as one has it who is about to open it."""
    end = time.monotonic() + SOON
    while True:
        try:
            return Ownership(path, STARTING)
        except InUse:
            assert time.monotonic() < end, "somebody else has it"
            time.sleep(0.001)
