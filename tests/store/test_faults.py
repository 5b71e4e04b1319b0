"""A disk that is full, fails, or loses power: what it does not hold is not confirmed, and what was confirmed stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from proof.disk import Disk
from tests.support.driven import Driven

from batonmq.errors import StoreError
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import DURABLE, QueuedMessage, Settlement
from batonmq.store import SqliteStore, Store
from batonmq.store.records import POSITION_BITS

LANE = 1
FIRST = LANE << POSITION_BITS
PERSISTENT = Properties.make(delivery_mode=2)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Disk(tmp_path) as disk:
        yield disk


@pytest.fixture
def store(disk: Disk, tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "store"))
    store.open()
    store.add_lane(LANE, "/", "q", 0)
    assert commit(store) is None
    yield store
    disk.is_full = disk.is_broken = False
    store.close(None)


def message(queue: Settlement, position: int, size: int = 4) -> QueuedMessage:
    queued = QueuedMessage(Message("", "q", PERSISTENT, b"x" * size), queue, FIRST + position)
    queued.stored = DURABLE
    return queued


def commit(store: SqliteStore) -> StoreError | None:
    """A whole commit as a host drives it; why it failed."""
    store.stage()
    failure: StoreError | None = None
    try:
        store.commit()
    except StoreError as error:
        failure = error
    store.finish(failure)
    return failure


def is_failing(store: Store) -> bool:
    return store.error is not None


def positions(store: SqliteStore) -> list[int]:
    return [found.row - FIRST for found in store.read(FIRST, FIRST + 10_000, 10_000, 1 << 30)]


def after_a_power_cut(disk: Disk, folder: Path) -> list[int]:
    """The positions that a store finds which is opened on what the disk holds."""
    folder.mkdir()
    disk.lose_power(folder)
    store = SqliteStore(str(folder / "store"))
    store.open()
    found = positions(store)
    store.close(None)
    return found


# ---------------------------------------------------------------------- the power goes


def test_what_was_committed_is_on_the_disk(disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path) -> None:
    for position in (1, 2, 3):
        store.insert(message(queue, position))
        assert commit(store) is None
    store.insert(message(queue, 4))
    store.stage()
    assert after_a_power_cut(disk, tmp_path / "cut") == [1, 2, 3]
    store.commit()
    store.finish(None)
    assert after_a_power_cut(disk, tmp_path / "later") == [1, 2, 3, 4]


def test_a_settlement_waits_for_the_next_sync_and_goes_with_it(
    disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path
) -> None:
    first = message(queue, 1)
    store.insert(first)
    assert commit(store) is None
    before = disk.syncs
    store.delete(first)
    assert commit(store) is None
    assert disk.syncs == before
    assert after_a_power_cut(disk, tmp_path / "cut") == [1]
    store.insert(message(queue, 2))
    assert commit(store) is None
    assert after_a_power_cut(disk, tmp_path / "later") == [2]


def test_what_came_after_a_read_is_on_the_disk_with_its_commit(
    disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path
) -> None:
    # The read begins a transaction of settlements alone, which needs no sync; what comes then does.
    first = message(queue, 1)
    store.insert(first)
    assert commit(store) is None
    store.delete(first)
    assert positions(store) == []
    store.insert(message(queue, 2))
    assert commit(store) is None
    assert after_a_power_cut(disk, tmp_path / "cut") == [2]


# ---------------------------------------------------------------------- the disk is full


def test_a_commit_that_fails_keeps_nothing_and_loses_nothing(disk: Disk, store: SqliteStore, queue: Settlement) -> None:
    store.insert(message(queue, 1))
    assert commit(store) is None
    refused = message(queue, 2)
    store.insert(refused)
    disk.is_full = True
    store.stage()
    with pytest.raises(StoreError, match=r"cannot write .*store: the disk is full") as caught:
        store.commit()
    assert store.finish(caught.value) == [refused]
    assert is_failing(store)
    assert commit(store) is not None
    disk.is_full = False
    store.insert(message(queue, 3))
    assert commit(store) is None
    assert not is_failing(store)
    assert positions(store) == [1, 3]


def test_a_file_at_its_limit_takes_again_when_there_is_room(store: SqliteStore, queue: Settlement) -> None:
    # SQLite's own error this time, which comes while the batch is written and ends the transaction.
    store.insert(message(queue, 1))
    assert commit(store) is None
    store._db.pragma("max_page_count", store._db.pragma("page_count"))
    kept = [message(queue, position, size=20_000) for position in (2, 3)]
    for queued in kept:
        store.insert(queued)
    store.delete(kept[0])
    assert "full" in str(commit(store))
    assert positions_committed(store) == [1]
    store._db.pragma("max_page_count", 1 << 30)
    assert commit(store) is None
    store.insert(message(queue, 4, size=20_000))
    assert commit(store) is None
    assert positions(store) == [1, 4]


def positions_committed(store: SqliteStore) -> list[int]:
    return [row - FIRST for row in store.read_run(FIRST, FIRST + 10_000, 10_000, 1 << 30, committed=True).rows]


def test_definitions_and_settlements_of_a_commit_that_failed_are_tried_again(
    disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path
) -> None:
    first = message(queue, 1)
    store.insert(first)
    assert commit(store) is None
    store.delete(first)
    store.add_lane(LANE + 1, "/", "another", 0)
    disk.is_full = True
    for _ in range(3):
        assert commit(store) is not None
    disk.is_full = False
    assert commit(store) is None
    assert positions(store) == []
    assert after_a_power_cut(disk, tmp_path / "cut") == []
    assert store._db.execute("SELECT queue FROM lane WHERE id = ?", (LANE + 1,)).get == "another"


# ---------------------------------------------------------------------- a sync fails


def test_what_a_failing_sync_should_have_taken_to_the_disk_is_not_confirmed(
    disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path
) -> None:
    store.insert(message(queue, 1))
    assert commit(store) is None
    refused = message(queue, 2)
    store.insert(refused)
    disk.is_broken = True
    committed = store.committed
    store.stage()
    with pytest.raises(StoreError) as caught:
        store.commit()
    assert store.finish(caught.value) == [refused]
    assert store.committed == committed
    assert positions(store) == [1]
    assert after_a_power_cut(disk, tmp_path / "cut") == [1]


@pytest.mark.parametrize("fault", ["is_full", "is_broken"])
def test_a_commit_that_fails_after_a_read_keeps_nothing(
    disk: Disk, store: SqliteStore, queue: Settlement, fault: str
) -> None:
    settled, refused = message(queue, 1), message(queue, 2)
    store.insert(settled)
    assert commit(store) is None
    store.delete(settled)
    assert positions(store) == []
    store.insert(refused)
    store.add_lane(LANE + 1, "/", "another", 0)
    setattr(disk, fault, True)
    store.stage()
    with pytest.raises(StoreError) as caught:
        store.commit()
    assert store.finish(caught.value) == [refused]
    # A transaction may take back its settlement, since its commit has failed.
    store.undelete(settled)
    setattr(disk, fault, False)
    assert commit(store) is None
    assert positions(store) == [1]


def test_after_a_failed_sync_only_a_sync_tells_that_the_disk_is_well(
    disk: Disk, store: SqliteStore, queue: Settlement
) -> None:
    first = message(queue, 1)
    store.insert(first)
    assert commit(store) is None
    disk.is_broken = True
    store.insert(message(queue, 2))
    assert commit(store) is not None
    # A settlement alone would not be synced.
    store.delete(first)
    assert commit(store) is not None
    disk.is_broken = False
    before = disk.syncs
    assert commit(store) is None
    assert disk.syncs > before


def test_what_is_confirmed_after_a_failed_sync_does_not_stand_on_what_that_lost(
    disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path
) -> None:
    # The settlement lies unsynced in the log when the sync fails, and no later one takes it to the disk; SQLite reads
    # its log up to the first gap.
    first = message(queue, 1)
    store.insert(first)
    assert commit(store) is None
    store.delete(first)
    assert commit(store) is None
    store.insert(message(queue, 2))
    disk.is_broken = True
    assert commit(store) is not None
    disk.is_broken = False
    store.insert(message(queue, 3))
    assert commit(store) is None
    assert after_a_power_cut(disk, tmp_path / "cut") == [3]


def test_a_checkpoint_that_fails_is_made_good_before_anything_else_is_confirmed(
    disk: Disk, store: SqliteStore, queue: Settlement, tmp_path: Path
) -> None:
    first = message(queue, 1)
    store.insert(first)
    assert commit(store) is None
    store._log.checkpoint_pages = 1
    disk.is_broken = True
    store.delete(first)
    # The settlement needs no sync; the checkpoint behind it does.
    assert commit(store) is None
    assert disk.refusals
    disk.is_broken = False
    store.insert(message(queue, 2))
    assert commit(store) is None
    assert after_a_power_cut(disk, tmp_path / "cut") == [2]


# ---------------------------------------------------------------------- with a broker above


def test_a_broker_goes_on_with_what_was_confirmed_when_the_disk_was_full(disk: Disk, tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    driven.queue()
    driven.publish("kept")
    driven.settle()
    disk.is_full = True
    driven.publish("refused")
    driven.attempt()
    assert is_failing(driven.broker.store)
    disk.is_full = False
    driven.attempt()
    assert not is_failing(driven.broker.store)
    driven.publish("again")
    driven.settle()
    assert driven.bodies() == ["kept", "again"]
    driven.crash()
    assert driven.bodies() == ["kept", "again"]
    driven.broker.store.close(None)


def test_a_broker_opens_what_a_power_cut_left(disk: Disk, tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    driven.queue()
    for body in ("1", "2"):
        driven.publish(body)
        driven.settle()
    driven.publish("never committed")
    cut = tmp_path / "cut"
    cut.mkdir()
    disk.lose_power(cut)
    found = Driven(cut / "store")
    assert found.bodies() == ["1", "2"]
    for broker in (driven.broker, found.broker):
        broker.store.close(None)


def test_a_row_that_is_in_the_way_has_nobody_refused(tmp_path: Path) -> None:
    """It would be a fault of ours; it must not be everybody's."""
    driven = Driven(tmp_path / "store")
    driven.queue()
    driven.queue("other")
    driven.settle()
    first = driven.operations.find_queue("q").lane.next_row
    store = driven.broker.store
    assert isinstance(store, SqliteStore)
    columns = "id, exchange, routing_key, properties, body"
    store._db.execute(f"INSERT INTO message({columns}) VALUES(?,'','',x'0000','')", (first,))
    driven.publish("a")
    driven.publish("b", queue="other")
    driven.settle()
    assert store.error is None
    driven.crash()
    assert (driven.bodies(), driven.bodies("other")) == (["a"], ["b"])
