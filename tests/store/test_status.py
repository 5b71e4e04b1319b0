"""How a store stands: what its own counters say, whatever its thread is doing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.timed import Timed

from batonmq.store.status import REMEMBERED, CommitTimes


@pytest.fixture
def stored(tmp_path: Path) -> Timed:
    return Timed(tmp_path / "store")


def test_sizes_and_commits_grow_with_what_is_kept(stored: Timed) -> None:
    stored.queue()
    stored.settle()
    store = stored.broker.store
    before = store.status()
    for number in range(100):
        stored.publish(f"m{number}", size=20_000)
    pending = store.status()
    assert pending.pending > 100 * 20_000
    stored.settle()
    after = store.status()
    assert after.path == str(stored.path)
    assert after.commits.count > before.commits.count
    assert after.committed == after.batch - 1 > before.committed
    assert after.log_size + after.size > 100 * 20_000
    assert 0 < after.commits.median <= after.commits.percentile_99 <= after.commits.longest
    assert after.disk_free > 0
    assert (after.pending, after.fault, after.is_full, after.is_committing) == (0, "", False, False)
    stored.operations.purge_queue("q")
    stored.settle()
    assert store.status().free > before.free


def test_it_is_told_while_a_commit_is_under_way(stored: Timed) -> None:
    stored.queue()
    stored.publish("m")
    store = stored.broker.store
    store.stage()
    found = store.status()
    assert (found.is_committing, found.committed) == (True, found.batch - 2)
    store.commit()
    stored.broker.commit_done(None)


def test_a_disk_that_fails_is_its_fault(stored: Timed) -> None:
    stored.queue()
    stored.settle()
    stored.publish("m")
    stored.fail()
    found = stored.broker.store.status()
    assert found.commits.failed == 1
    assert "full" in found.fault
    assert str(stored.path) not in found.fault


def test_a_store_in_memory_has_no_file() -> None:
    driven = Timed(None)
    driven.queue()
    driven.settle()
    found = driven.broker.store.status()
    assert (found.path, found.size, found.disk_free, found.fault) == ("", 0, 0, "")
    assert found.commits.count == 1


def test_percentiles_are_of_the_last_hundred() -> None:
    times = CommitTimes()
    assert times.status().longest == times.status().median == 0.0
    for number in range(1, 2 * REMEMBERED + 1):
        times.note(float(number))
    found = times.status()
    assert (found.count, found.last, found.median, found.percentile_99, found.longest) == (200, 200, 150, 199, 200)
