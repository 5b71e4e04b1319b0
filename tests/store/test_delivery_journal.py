"""What was handed out is noted beside the store, for the case that the process is killed before the next commit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from proof.disk import Disk, Fault
from tests.support.driven import Driven

from batonmq.store import SqliteStore


@pytest.fixture
def notes(path: Path) -> Path:
    return path.with_name("store.db-hands")


def hand_out(driven: Driven, count: int, queue: str = "q") -> list[str]:
    """To a consumer, with no commit after it."""
    taker = driven.consume(queue, prefetch=count)
    driven.broker.end_turn()
    return taker.seen


def returned(driven: Driven, queue: str = "q") -> dict[str, int]:
    """What is in the queue, and how often it came back."""
    taker = driven.consume(queue, prefetch=1_000)
    driven.broker.end_turn()
    found = {queued.message.body.decode(): queued.return_count for queued in taker.held}
    taker.leave()
    return found


def test_what_was_handed_out_comes_back_counted_and_the_rest_as_it_was(driven: Driven) -> None:
    assert hand_out(driven, 2) == ["a", "b"]
    driven.crash()
    assert returned(driven) == {"a": 1, "b": 1, "c": 0}


def test_what_comes_again_is_counted_with_a_commit(driven: Driven) -> None:
    for _ in range(3):
        hand_out(driven, 1)
        driven.settle()
        driven.crash()
    assert returned(driven) == {"a": 3, "b": 0, "c": 0}


def test_what_comes_after_it_is_not_taken_for_handed_out(driven: Driven) -> None:
    hand_out(driven, 3)
    driven.crash()
    driven.publish("d")
    driven.settle()
    driven.crash()
    assert returned(driven)["d"] == 0


def test_an_orderly_end_leaves_nothing_behind(driven: Driven, notes: Path) -> None:
    hand_out(driven, 2)
    assert notes.exists()
    driven.broker.close()
    assert not notes.exists()


@pytest.mark.parametrize("content", [b"", b"BatonMQh", b"x" * 4096, b"BatonMQh" + bytes(8) + b"\xff" * 64])
def test_a_file_of_something_else_counts_for_nothing(driven: Driven, notes: Path, content: bytes) -> None:
    notes.write_bytes(content)
    driven.crash()
    assert returned(driven) == {"a": 0, "b": 0, "c": 0}


@pytest.mark.parametrize("position", [2**64 - 1, 2**63, 2**45, 2**45 - 1, 1_000_000])
def test_a_place_that_no_message_has_stops_nothing(driven: Driven, notes: Path, position: int) -> None:
    hand_out(driven, 1)
    driven.publish("d")
    number = driven.operations.find_queue("q").lane.lane_id
    with notes.open("r+b") as file:
        file.seek(16 + 8 * number)
        file.write(position.to_bytes(8, "little"))
    driven.crash()
    driven.publish("e")
    driven.settle()
    driven.crash()
    assert [*returned(driven)] == ["a", "b", "c", "e"]


def make_directory(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [make_directory, make_pipe, make_huge])
def test_whatever_has_its_place_stops_nothing(driven: Driven, notes: Path, make: Callable[[Path], None]) -> None:
    notes.unlink()
    make(notes)
    driven.crash()
    assert returned(driven) == {"a": 0, "b": 0, "c": 0}
    driven.publish("d")
    driven.settle()


def test_what_an_earlier_opening_noted_counts_for_nothing(driven: Driven, notes: Path, tmp_path: Path) -> None:
    hand_out(driven, 3)
    kept = shutil.copy(notes, tmp_path / "kept")
    driven.crash()
    driven.publish("d")
    driven.settle()
    shutil.copy(kept, notes)
    driven.crash()
    # Counted once, for the crash that it belongs to.
    assert returned(driven) == {"a": 1, "b": 1, "c": 1, "d": 0}


def test_a_copy_of_the_store_without_the_notes_is_whole(driven: Driven, path: Path, tmp_path: Path) -> None:
    store = driven.broker.store
    assert isinstance(store, SqliteStore)
    copy = tmp_path / "copy.db"
    store._db.execute("VACUUM INTO ?", (str(copy),))
    hand_out(driven, 2)
    other = Driven(copy)
    assert returned(other) == {"a": 0, "b": 0, "c": 0}


def test_a_queue_that_has_the_place_of_one_that_is_gone_begins_anew(driven: Driven) -> None:
    hand_out(driven, 3)
    number = driven.operations.find_queue("q").lane.lane_id
    driven.queue("busy")
    driven.operations.delete_queue("q")
    store = driven.broker.store
    for _ in range(100):
        if number in store._free_lanes:
            break
        driven.publish("x", queue="busy")
        driven.settle()
    while driven.operations.declare_queue("other", durable=True).lane.lane_id != number:
        driven.operations.delete_queue("other")
    driven.publish("new", queue="other")
    driven.settle()
    driven.crash()
    assert returned(driven, "other") == {"new": 0}


@pytest.mark.parametrize("fault", Fault)
def test_a_disk_that_takes_no_notes_is_waited_for(driven: Driven, notes: Path, fault: Fault) -> None:
    driven.broker.close()
    with Disk(notes.parent) as disk:
        driven._start()
        disk.fault = lambda what, name: fault if (what, name) == ("write", notes.name) else None
        hand_out(driven, 2)
        assert not notes.exists()
        disk.fault = None
        driven.settle()
        driven.crash()
        assert returned(driven) == {"a": 1, "b": 1, "c": 0}


def test_where_no_file_can_be_made_everything_goes_on(driven: Driven, notes: Path) -> None:
    driven.broker.close()
    notes.mkdir()
    driven._start()
    hand_out(driven, 2)
    driven.settle()
    driven.crash()
    assert returned(driven) == {"a": 1, "b": 1, "c": 0}
