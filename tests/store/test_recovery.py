"""What a crash left to be swept does not hold up the next start, and comes back to nobody."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from tests.support.driven import Driven

from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store import maintenance, recovery

COUNT = 40
SLICE = 4


@pytest.fixture(autouse=True)
def _short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "SLICE", SLICE)
    monkeypatch.setattr(maintenance, "SLICE", SLICE)


def rows(path: Path, table: str = "message") -> int:
    db = apsw.Connection(str(path))
    try:
        return int(db.execute(f"SELECT count(*) FROM {table}").get)
    finally:
        db.close()


def fill(driven: Driven, queue: str, *, size: int = 100, persistent: bool = True) -> None:
    for number in range(COUNT):
        driven.publish(f"{queue}{number}", queue=queue, size=size, persistent=persistent)
    driven.settle()


def test_a_queue_that_was_deleted_is_swept_beside_the_work_after_the_start(tmp_path: Path) -> None:
    path = tmp_path / "store"
    driven = Driven(path)
    driven.queue("deleted")
    fill(driven, "deleted", size=6_000)
    lane_id = driven.operations.find_queue("deleted").lane.lane_id
    driven.operations.delete_queue("deleted")
    driven.turn()
    driven.crash()
    assert rows(path) > COUNT // 2
    # Nothing new stands under the number before that is gone.
    fresh = driven.queue("fresh")
    assert fresh.lane.lane_id != lane_id
    fill(driven, "fresh")
    assert rows(path) == fresh.ready_count == COUNT
    assert driven.queue("another").lane.lane_id == lane_id
    assert driven.bodies("another") == []


def test_a_queue_that_does_not_outlive_the_broker_is_swept_beside_the_work(tmp_path: Path) -> None:
    path = tmp_path / "store"
    driven = Driven(path)
    driven.queue("kept")
    driven.publish("kept", queue="kept")
    gone = driven.queue("gone", durable=False)
    fill(driven, "gone", size=6_000, persistent=False)
    assert gone.spilled
    driven.crash()
    assert rows(path) > SLICE
    assert driven.bodies("kept") == ["kept"]
    driven.queue("fresh")
    fill(driven, "fresh", size=6_000)
    driven.settle()
    assert rows(path) == COUNT + 1


def test_purged_and_transient_messages_among_others_are_gone_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store"
    driven = Driven(path)
    driven.operations.declare_exchange("x", "fanout")
    for name in ("a", "b"):
        driven.queue(name)
        driven.operations.bind_queue(name, "x", "", {})
    vhost = driven.operations.vhost
    for number in range(COUNT):
        persistent = number % 2 == 0
        properties = Properties.make(delivery_mode=2 if persistent else 1)
        message = Message("x", "", properties, f"{number}".encode().ljust(6_000, b"."))
        vhost.router.publish(message, driven.operations.resolve("x", "").targets)
    driven.settle()
    shared = rows(path, "body")
    driven.operations.purge_queue("a")
    driven.turn()
    driven.crash()
    assert driven.operations.find_queue("a").ready_count == 0
    assert driven.operations.find_queue("b").ready_count == COUNT // 2
    assert driven.bodies("b") == [str(number) for number in range(0, COUNT, 2)]
    assert shared > COUNT // 2
    assert rows(path, "body") == COUNT // 2
