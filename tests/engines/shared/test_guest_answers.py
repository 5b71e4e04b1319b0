"""Who answers another process, in which order, and what it is told with an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import BinaryIO, cast

import pytest

from batonmq import points
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.shared import answers, commands, guest_answers, wire
from batonmq.engines.shared.command_stream import CommandStream
from batonmq.engines.shared.numbered import Numbered, WireMessage
from batonmq.engines.values import QueueOptions
from tests.support.waiting import until

SOON = 30.0
ONE: WireMessage = (b"1", b"\0\0", 0.0)
READER, ANSWERER = "batonmq-guest", "batonmq-answers"


class Guest:
    """A process that says what the test has it say."""

    def __init__(self, path: str, process: int, opened: ExitStack) -> None:
        self._peer = opened.enter_context(closing(socket.socket(socket.AF_UNIX)))
        self._peer.settimeout(SOON)
        self._peer.connect(f"{path}-socket")
        self._stream = cast("BinaryIO", opened.enter_context(self._peer.makefile("rb")))
        assert isinstance(self.hears(), answers.Hello)
        self.says(commands.Resume(0, process, process, [], [], [], []))
        assert isinstance(self.hears(), answers.Resumed)

    def says(self, *said: Numbered) -> None:
        self._peer.sendall(b"".join(wire.frame(command) for command in said))

    def hears(self) -> Numbered:
        answer = wire.read_answer(self._stream)
        assert answer is not None
        return answer


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def guest(path: str, owner: EmbeddedEngine, opened: ExitStack) -> Guest:
    owner.declare("orders", QueueOptions()).get()
    return Guest(path, 1, opened)


@pytest.fixture
def answering() -> Iterator[list[str]]:
    """The threads that answer, one name for each answer."""
    names: list[str] = []
    points.arm("answer.ready", lambda: names.append(threading.current_thread().name))
    yield names
    points.disarm()


class Disk:
    """A disk that takes nothing until it is told to."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self._may_go_on = threading.Event()
        points.arm("commit.ready", self._commit)

    def _commit(self) -> None:
        self.is_asked.set()
        assert self._may_go_on.wait(SOON)

    def goes_on(self) -> None:
        points.disarm()
        self._may_go_on.set()


@pytest.fixture
def slow_disk() -> Iterator[type[Disk]]:
    yield Disk
    points.disarm()


def _send(guest: Guest, number: int) -> None:
    guest.says(commands.Send(number, 0, "orders", [ONE]))
    assert guest.hears() == answers.Done(number)


def _begin(guest: Guest, answering: list[str]) -> int:
    """Send until the thread that does what is asked has answered; the last number.

    The other one may not have ended its part yet when an answer of its own is heard.
    """
    for number in range(1, 1000):
        _send(guest, number)
        if answering[-1] == READER:
            return number
    raise AssertionError


def test_the_only_guest_is_answered_by_the_thread_that_does_what_it_asks(guest: Guest, answering: list[str]) -> None:
    last = _begin(guest, answering)
    answering.clear()
    for number in range(last + 1, last + 4):
        _send(guest, number)
    assert answering == [READER] * 3


def test_of_several_guests_each_has_a_thread_that_waits_for_commits(
    path: str, guest: Guest, opened: ExitStack, answering: list[str]
) -> None:
    Guest(path, 2, opened)
    answering.clear()
    guest.says(commands.Send(1, 0, "orders", [ONE]))
    assert guest.hears() == answers.Done(1)
    assert answering == [ANSWERER]


def test_once_a_guest_asks_for_more_it_is_done_while_the_disk_works(
    guest: Guest, owner: EmbeddedEngine, answering: list[str], slow_disk: type[Disk]
) -> None:
    last = _begin(guest, answering)
    for first in (last + 1, last + 3):
        second = first + 1
        disk = slow_disk()
        guest.says(commands.Send(first, 0, "orders", [ONE]))
        assert disk.is_asked.wait(SOON)
        guest.says(commands.Send(second, 0, "orders", [ONE]))
        if first > last + 1:
            until(lambda: owner.count("orders").get() == last + 4)
        disk.goes_on()
        assert [guest.hears(), guest.hears()] == [answers.Done(first), answers.Done(second)]


def test_commands_that_come_together_are_answered_in_their_order(guest: Guest) -> None:
    numbers = range(1, 201)
    guest.says(*(commands.Send(number, 0, "orders", [ONE]) for number in numbers))
    assert [guest.hears().number for _ in numbers] == list(numbers)


def test_an_answer_brings_the_notice_of_what_was_written_before(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_answers, "NOTICE_SECONDS", SOON)
    guest.says(commands.Subscribe(1, 1, "orders", 10, None), commands.Send(2, 0, "orders", [ONE]))
    assert [guest.hears(), guest.hears()] == [answers.Done(1), answers.Done(2)]
    guest.says(commands.Receive(3, 1, 1))
    arrived = guest.hears()
    assert isinstance(arrived, answers.Arrived)
    guest.says(commands.Settle(4, 1, arrived.messages[0][3], "accept", "", None), commands.Send(5, 0, "orders", [ONE]))
    assert [guest.hears(), guest.hears()] == [answers.Done(5), answers.Settled(4)]


def test_a_guest_that_asks_for_nothing_more_has_its_notice_soon(guest: Guest) -> None:
    guest.says(commands.Subscribe(1, 1, "orders", 10, None), commands.Send(2, 0, "orders", [ONE, ONE]))
    assert [guest.hears(), guest.hears()] == [answers.Done(1), answers.Done(2)]
    guest.says(commands.Receive(3, 1, 2))
    arrived = guest.hears()
    assert isinstance(arrived, answers.Arrived)
    for number, message in enumerate(arrived.messages, 4):
        guest.says(commands.Settle(number, 1, message[3], "accept", "", None))
        assert guest.hears() == answers.Settled(number)


def test_looking_whether_more_has_come_takes_nothing_and_waits_for_nothing() -> None:
    here, there = socket.socketpair()
    with here, there, closing(CommandStream(here)) as stream:
        assert not stream.has_more()
        there.sendall(b"abc")
        until(stream.has_more)
        assert stream.read(2) == b"ab"
        assert stream.has_more()
        assert stream.read(1) == b"c"
        assert not stream.has_more()
        there.shutdown(socket.SHUT_WR)
        assert not stream.has_more()
        assert stream.read(4) == b""
