"""A backlog that is read ahead: each message comes once, in order, whatever becomes of the others meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.broker.queues import refilling
from batonmq.fields import FieldValue
from batonmq.store import SqliteStore
from batonmq.store.records import StoredRun

COUNT = 60


class Watched(SqliteStore):
    """Counts what was read ahead and used."""

    used = 0

    def found_ahead(self, after_row: int, last_row: int, changed_in: int) -> StoredRun | None:
        found = super().found_ahead(after_row, last_row, changed_in)
        self.used += len(found.rows) if found is not None else 0
        return found


def waiting(path: Path, priorities: Iterable[int | None], arguments: Mapping[str, FieldValue]) -> Driven:
    """A queue of whose messages one waits for each priority, in the store alone."""
    driven = Driven(path)
    driven.operations.declare_queue("q", durable=True, arguments=arguments)
    for number, priority in enumerate(priorities):
        driven.publish(f"{number}", priority=priority)
    driven.settle()
    driven.broker.close()
    driven.begin(Watched(str(path)))
    return driven


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(refilling, "READ_MESSAGES", 5)
    monkeypatch.setattr(refilling, "READ_AHEAD", 6)
    return tmp_path / "store"


@pytest.fixture
def driven(path: Path) -> Driven:
    """Sixty messages wait in the store alone, of which ten are in memory when there is a consumer."""
    return waiting(path, [None] * COUNT, {})


def used(driven: Driven) -> int:
    store = driven.broker.store
    assert isinstance(store, Watched)
    return store.used


def drain(driven: Driven, count: int, *, prefetch: int = 1) -> list[str]:
    """So many messages, taken and accepted one by one."""
    taker = driven.consume(prefetch=prefetch)
    driven.settle()
    while len(taker.seen) < count and taker.held:
        taker.accept()
        driven.settle()
    seen = taker.seen[:count]
    taker.leave()
    driven.settle()
    return seen


def test_a_backlog_comes_once_and_in_order(driven: Driven) -> None:
    for number in range(COUNT, COUNT + 7):
        driven.publish(f"{number}")
    assert drain(driven, 1_000) == [f"{number}" for number in range(COUNT + 7)]
    # All but the first page.
    assert used(driven) >= COUNT - 5
    driven.broker.close()


def test_all_priorities_are_read_ahead(path: Path) -> None:
    priorities = [number % 10 for number in range(5 * COUNT)]
    driven = waiting(path, priorities, {"x-max-priority": 9})
    in_order = sorted(range(5 * COUNT), key=lambda number: (-priorities[number], number))
    assert drain(driven, 1_000) == [f"{number}" for number in in_order]
    # All but the first page of each.
    assert used(driven) >= 5 * COUNT - 10 * 5
    driven.broker.close()


def test_what_expires_comes_in_time_or_never(path: Path) -> None:
    driven = waiting(path, [None] * COUNT, {"x-message-ttl": 60_000})
    assert drain(driven, 20) == [f"{number}" for number in range(20)]
    assert used(driven) >= 20 - 5
    driven.wait(61)
    driven.publish("fresh")
    driven.settle()
    assert drain(driven, 1_000) == ["fresh"]
    driven.broker.close()


def test_what_is_purged_does_not_come_from_what_was_read_ahead(driven: Driven) -> None:
    drain(driven, 3)
    driven.operations.purge_queue("q")
    driven.publish("fresh")
    driven.settle()
    assert drain(driven, 1_000) == ["fresh"]
    driven.broker.close()


def test_a_queue_that_is_declared_anew_has_nothing_of_the_one_before(driven: Driven) -> None:
    drain(driven, 3)
    driven.operations.delete_queue("q")
    driven.queue()
    for number in range(COUNT):
        driven.publish(f"new {number}")
    driven.settle()
    assert drain(driven, 1_000) == [f"new {number}" for number in range(COUNT)]
    driven.broker.close()


def test_what_goes_back_to_the_store_meanwhile_comes_from_there(driven: Driven) -> None:
    taker = driven.consume(prefetch=20)
    driven.settle()
    taker.accept(5)
    driven.settle()
    memory = driven.broker.scheduler.memory
    window, memory.window = memory.window, 1 << 10
    driven.settle()
    taker.release()
    taker.leave()
    driven.settle()
    memory.window = window
    assert drain(driven, 1_000, prefetch=4) == [f"{number}" for number in range(5, COUNT)]
    driven.broker.close()
