"""A full disk: the store opens, what is there is served, settling it makes room, and it takes messages again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from proof.disk import Disk
from tests.support.driven import Driven, Taker

import batonmq
from batonmq.errors import StoreError
from batonmq.store import SqliteStore

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Of 16 MiB."""
    with Disk(tmp_path) as disk:
        disk.capacity = 16 * MIB
        yield disk


@pytest.fixture
def driven(disk: Disk, tmp_path: Path) -> Driven:
    del disk
    driven = Driven(tmp_path / "store")
    driven.queue()
    return driven


def fill(driven: Driven, size: int = 20_000) -> list[str]:
    """Until the disk is full; what was confirmed."""
    names: list[str] = []
    for number in range(100_000):
        driven.publish(str(number), size=size)
        driven.attempt()
        if driven.broker.store.error is not None:
            return names
        names.append(str(number))
    raise AssertionError("the disk is never full")


def others_fill(disk: Disk, tmp_path: Path) -> None:
    with (tmp_path / "filler").open("ab") as filler:
        filler.write(bytes(max(disk.room, 0)))


def reason(driven: Driven) -> str:
    """Why it takes no messages; nothing when it does."""
    error = driven.broker.store.error
    return "" if error is None else error.reason


def drain(driven: Driven) -> list[str]:
    """Take and accept all that there is, with a commit now and then."""
    taker = driven.consume(prefetch=1)
    for _ in range(10_000):
        driven.attempt()
        if not taker.held:
            break
        taker.accept()
    driven.operations.find_queue("q").unsubscribe(taker)
    return taker.seen


@pytest.mark.parametrize("crashes", [False, True])
@pytest.mark.parametrize("with_others", [False, True])
def test_it_is_served_and_drained_and_takes_messages_again(
    disk: Disk, driven: Driven, tmp_path: Path, crashes: bool, with_others: bool
) -> None:
    names = fill(driven)
    if with_others:
        others_fill(disk, tmp_path)
    if crashes:
        driven.crash()
    assert drain(driven) == names
    driven.attempt()
    assert driven.broker.store.error is None
    driven.publish("again")
    driven.attempt()
    assert driven.broker.store.error is None
    # What was settled stays away, and what was confirmed stays.
    driven.crash()
    assert driven.bodies() == ["again"]


def test_messages_are_refused_while_there_is_room_for_settlements_only(
    disk: Disk, driven: Driven, tmp_path: Path
) -> None:
    names = fill(driven)
    driven.attempt()
    # Even what the log had is others' now.
    others_fill(disk, tmp_path)
    driven.publish("late", size=20_000)
    driven.attempt()
    taker = driven.consume(prefetch=3)
    driven.attempt()
    taker.accept(2)
    driven.attempt()
    # Committed, although messages are still refused.
    assert "full" in reason(driven)
    driven.publish("later", size=20_000)
    driven.attempt()
    assert "full" in reason(driven)
    driven.crash()
    assert drain(driven) == names[2:]


def fill_up(driven: Driven, taker: Taker) -> None:
    """Turns until it has all that it has room for, or all that there is."""
    for _ in range(1_000):
        if not (taker.has_room() and taker.queue.ready_count):
            return
        driven.attempt()
    raise AssertionError("it never has")


def counts(driven: Driven) -> list[tuple[str, int]]:
    """All that there is, and how often each came back."""
    taker = driven.consume(prefetch=100_000)
    fill_up(driven, taker)
    found = [(queued.message.body.decode().rstrip("."), queued.return_count) for queued in taker.held]
    taker.leave()
    return found


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_what_was_handed_out_counts_after_a_kill_and_takes_no_room(
    disk: Disk, driven: Driven, tmp_path: Path, size: int
) -> None:
    names = fill(driven, size)
    for count in range(1, 4):
        taken = driven.consume(prefetch=len(names) // 2)
        fill_up(driven, taken)
        others_fill(disk, tmp_path)
        driven.crash()
        if count == 1:
            # As at the start, so later.
            driven.crash()
    disk.capacity = 64 * MIB
    driven.attempt()
    half = len(names) // 2
    found = counts(driven)
    assert [name for name, _ in found] == names
    assert {count for _, count in found[:half]} <= {1, 2, 3}
    assert {count for _, count in found[half:]} == {0}


@pytest.mark.parametrize("kind", ["purged", "spilled"])
def test_what_is_swept_away_at_the_start_needs_little_room(
    disk: Disk, driven: Driven, tmp_path: Path, kind: str
) -> None:
    disk.capacity = 48 * MIB
    driven.queue("other")
    driven.publish("kept", queue="other")
    driven.attempt()
    for number in range(12_000):
        driven.publish(str(number), size=1_000, persistent=kind != "spilled")
        if number % 100 == 0:
            driven.attempt()
    driven.attempt()
    assert driven.broker.store.error is None
    if kind == "purged":
        driven.operations.purge_queue("q")
        driven.attempt()
    others_fill(disk, tmp_path)
    driven.crash()
    assert driven.operations.find_queue("q").ready_count == 0
    assert driven.operations.find_queue("other").ready_count == 1


def test_it_recovers_by_itself_when_others_make_room(disk: Disk, driven: Driven, tmp_path: Path) -> None:
    names = fill(driven)
    driven.attempt()
    others_fill(disk, tmp_path)
    driven.publish("late", size=20_000)
    driven.attempt()
    driven.attempt()
    assert "full" in reason(driven)
    disk.capacity = 64 * MIB
    driven.attempt()
    assert reason(driven) == ""
    driven.publish("more")
    driven.attempt()
    assert drain(driven) == [*names, "more"]


def test_a_start_without_any_room_says_how_much_it_needs(disk: Disk, driven: Driven, tmp_path: Path) -> None:
    driven.publish("kept")
    driven.attempt()
    driven.broker.close()
    (tmp_path / "store-reserve").unlink(missing_ok=True)
    disk.is_full = True
    others_fill(disk, tmp_path)
    with pytest.raises(StoreError, match="make at least 1 MiB of room"):
        SqliteStore(str(tmp_path / "store")).open()
    disk.is_full = False
    disk.capacity = 32 * MIB
    assert Driven(tmp_path / "store").bodies() == ["kept"]


def test_an_orderly_end_leaves_no_reserve(driven: Driven, tmp_path: Path) -> None:
    assert (tmp_path / "store-reserve").exists()
    driven.broker.close()
    assert not (tmp_path / "store-reserve").exists()


@pytest.mark.parametrize("is_directory", [False, True])
def test_whatever_has_the_place_of_the_reserve_is_survived(tmp_path: Path, is_directory: bool) -> None:
    place = tmp_path / "store-reserve"
    if is_directory:
        place.mkdir()
    else:
        place.write_bytes(b"something")
    store = SqliteStore(str(tmp_path / "store"))
    store.open()
    store.close({})


def mq_is_full(mq: batonmq.Connection) -> bool:
    """Does the disk refuse one more message?"""
    try:
        mq.send("q", bytes(100_000))
    except StoreError:
        return True
    return False


@pytest.mark.usefixtures("disk")
def test_a_program_is_told_and_may_go_on_to_receive(tmp_path: Path) -> None:
    with batonmq.connect(str(tmp_path / "queues.db")) as mq:
        mq.declare("q")
        sent = 0
        while not mq_is_full(mq):
            sent += 1
        with pytest.raises(StoreError, match="full"):
            mq.send("q", bytes(100_000))
        with mq.receiver("q", prefetch=1) as receiver:
            for _ in range(sent):
                receiver.receive(1, wait=10)[0].accept()
        assert mq.count("q") == 0
