"""A commit that is put off: what consumers settle meanwhile is not written, and nobody is told too early."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import apsw
import pytest
from tests.support.driven import Driven, Taker

from batonmq.broker.features.revoked import take_back
from batonmq.errors import StoreError
from batonmq.store.collecting import PART_MAX
from batonmq.store.interface import COARSE
from batonmq.store.parts import PARTS_MAX


class Publisher:
    """Publishes, and waits for its messages alone, or for whatever is collected."""

    def __init__(self, driven: Driven) -> None:
        self._driven = driven
        self._last = 0
        self.told: list[int] = []

    def publish(self, *bodies: str, queue: str = "q", patient: bool = True) -> int:
        """Publish, have it delivered, and put off the commit if that may be; returns the batch."""
        store = self._driven.broker.store
        for body in bodies:
            self._driven.publish(body, queue=queue)
        batch = store.batch
        self.wait(patient=patient)
        self._driven.broker.end_turn()
        if store.may_wait():
            store.part()
        return batch

    def wait(self, *, patient: bool = True) -> None:
        self._last = self._driven.broker.store.batch
        self._driven.broker.commits.wait(self, patient=patient)

    def batch_committed(self, batch: int) -> None:
        self.told.append(batch)
        if batch < self._last:
            self._driven.broker.commits.wait(self, patient=True)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        raise AssertionError(error)


@pytest.fixture
def driven(path: Path) -> Driven:
    driven = Driven(path)
    driven.queue()
    driven.queue("other")
    driven.settle()
    return driven


@pytest.fixture
def publisher(driven: Driven) -> Publisher:
    return Publisher(driven)


@pytest.fixture
def taker(driven: Driven) -> Taker:
    return driven.consume(prefetch=10 * PART_MAX)


def rows(path: Path) -> list[str]:
    """The bodies in the file."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = [bytes(body).decode() for (body,) in db.execute("SELECT body FROM message ORDER BY id")]
    db.close()
    return found


def test_what_is_settled_before_it_was_written_is_confirmed_without_the_disk(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    store = driven.broker.store
    committed = store.committed
    first = publisher.publish("a", "b")
    second = publisher.publish("c")
    assert second == first + 1
    assert store.waits_since() > 0
    taker.accept()
    driven.broker.end_turn()
    # The first batch has a message left.
    assert publisher.told == []
    taker.accept()
    driven.broker.end_turn()
    assert publisher.told == [first]
    assert store.spared == 1
    assert store.has_work()
    taker.accept()
    driven.broker.end_turn()
    assert publisher.told[-1] >= second
    assert not store.has_work()
    assert store.pending_bytes == 0
    assert (store.committed, rows(path)) == (committed, [])


def test_the_host_is_asked_for_a_turn_when_the_oldest_batch_is_settled(
    driven: Driven, publisher: Publisher, taker: Taker
) -> None:
    publisher.publish("a")
    publisher.publish("b")
    asked: list[bool] = []
    driven.broker.attach(lambda: asked.append(True))
    # Not by a consumer that has room anyway, whose acknowledgement changes nothing else.
    newest = taker.held.pop()
    taker.queue.accept(newest)
    assert asked == []
    taker.queue.accept(taker.held.pop())
    assert asked


def test_what_is_not_settled_is_written_with_the_next_commit(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    batches = [publisher.publish(body) for body in "abc"]
    taker.queue.accept(taker.held.pop(1))
    driven.broker.end_turn()
    assert publisher.told == []
    driven.settle()
    assert publisher.told[-1] >= batches[-1]
    assert rows(path) == ["a", "c"]
    assert driven.broker.store.waits_since() == 0
    taker.accept(2)
    driven.settle()
    assert rows(path) == []


def test_a_crash_before_that_forgets_what_nobody_was_told_of(
    driven: Driven, publisher: Publisher, taker: Taker
) -> None:
    publisher.publish("a")
    assert publisher.told == []
    driven.crash()
    assert driven.consume().seen == []


@pytest.mark.parametrize("how", ["ready", "delayed", "definition", "crowd", "late sync", "lost file", "fault"])
def test_a_commit_that_somebody_needs_is_not_put_off(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path, how: str
) -> None:
    store = driven.broker.store
    match how:
        case "late sync":
            publisher.publish("old")
            driven.settle()
            taker.accept()
            driven.settle()
            assert store.is_unsynced
            store.must_reach_disk()
        case "lost file":
            path.unlink()
            assert store.look()
        case "ready":
            driven.publish("b", queue="other")
        case "delayed":
            driven.publish("b", {"x-delay": 60_000})
        case "definition":
            driven.queue("another")
        case "crowd":
            for _ in range(PART_MAX):
                driven.publish("b")
        case _:
            store.error = StoreError("the disk is on fire")
    publisher.publish("a")
    assert not store.may_wait()
    assert store.waits_since() == 0
    store.error = None


def test_settlements_wait_for_a_while_only(
    driven: Driven, publisher: Publisher, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish("a")
    driven.settle()
    publisher.publish("b")
    taker.accept()
    store = driven.broker.store
    assert store.may_wait()
    store._parts_since -= 1  # type: ignore[attr-defined]
    assert not store.may_wait()


def test_nobody_in_a_hurry_is_told_by_settled_messages(driven: Driven, publisher: Publisher, taker: Taker) -> None:
    publisher.publish("old")
    driven.settle()
    told = list(publisher.told)
    publisher.publish("a")
    # It waits for the settlement of what is in the file.
    taker.accept()
    hurried = Publisher(driven)
    hurried.wait(patient=False)
    assert not driven.broker.commits.is_patient
    taker.accept()
    driven.broker.end_turn()
    assert (publisher.told, hurried.told) == (told, [])
    driven.settle()
    assert publisher.told != told
    assert hurried.told
    assert driven.broker.commits.is_patient


def test_the_publisher_of_a_dead_letter_waits_for_its_copy(driven: Driven, path: Path) -> None:
    driven.queue("mortal", x_dead_letter_exchange="", x_dead_letter_routing_key="other")
    driven.settle()
    publisher, taker = Publisher(driven), driven.consume("mortal")
    publisher.publish("a", queue="mortal")
    assert driven.broker.store.waits_since() > 0
    taker.queue.reject(taker.held.pop())
    driven.broker.end_turn()
    assert publisher.told == []
    driven.settle()
    assert publisher.told
    assert rows(path) == ["a"]


def test_a_message_that_comes_back_is_written_as_one(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    publisher.publish("a")
    publisher.publish("b")
    taker.leave()
    driven.broker.end_turn()
    assert publisher.told == []
    driven.settle()
    assert rows(path) == ["a", "b"]
    driven.crash()
    again = driven.consume(prefetch=2)
    driven.broker.end_turn()
    assert again.seen == ["a", "b"]
    assert [queued.return_count for queued in again.held] == [1, 1]


def test_a_delivery_that_is_taken_back_is_one_message(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    store = driven.broker.store
    publisher.publish("a")
    publisher.publish("b")
    heir = take_back(taker.held[0], taker.queue)
    driven.broker.end_turn()
    assert publisher.told == []
    taker.queue.accept(heir)
    driven.broker.end_turn()
    assert len(publisher.told) == 1
    assert store.spared == 1
    # The consumer's own settlement comes too late, and has no effect.
    taker.accept(2)
    driven.settle()
    assert rows(path) == []


def test_a_purge_and_a_deleted_queue_take_them_along(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    publisher.publish("a")
    taker.leave()
    assert taker.queue.purge() == 1
    driven.settle()
    assert rows(path) == []
    assert publisher.told


def test_there_are_never_more_than_so_many_batches(driven: Driven, publisher: Publisher, taker: Taker) -> None:
    batches = [publisher.publish(str(number)) for number in range(PARTS_MAX + 3)]
    assert len(set(batches)) == PARTS_MAX + 1
    taker.accept(PARTS_MAX)
    driven.broker.end_turn()
    assert publisher.told[-1] == batches[PARTS_MAX - 1]
    taker.accept(3)
    driven.broker.end_turn()
    assert publisher.told[-1] >= batches[-1]
    assert not driven.broker.store.has_work()


def test_an_end_in_order_writes_them(driven: Driven, publisher: Publisher, taker: Taker, path: Path) -> None:
    publisher.publish("a")
    taker.leave()
    driven.broker.close()
    assert rows(path) == ["a"]


def test_many_in_a_turn_are_several_batches_while_commits_are_put_off(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    store = driven.broker.store
    store.cut_at(3)
    first = store.batch
    assert publisher.publish(*"abcdefgh") == first + 2
    assert store.batch == first + 3
    taker.accept(3)
    driven.broker.end_turn()
    assert publisher.told == [first]
    # Out of their order: what is told is told in order.
    for newest in (taker.held.pop(), taker.held.pop()):
        taker.queue.accept(newest)
    driven.broker.end_turn()
    assert publisher.told == [first]
    driven.settle()
    assert publisher.told[-1] >= first + 2
    assert rows(path) == ["d", "e", "f"]


def test_a_batch_in_the_middle_of_a_turn_waits_only_from_its_end_on(driven: Driven, taker: Taker) -> None:
    store = driven.broker.store
    store.cut_at(1)
    for body in "abc":
        driven.publish(body)
    assert store.waits_since() == 0
    driven.broker.end_turn()
    before = perf_counter()
    assert store.may_wait()
    assert store.waits_since() >= before


@pytest.mark.parametrize("grain", [COARSE, 3])
def test_what_follows_in_its_queue_waits_with_it(driven: Driven, publisher: Publisher, path: Path, grain: int) -> None:
    store = driven.broker.store
    store.cut_at(grain)
    taker = driven.consume(prefetch=2)
    batch = publisher.publish(*"abcd")
    assert len(taker.held) == 2
    assert store.waits_since() > 0
    further = publisher.publish("e")
    for _ in range(5):
        taker.accept()
        driven.broker.end_turn()
    assert publisher.told[-1] >= further > batch
    assert not store.has_work()
    assert rows(path) == []


@pytest.mark.parametrize("grain", [COARSE, 1])
def test_nothing_waits_for_the_consumers_of_another_queue(driven: Driven, publisher: Publisher, grain: int) -> None:
    store = driven.broker.store
    store.cut_at(grain)
    driven.consume(prefetch=1)
    driven.publish("a")
    driven.publish("b", queue="other")
    driven.publish("c", queue="other")
    driven.broker.end_turn()
    assert not store.may_wait()


@pytest.mark.parametrize("grain", [COARSE, 1])
def test_nothing_waits_for_consumers_that_have_settled_all_and_take_no_more(
    driven: Driven, publisher: Publisher, grain: int
) -> None:
    store = driven.broker.store
    store.cut_at(grain)
    taker = driven.consume(prefetch=1)
    publisher.publish("a")
    assert store.waits_since() > 0
    taker.is_cancelled = True
    taker.accept()
    driven.broker.end_turn()
    publisher.publish("b", "c")
    assert not store.may_wait()


def test_a_look_that_was_in_vain_is_forgotten(driven: Driven, publisher: Publisher, taker: Taker) -> None:
    driven.publish("a")
    driven.publish("b", queue="other")
    driven.broker.end_turn()
    assert not driven.broker.store.may_wait()
    driven.settle()
    taker.is_cancelled = True
    driven.publish("c")
    driven.broker.end_turn()
    assert not driven.broker.store.may_wait()


def test_nothing_is_cut_off_that_would_be_told_before_what_belongs_to_it(driven: Driven, publisher: Publisher) -> None:
    store = driven.broker.store
    store.cut_at(1)
    driven.queue("third")
    batch = store.batch
    publisher.publish("a", "b", "c")
    assert store.batch == batch


def test_a_batch_that_ends_during_a_commit_is_not_told_with_it(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    store = driven.broker.store
    store.cut_at(3)
    driven.publish("early")
    during = store.batch
    store.stage()
    store.commit()
    for body in "abcdefgh":
        driven.publish(body)
    publisher.wait()
    driven.broker.commit_done(None)
    assert publisher.told == [during]
    assert store.committed == during
    assert rows(path) == ["early"]
    driven.settle()
    assert publisher.told[-1] > during
    assert rows(path) == ["early", *"abcdefgh"]


def test_a_batch_that_ends_during_a_commit_does_not_fail_with_it(
    driven: Driven, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = driven.broker.store
    refused: list[int] = []
    monkeypatch.setattr(publisher, "batch_failed", lambda batch, _: refused.append(batch))
    store.cut_at(3)
    driven.publish("early")
    during = store.batch
    store.stage()
    for body in "abcdefgh":
        driven.publish(body)
    publisher.wait()
    driven.broker.commit_done(StoreError("the disk fails"))
    assert refused == [during]


def test_what_a_read_has_written_out_is_not_told_with_a_later_batch_that_is_settled(
    driven: Driven, publisher: Publisher, taker: Taker, path: Path
) -> None:
    store = driven.broker.store
    queue = taker.queue
    driven.publish("a", queue="other")
    publisher.wait()
    # A look at another queue, in the middle of a turn: what was collected is in an open transaction, not on the disk.
    lane = next(iter(queue.lanes))
    store.read(lane.lane_id << 40, lane.lane_id << 40 | 1, 1, 1)
    store.cut_at(3)
    for body in "bcdefgh":
        driven.publish(body)
    driven.broker.scheduler.dispatch()
    taker.accept(6)
    driven.broker.end_turn()
    assert publisher.told == []
    assert rows(path) == []
    driven.settle()
    assert publisher.told
    assert sorted(rows(path)) == ["a", "h"]
