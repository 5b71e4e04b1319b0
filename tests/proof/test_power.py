"""Losses of power: a short run keeps all promises, and a store that breaks them is found out."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import apsw
import pytest
from proof.disk import Fault
from proof.platter import Deleted, FolderSynced, Found, Made, Platter, Renamed, Resized, Synced, SyncFailed, Written
from proof.power import faults, struck
from proof.power.__main__ import SYNCS_MOST
from proof.power.faults import sweep
from proof.power.opened import Heard, damage_of, look
from proof.power.states import Account, Recorded, check, most_syncs, record, record_program, record_programs
from proof.power.struck import strike

from batonmq.errors import StoreError
from batonmq.store import SqliteStore
from batonmq.store.batch import Batch
from batonmq.store.transaction import Transaction
from batonmq.store.write_ahead_log import WriteAheadLog

STATES = 60
OPERATIONS = 5


def attack(folder: Path, states: int = STATES) -> Account:
    (folder / "run").mkdir()
    recorded = record(folder / "run", 1, OPERATIONS)
    assert recorded.faults == []
    return check(recorded, states, 1, folder / "cut", folder / "kept")


def test_a_short_run_keeps_all_promises(tmp_path: Path) -> None:
    account = attack(tmp_path)
    assert (account.broken, account.examples) == (0, [])
    assert account.states >= STATES
    assert account.recoveries > 0
    assert account.promises > 0


def test_a_file_that_cannot_even_be_looked_through_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "baton.db"
    with closing(apsw.Connection(str(file))) as db:
        db.execute("CREATE TABLE one (number)")
    assert damage_of(file) == ""
    with file.open("r+b") as opened:
        # The kind of the first page's tree, which holds the names of all others.
        opened.seek(100)
        opened.write(b"\xff")
    assert "malformed" in damage_of(file)


def test_a_file_that_takes_nothing_is_a_fault_of_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_store: SqliteStore) -> None:
        raise StoreError("database disk image is malformed")

    monkeypatch.setattr(SqliteStore, "commit", fail)
    _found, faults = look(tmp_path, Heard())
    assert faults == ["its file takes nothing: database disk image is malformed"]


def test_a_program_that_has_the_file_keeps_all_promises(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    recorded = record_program(tmp_path / "run", 1, OPERATIONS)
    assert recorded.faults == []
    account = check(recorded, STATES // 2, 1, tmp_path / "cut", tmp_path / "kept")
    assert (account.broken, account.examples) == (0, [])
    assert account.promises > 0


def test_programs_that_share_a_file_and_are_killed_keep_all_promises(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    recorded = record_programs(tmp_path / "run", 1, 3, kills=2)
    assert recorded.faults == []
    makers = {event.file // 1_000_000 for event in recorded.events if isinstance(event, Written)}
    assert len(makers) > 1, "the file had one owner only"
    account = check(recorded, STATES // 3, 1, tmp_path / "cut", tmp_path / "kept")
    assert (account.broken, account.examples) == (0, [])
    assert account.promises > 0
    unsynced = Recorded([event for event in recorded.events if not isinstance(event, Synced)])
    unsynced.ledger = recorded.ledger
    assert check(unsynced, 10, 1, tmp_path / "cut", tmp_path / "kept").broken, (
        "a disk that keeps nothing is not found out"
    )


def test_who_finds_a_file_in_which_there_is_nothing_yet_says_so_rightly(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    # By this seed the first program is killed while it makes the file.
    assert record_programs(tmp_path / "run", 26, 1, kills=1).faults == []


@pytest.mark.parametrize("run", [record, record_program])
def test_a_slow_disk_holds_up_confirms_and_nothing_else(tmp_path: Path, run: Callable[..., Recorded]) -> None:
    (tmp_path / "run").mkdir()
    recorded = run(tmp_path / "run", 1, 2, sync_seconds=0.1)
    assert recorded.faults == []
    assert 1 <= most_syncs(recorded)[0] <= SYNCS_MOST
    account = check(recorded, 10, 1, tmp_path / "cut", tmp_path / "kept")
    assert (account.broken, account.examples) == (0, [])


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    begin: Callable[..., None] = Transaction._begin

    def forget(transaction: Transaction, *, syncs: bool) -> None:
        begin(transaction, syncs=False)

    monkeypatch.setattr(Transaction, "_begin", forget)


@pytest.mark.usefixtures("careless")
def test_a_store_that_does_not_sync_is_found_out(tmp_path: Path) -> None:
    account = attack(tmp_path, 20)
    assert account.broken
    assert any("belongs in" in example for example in account.examples)
    assert list((tmp_path / "kept").iterdir())


def test_a_store_that_deletes_nothing_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Batch.write

    def forgetful(batch: Batch, cursor: apsw.Cursor, *, leaves_runs: bool = False) -> list[tuple[int, int]]:
        batch.deletes.clear()
        return write(batch, cursor, leaves_runs=leaves_runs)

    monkeypatch.setattr(Batch, "write", forgetful)
    assert attack(tmp_path, 20).broken


def test_a_disk_that_fails_anywhere_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    swept = sweep(tmp_path / "swept", 1, every=60)
    assert swept.examples == []
    assert swept.faults
    assert swept.cuts > swept.faults


def test_clients_of_a_disk_that_fails_anywhere_are_promised_nothing_that_is_lost(tmp_path: Path) -> None:
    struck = strike(tmp_path / "struck", 1, every=400)
    assert struck.examples == []
    assert struck.faults
    assert struck.cuts > struck.faults


def test_a_confirm_after_a_sync_that_failed_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit: Callable[[SqliteStore], None] = SqliteStore.commit

    def careless(store: SqliteStore) -> None:
        with suppress(StoreError):
            commit(store)

    monkeypatch.setattr(SqliteStore, "commit", careless)
    monkeypatch.setattr(struck, "Fault", [Fault.FAILED])
    assert strike(tmp_path / "struck", 1, every=100).broken


def test_a_broker_that_goes_on_with_a_log_that_a_failed_sync_left_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WriteAheadLog, "doubt", lambda _log: None)
    monkeypatch.setattr(faults, "Fault", [Fault.FAILED])
    assert sweep(tmp_path / "swept", 1, every=3).broken


# ---------------------------------------------------------------------- what a disk keeps


def states(platter: Platter, name: str = "f") -> set[bytes]:
    """What the file may hold after a cut, of many."""
    chance = random.Random(1)
    found = [platter.left(chance).get(name, (b"none", 4)) for _ in range(500)]
    return {data.ljust(size, b"\0")[:size] for data, size in found}


def platter_with(content: bytes) -> Platter:
    return Platter({"f": (content, len(content))})


def test_what_was_synced_stays_and_the_rest_may_be_there_or_not() -> None:
    platter = platter_with(b"")
    platter.happen(Written(1, 0, b"a"))
    platter.happen(Synced(1))
    assert platter.left()["f"] == (b"a", 1)
    platter.happen(Written(1, 0, b"b"))
    assert platter.left()["f"] == (b"a", 1)
    assert states(platter) == {b"a", b"b"}


def test_sectors_arrive_in_any_order_and_each_as_a_whole() -> None:
    old, new = b"a" * 8192, b"b" * 8192
    platter = platter_with(old)
    platter.happen(Written(1, 0, new))
    found = states(platter)
    assert {old, new} < found
    assert b"b" * 4096 + b"a" * 4096 in found
    assert b"a" * 4096 + b"b" * 4096 in found
    for state in found:
        assert all(len(set(state[at : at + 512])) == 1 for at in range(0, 8192, 512))


def test_a_file_that_grew_may_have_anything_there() -> None:
    platter = platter_with(b"")
    platter.happen(Written(1, 0, b"b" * 1024))
    found = states(platter)
    assert bytes(1024) in found
    assert any(len(state) == 1024 and len(set(state)) > 2 for state in found)


def test_a_cut_of_a_file_arrives_like_any_other_change() -> None:
    platter = platter_with(b"abc")
    platter.happen(Resized(1, 1))
    assert states(platter) == {b"a", b"abc"}


def test_what_a_failed_sync_dropped_no_later_one_brings() -> None:
    platter = platter_with(b"aa")
    platter.happen(Written(1, 0, b"b"))
    platter.happen(SyncFailed(1))
    platter.happen(Written(1, 1, b"c"))
    platter.happen(Synced(1))
    assert states(platter) == {b"ac", b"bc"}


def test_a_file_has_a_number_for_each_process_that_opens_it() -> None:
    platter = platter_with(b"")
    platter.happen(Found("f", 1_000_001))
    platter.happen(Written(1_000_001, 0, b"a"))
    platter.happen(Written(1, 1, b"b"))
    platter.happen(Synced(1_000_001))
    assert platter.left()["f"] == (b"ab", 2)
    platter.happen(Deleted("f"))
    platter.happen(Made("f", 2_000_001))
    platter.happen(Found("f", 1_000_002))
    platter.happen(Written(1_000_002, 0, b"c"))
    platter.happen(Synced(2_000_001))
    # The file that is new, the old one, or only the end of that.
    assert states(platter) == {b"ab", b"c", b"none"}


def test_names_are_sure_when_the_folder_was_synced() -> None:
    platter = platter_with(b"old")
    platter.happen(Made("g", 2))
    platter.happen(Written(2, 0, b"new"))
    platter.happen(Synced(2))
    assert states(platter, "g") == {b"none", b"new"}
    platter.happen(FolderSynced())
    assert states(platter, "g") == {b"new"}
    platter.happen(Renamed("g", "f"))
    assert states(platter, "f") == {b"old", b"new"}
    platter.happen(FolderSynced())
    platter.happen(Deleted("f"))
    assert states(platter, "f") == {b"none", b"new"}
