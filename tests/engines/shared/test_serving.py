"""How an owner serves other processes: in which order, what shares a commit, and who keeps whom waiting."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from batonmq import points
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.shared import answers, commands, serving, wire
from batonmq.engines.shared.frame_stream import FrameStream
from batonmq.engines.shared.numbered import Numbered, WireMessage
from batonmq.engines.values import QueueOptions
from tests.support.waiting import until

SOON = 30.0
ONE: WireMessage = (b"1", b"\0\0", 0.0)


class Guest:
    """A process that says what the test has it say."""

    def __init__(self, path: str, process: int, opened: ExitStack) -> None:
        self._peer = opened.enter_context(closing(socket.socket(socket.AF_UNIX)))
        self._peer.settimeout(SOON)
        self._peer.connect(f"{path}-socket")
        self._stream = FrameStream(self._peer)
        assert isinstance(self.hears(), answers.Hello)
        self.says(commands.Resume(0, process, process, [], [], [], []))
        assert isinstance(self.hears(), answers.Resumed)

    def says(self, *said: Numbered) -> None:
        self._peer.sendall(b"".join(wire.frame(command) for command in said))

    def says_raw(self, said: bytes) -> None:
        self._peer.sendall(said)

    def goes(self) -> None:
        self._peer.shutdown(socket.SHUT_RDWR)

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


def _send(number: int, body: bytes = b"1") -> commands.Send:
    return commands.Send(number, 0, "orders", [(body, b"\0\0", 0.0)])


def test_one_thread_serves_all(path: str, guest: Guest, opened: ExitStack, answering: list[str]) -> None:
    for other in (guest, Guest(path, 2, opened), Guest(path, 3, opened)):
        answering.clear()
        other.says(_send(1))
        assert other.hears() == answers.Done(1)
        assert answering == ["batonmq-host"]


def test_what_comes_during_a_commit_shares_the_next(
    path: str, guest: Guest, opened: ExitStack, slow_disk: type[Disk]
) -> None:
    other = Guest(path, 2, opened)
    disk = slow_disk()
    guest.says(_send(1))
    assert disk.is_asked.wait(SOON)
    guest.says(_send(2))
    other.says(_send(1), _send(2))
    commits: list[None] = []
    disk.goes_on()
    points.arm("commit.done", lambda: commits.append(None))
    assert [guest.hears().number, guest.hears().number] == [1, 2]
    assert [other.hears().number, other.hears().number] == [1, 2]
    assert 2 <= len(commits) <= 3


def test_what_waits_for_no_commit_is_told_before_one(
    path: str, guest: Guest, opened: ExitStack, slow_disk: type[Disk]
) -> None:
    receiver = Guest(path, 2, opened)
    receiver.says(commands.Subscribe(1, 1, "orders", 10, None), commands.Receive(2, 1, 1))
    assert receiver.hears() == answers.Done(1)
    disk = slow_disk()
    guest.says(_send(1))
    assert isinstance(receiver.hears(), answers.Arrived)
    assert disk.is_asked.wait(SOON)
    disk.goes_on()
    assert guest.hears() == answers.Done(1)


def test_who_does_not_hear_its_answers_keeps_nobody_waiting(path: str, guest: Guest, opened: ExitStack) -> None:
    guest.says(_send(1, bytes(1 << 20)))
    assert guest.hears() == answers.Done(1)
    deaf = Guest(path, 2, opened)
    numbers = range(1, 31)
    deaf.says(*(commands.Peek(number, "orders", 1) for number in numbers))
    for number in range(2, 10):
        guest.says(_send(number))
        assert guest.hears() == answers.Done(number)
    assert [deaf.hears().number for _ in numbers] == list(numbers)


def test_who_says_half_of_it_keeps_nobody_waiting(path: str, guest: Guest, opened: ExitStack) -> None:
    slow = Guest(path, 2, opened)
    said = wire.frame(_send(1, bytes(300_000)))
    for number, at in enumerate(range(0, len(said), 100_000), 1):
        slow.says_raw(said[at : at + 100_000])
        guest.says(_send(number))
        assert guest.hears() == answers.Done(number)
    assert slow.hears() == answers.Done(1)


def test_what_was_said_before_the_end_is_done(guest: Guest, owner: EmbeddedEngine) -> None:
    guest.says(*(_send(number) for number in range(1, 1001)))
    guest.goes()
    until(lambda: owner.count("orders").get() == 1000)


def test_commands_that_come_together_are_answered_in_their_order(guest: Guest) -> None:
    numbers = range(1, 201)
    guest.says(*(commands.Send(number, 0, "orders", [ONE]) for number in numbers))
    assert [guest.hears().number for _ in numbers] == list(numbers)


def test_an_answer_brings_the_notice_of_what_was_written_before(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "NOTICE_SECONDS", SOON)
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


def test_frames_come_in_whatever_pieces() -> None:
    said = b"".join(wire.frame(_send(number, bytes(number))) for number in range(1, 300))
    for piece in (1, 7, 1000, len(said)):
        here, there = socket.socketpair()
        with here, there:
            stream = FrameStream(here)
            numbers: list[int] = []
            for at in range(0, len(said), piece):
                there.sendall(said[at : at + piece])
                assert stream.receive()
                while (command := wire.next_command(stream)) is not None:
                    numbers.append(command.number)
            while len(numbers) < 299:
                assert stream.receive()
                while (command := wire.next_command(stream)) is not None:
                    numbers.append(command.number)
            assert numbers == list(range(1, 300))
            assert not stream.has_frame
            there.shutdown(socket.SHUT_WR)
            assert not stream.receive()
