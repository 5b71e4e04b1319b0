"""What a file says when it is opened again: after an orderly close, after kill -9, and when it cannot be used."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from tests.support.driven import Driven, Taker
from tests.support.timed import Timed

from batonmq.broker.model.outcomes import STORED
from batonmq.errors import StoreCorrupt, StoreError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store import SqliteStore
from batonmq.store.schema import VERSION

ROOT = Path(__file__).parents[2]
PAGE = 8192
# The same in each run: one page of very many looks like one of SQLite's.
NOISE = random.Random(1).randbytes(20 * PAGE)
NOBODY = 65534

# 1 is settled; 0 and 2 have come back once, and 0 is held again; the rest was never handed out.
PLAY = """
driven.queue()
for number in range(10):
    driven.publish(str(number))
    driven.settle()
taker = driven.consume(prefetch=3)
driven.settle()
taker.queue.accept(taker.held.pop(1))
taker.leave()
driven.settle()
taker = driven.consume(prefetch=1)
driven.settle()
driven.publish("last")
driven.settle()
"""
LEFT = [("0", 2), ("2", 1), *((str(number), 0) for number in range(3, 10)), ("last", 0)]

CHILD = f"""
import sys
from pathlib import Path
from tests.support.driven import Driven
driven = Driven(Path(sys.argv[1]))
{PLAY}
print("ready", flush=True)
sys.stdin.read()
"""


def state(driven: Driven) -> list[tuple[str, int]]:
    """Bodies in the order of the queue, and how often each was handed out before."""
    taker = driven.consume(prefetch=1000)
    driven.settle()
    return [(queued.message.body.decode(), queued.return_count) for queued in taker.held]


def test_an_orderly_close_keeps_rows_order_and_counts(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    names: dict[str, object] = {"driven": driven}
    exec(PLAY, names)
    taker = names["taker"]
    assert isinstance(taker, Taker)
    taker.leave()
    driven.broker.close()
    assert not (tmp_path / "store-wal").exists()
    again = Driven(tmp_path / "store")
    assert again.operations.find_queue("q").ready_count == len(LEFT)
    assert state(again) == LEFT
    again.broker.close()


def test_a_killed_process_keeps_rows_order_and_counts(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "store")]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.kill()
    assert (tmp_path / "store-wal").exists()
    again = Driven(tmp_path / "store")
    assert again.operations.find_queue("q").ready_count == len(LEFT)
    assert state(again) == LEFT
    again.broker.close()


def test_a_second_kill_counts_once_more(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    driven.queue()
    driven.publish("0")
    driven.settle()
    for count in range(3):
        assert state(driven) == [("0", count)]
        driven.crash()
    driven.broker.close()


# ---------------------------------------------------------------------- files that cannot be used


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store's file of some hundred pages, closed."""
    path = tmp_path / "store"
    driven = Driven(path)
    driven.queue()
    for number in range(100):
        driven.publish(str(number), size=PAGE)
    driven.settle()
    driven.broker.close()
    return path


def refusal(path: Path, kind: type[StoreError] = StoreCorrupt) -> str:
    """What opening it says; it is not touched."""
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(kind) as caught:
        SqliteStore(str(path)).open()
    assert (path.read_bytes() if path.exists() else None) == before
    assert str(path) in str(caught.value)
    return str(caught.value).replace(str(path), "PATH")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("some notes, long enough to be a header " * 30)
    assert refusal(path).startswith("PATH is not a BatonMQ store; if it was one, `batonmq repair` saves")


def test_a_database_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE thing(id)")
    other.close()
    assert refusal(path) == "PATH is not a BatonMQ store"


def test_a_file_of_a_newer_version(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.pragma("user_version", VERSION + 1)
    db.close()
    assert refusal(path) == f"PATH was written by a newer BatonMQ (format {VERSION + 1}, this one knows {VERSION})"


def test_a_file_that_was_cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(5 * PAGE)
    assert refusal(path).startswith("PATH is damaged: ")


def test_a_file_with_a_damaged_table(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(NOISE[: 8 * PAGE])
    assert refusal(path).startswith("PATH is damaged: ")


def test_a_file_with_a_definition_that_cannot_be_read(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("UPDATE definition SET value = '{'")
    db.close()
    assert refusal(path).startswith("PATH is damaged: ")


@pytest.mark.parametrize(
    "damage",
    [
        *(f"definition SET value = {value}" for value in ("'text'", "x'ff'", "-1", "'[]'")),
        *(f"definition SET arguments = {value}" for value in ("'text'", "x'ff'", "-1")),
        *(
            f"lane SET {column} = {value}"
            for column in ("priority", "handed", "returned")
            for value in ("'text'", "x'ff'", "1.5")
        ),
        "lane SET handed = 9223372036854775807",
        "lane SET handed = -1",
        "probe SET writes = 'text'",
    ],
)
def test_a_file_with_a_damaged_row_that_a_start_goes_by(path: Path, damage: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(f"UPDATE {damage}")
    db.close()
    assert refusal(path).startswith("PATH is damaged: ")


def test_a_quorum_queue_with_messages_of_all_priorities(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    driven.queue(x_queue_type="quorum")
    for priority in range(10):
        driven.publish(str(priority), priority=priority)
    driven.publish("plain")
    driven.settle()
    for _ in range(2):
        driven.crash()
        assert driven.operations.find_queue("q").ready_count == 11
    assert [body for body, _ in state(driven)] == [*"98765", "4", "plain", *"3210"]
    driven.broker.close()


def test_a_quorum_queue_that_gets_a_run_of_messages_with_priorities(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    queue = driven.queue(x_queue_type="quorum")
    priorities = (None, 4, 9, 0, None, 9)
    run = [
        Message("", "q", Properties.make(delivery_mode=2, priority=priority), str(number).encode())
        for number, priority in enumerate(priorities)
    ]
    assert queue.publish_all(run) == STORED
    assert queue.publish_all(run[:1]) == STORED
    driven.settle()
    driven.crash()
    assert [body for body, _ in state(driven)] == ["2", "5", "0", "1", "4", "0", "3"]
    driven.broker.close()


@pytest.mark.parametrize("value", ['{"type": 7}', "{}"])
def test_a_file_with_a_definition_of_which_nothing_can_be_made(path: Path, value: str) -> None:
    db = apsw.Connection(str(path))
    db.execute("UPDATE definition SET value = ?, checksum = NULL", (value,))
    db.close()
    with pytest.raises(StoreCorrupt, match="damaged: queue 'q' cannot be made of its definition"):
        Driven(path)


@pytest.mark.parametrize("damage", ["waiting = 'text'", "waiting = -1", "waiting = 1.5", "waiting_bytes = x'ff'"])
def test_counts_that_are_none_are_made_anew(path: Path, damage: str) -> None:
    db = apsw.Connection(str(path))
    db.execute(f"UPDATE lane SET {damage}")
    db.close()
    driven = Driven(path)
    queue = driven.operations.find_queue("q")
    assert (queue.ready_count, queue.ready_bytes) == (100, 100 * PAGE)
    driven.broker.close()


def test_messages_of_a_queue_whose_definition_is_lost_are_kept(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    db = apsw.Connection(str(path))
    db.execute("DELETE FROM definition")
    db.close()
    driven = Driven(path)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "100 messages of queue 'q' in virtual host '/', and no such queue" in told
    driven.queue()
    driven.publish("new")
    driven.settle()
    driven.broker.close()
    driven = Driven(path)
    taken = [body.rstrip(".") for body, _ in state(driven)]
    assert sorted(taken) == sorted([*map(str, range(100)), "new"])
    driven.broker.close()


def test_damage_that_opening_does_not_meet_is_met_when_it_is_read(path: Path) -> None:
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        # Behind the first pages, which hold all tables' roots.
        file.seek((pages - 30) * PAGE)
        file.write(NOISE[: 20 * PAGE])
    store = SqliteStore(str(path))
    (lane,) = store.open().lanes
    with pytest.raises(StoreError, match=r"cannot read .*store: "):
        store.read(lane.lane_id << 45, (lane.lane_id + 1) << 45, 1000, 1 << 30)
    with contextlib.suppress(StoreError):
        store.close(None)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write there, root included."""
    modes = {entry: entry.stat().st_mode for entry in (*folder.iterdir(), folder)}
    for entry, mode in modes.items():
        entry.chmod(mode & 0o555 | 0o444)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for entry, mode in modes.items():
            entry.chmod(mode)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


needs_users = pytest.mark.skipif(sys.platform == "win32", reason="permissions as POSIX has them")


@needs_users
def test_a_read_only_folder_for_a_new_file(open_folder: Path) -> None:
    with read_only(open_folder):
        said = refusal(open_folder / "store", StoreError)
    assert said == "cannot open PATH: unable to open database file"


@needs_users
@pytest.mark.parametrize("was_closed", [True, False])
def test_a_read_only_folder_with_a_file(path: Path, open_folder: Path, was_closed: bool) -> None:
    again = Driven(path)
    again.publish("in the log")
    again.settle()
    if was_closed:
        again.broker.close()
    for file in path.parent.iterdir():
        (open_folder / file.name).write_bytes(file.read_bytes())
    with read_only(open_folder):
        said = refusal(open_folder / "store", StoreError)
    assert said == "cannot use PATH: attempt to write a readonly database"
    if not was_closed:
        again.broker.close()


def test_transient_messages_do_not_count_after_an_orderly_end(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store")
    driven.queue()
    driven.queue("spilled")
    for number in range(12):
        driven.publish(str(number), persistent=number % 3 == 0)
        driven.publish(str(number), {"x-delay": 60_000}, persistent=number % 3 == 0)
        driven.publish(str(number), queue="spilled", persistent=number % 3 == 0, size=6_000)
        driven.settle()
    driven.broker.close()
    driven.start()
    spilled = driven.operations.find_queue("spilled")
    queue = driven.operations.find_queue("q")
    assert [(queue.ready_count, queue.ready_bytes), queue.delayed_count] == [(4, 4), 4]
    assert (spilled.ready_count, spilled.ready_bytes) == (4, 24_000)


def test_a_file_of_the_first_version(tmp_path: Path) -> None:
    """It had no column for whether the broker has written the record of deaths: what looks like one counts."""
    path = tmp_path / "store"
    driven = Driven(path)
    driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.queue("dead")
    for body in ("rejected", "waiting"):
        driven.publish(body)
    driven.settle()
    taker = driven.consume()
    driven.settle()
    taker.queue.reject(taker.held.pop())
    taker.leave()
    driven.settle()
    driven.broker.store.close(None)
    db = apsw.Connection(str(path))
    for column in ("dead", "framing", "start", "size", "checksum"):
        db.execute(f"ALTER TABLE message DROP COLUMN {column}")
    for column in ("returned", "counted"):
        db.execute(f"ALTER TABLE lane DROP COLUMN {column}")
    for table in ("definition", "lane", "trash"):
        db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
    db.execute("DROP TABLE done")
    db.pragma("user_version", 1)
    db.close()
    driven = Driven(path)
    takers = [driven.consume(queue) for queue in ("q", "dead")]
    driven.settle()
    found = {q.message.body.decode(): q.message.is_dead_letter for taker in takers for q in taker.held}
    assert found == {"waiting": False, "rejected": True}


def test_a_file_of_the_fourth_version(path: Path) -> None:
    """It had no columns for what is around a body: there was nothing."""
    db = apsw.Connection(str(path))
    for column in ("framing", "start", "size", "checksum"):
        db.execute(f"ALTER TABLE message DROP COLUMN {column}")
    for table in ("definition", "lane", "trash"):
        db.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
    db.execute("ALTER TABLE lane DROP COLUMN counted")
    db.pragma("user_version", 4)
    db.close()
    driven = Driven(path)
    taker = driven.consume(prefetch=100)
    driven.settle()
    assert taker.seen == [str(number) for number in range(100)]
    assert {queued.message.framing for queued in taker.held} == {None}
