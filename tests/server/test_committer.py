"""One batch at a time, in a thread of its own; a store that cannot write is tried again, and never confirmed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from unittest.mock import Mock

import pytest
from tests.server.echo import EchoBroker, EchoStore, until

from batonmq.errors import StoreError
from batonmq.server.committer import TICK, Committer
from batonmq.server.disk_pace import FAST, SLOW
from batonmq.server.patience import LIMIT

Run = Callable[[Coroutine[object, object, None]], None]


def committer() -> tuple[Committer, EchoStore, EchoBroker]:
    store = EchoStore()
    broker = EchoBroker(store)
    made = Committer(store, broker, asyncio.get_running_loop(), lambda: None)
    # As a host does at the end of a turn.
    broker.attach(made.kick, lambda: None)
    made.start()
    return made, store, broker


def test_a_commit_runs_in_one_thread_and_is_answered_on_the_loop(run: Run) -> None:
    async def main() -> None:
        made, store, broker = committer()
        answered_in: list[int] = []
        for _ in range(3):
            store.pending_bytes = 1
            broker.on_commit.append(lambda: answered_in.append(threading.get_ident()))
            made.kick()
            await until(lambda: not store.busy)
        made.stop()
        assert len(store.threads) == 1
        assert store.threads.isdisjoint({threading.get_ident()})
        assert set(answered_in) == {threading.get_ident()}

    run(main())


def commit_in(made: Committer, store: EchoStore, *, is_quiet: bool = True) -> Coroutine[object, object, None]:
    """One commit to its end; the thread that did it is in `store.threads`."""
    store.threads.clear()
    store.pending_bytes = 1
    made.kick(is_quiet=is_quiet)
    return until(lambda: not store.busy)


async def trusting(store: EchoStore, made: Committer) -> None:
    """Brief commits until the disk is known to be fast."""
    store.brief = True
    store.commit_seconds = FAST / 2
    for _ in range(100):
        await commit_in(made, store)


def test_what_is_brief_is_committed_on_the_loop_in_a_quiet_turn_on_a_fast_disk(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        await trusting(store, made)
        here = {threading.get_ident()}
        store.pending_bytes = 1
        store.threads.clear()
        made.kick(is_quiet=True)
        assert (store.threads, store.busy) == (here, False)
        await commit_in(made, store, is_quiet=False)
        assert store.threads.isdisjoint(here), "others are at work"
        store.brief = False
        await commit_in(made, store)
        assert store.threads.isdisjoint(here), "it is long"
        made.stop()

    run(main())


def test_a_disk_that_nobody_has_seen_is_not_waited_for_on_the_loop(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        store.brief = True
        await commit_in(made, store)
        assert store.threads.isdisjoint({threading.get_ident()})
        made.stop()

    run(main())


def test_after_a_slow_commit_the_thread_has_the_next_ones(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long a busy machine takes for these.
    monkeypatch.setattr("batonmq.server.disk_pace.PATIENCE", 3600.0)

    async def main() -> None:
        made, store, _ = committer()
        await trusting(store, made)
        store.commit_seconds = SLOW * 2
        await commit_in(made, store)
        assert store.threads == {threading.get_ident()}
        store.commit_seconds = FAST / 2
        for _ in range(50):
            await commit_in(made, store)
            assert store.threads.isdisjoint({threading.get_ident()})
        made.stop()

    run(main())


def test_what_comes_up_with_a_commit_on_the_loop_is_left_to_the_thread(run: Run) -> None:
    async def main() -> None:
        made, store, broker = committer()
        await trusting(store, made)
        commits = store.commits

        def more() -> None:
            store.pending_bytes = 1

        broker.on_commit.append(more)
        store.pending_bytes = 1
        store.threads.clear()
        made.kick(is_quiet=True)
        assert store.busy
        await until(lambda: not store.busy)
        assert (store.commits - commits, len(store.threads)) == (2, 2)
        made.stop()

    run(main())


def test_a_failure_on_the_loop_is_told_and_tried_again_in_the_thread(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batonmq.server.committer.RETRY_SECONDS", 0.01)

    async def main() -> None:
        made, store, broker = committer()
        await trusting(store, made)
        store.failure = StoreError("the disk is full")
        store.pending_bytes = 1
        store.threads.clear()
        made.kick(is_quiet=True)
        assert isinstance(broker.errors[-1], StoreError)
        assert store.threads == {threading.get_ident()}
        store.failure = None
        await until(lambda: broker.errors[-1] is None)
        assert len(store.threads) == 2
        made.stop()

    run(main())


def test_who_looks_need_not_wait_for_the_loop_to_learn_that_a_commit_is_over(run: Run) -> None:
    async def main() -> None:
        made, store, broker = committer()
        store.pending_bytes = 1
        made.kick()
        end = time.monotonic() + 30
        while not broker.errors:
            assert time.monotonic() < end
            made.look()
        assert (broker.errors, store.busy) == ([None], False)
        # The loop comes to it later, and finds nothing; or finds what has been done since.
        await commit_in(made, store, is_quiet=False)
        assert (broker.errors, store.commits) == ([None, None], 2)
        made.stop()

    run(main())


def test_what_comes_during_a_commit_forms_the_next_batch(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        store.may_commit.clear()
        store.pending_bytes = 1
        made.kick()
        for _ in range(5):
            store.pending_bytes += 10
            made.kick()
        assert (store.staged_bytes, store.pending_bytes) == (1, 50)
        store.may_commit.set()
        await made.drain()
        assert (store.commits, store.staged_bytes, store.pending_bytes) == (2, 50, 0)
        made.stop()

    run(main())


def test_nothing_is_committed_when_there_is_nothing(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        made.kick()
        await made.drain()
        made.stop()
        assert store.commits == 0

    run(main())


def test_a_store_that_cannot_write_is_tried_again_after_a_while(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batonmq.server.committer.RETRY_SECONDS", 0.05)

    async def main() -> None:
        made, store, broker = committer()
        store.failure = StoreError("the disk is full")
        store.pending_bytes = 1
        made.kick()
        await until(lambda: broker.errors)
        # The wait after the next failure does not end by itself.
        monkeypatch.setattr("batonmq.server.committer.RETRY_SECONDS", 3600.0)
        failures = len(broker.errors)
        await until(lambda: len(broker.errors) > failures)
        assert all(isinstance(error, StoreError) for error in broker.errors)
        made.kick()
        assert not store.busy, "a kick does not shorten the wait"
        store.failure = None
        await made.drain()
        assert broker.errors[-1] is None
        assert store.pending_bytes == 0
        assert made.error is None
        made.stop()

    run(main())


def test_a_drain_does_not_wait_for_a_store_that_cannot_write(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        store.failure = StoreError("the disk is full")
        store.pending_bytes = 1
        await made.drain()
        assert str(made.error) == "the disk is full"
        made.stop()

    run(main())


def test_a_fault_in_the_store_counts_as_not_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: EchoStore) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(EchoStore, "commit", fail)

    async def main() -> None:
        made, store, broker = committer()
        store.pending_bytes = 1
        await made.drain()
        assert isinstance(broker.errors[0], StoreError)
        made.stop()

    run(main())
    assert "a fault of ours" in caplog.text


async def holding(store: EchoStore, made: Committer) -> None:
    """Consumers hold all that is to be written, and the disk has been seen."""
    await commit_in(made, store, is_quiet=False)
    store.held = True


def test_a_commit_waits_for_consumers_that_are_faster_than_the_disk(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        await holding(store, made)
        commits = store.commits
        for _ in range(3):
            store.pending_bytes = 1
            made.kick()
            assert store.since
            assert not store.busy
            store.settle(0.0)
            made.kick()
        # The timer finds nothing to do, nor does a kick.
        await asyncio.sleep(4 * LIMIT)
        assert store.commits == commits
        made.stop()

    run(main())


def test_what_they_do_not_settle_is_committed_and_they_are_trusted_less(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        await holding(store, made)
        commits = store.commits
        store.pending_bytes = 1
        made.kick()
        assert store.since
        # By itself, with nothing else that happens.
        await until(lambda: store.commits == commits + 1 and not store.busy)
        store.pending_bytes = 1
        made.kick()
        assert store.busy
        await until(lambda: not store.busy)
        made.stop()

    run(main())


@pytest.mark.parametrize("age", [0.4, 0.8])
def test_one_that_came_later_waits_as_long_as_the_first(run: Run, monkeypatch: pytest.MonkeyPatch, age: float) -> None:
    now = 0.0
    monkeypatch.setattr("batonmq.server.committer.perf_counter", lambda: now)

    async def main() -> None:
        nonlocal now
        store = EchoStore()
        watched = Mock(wraps=asyncio.get_running_loop())
        made = Committer(store, EchoBroker(store), watched, lambda: None)
        made.start()
        store.may_commit.clear()
        store.pending_bytes = 1
        made.kick()
        now += LIMIT
        store.may_commit.set()
        await until(lambda: not store.busy)
        store.held = True
        store.pending_bytes = 1
        made.kick()
        store.settle(0.0)
        store.pending_bytes = 1
        made.kick()
        store.since = now
        now += age * LIMIT
        # The timer of the first finds the second, which has waited for a while.
        await until(lambda: watched.call_later.call_count >= 2)
        first, second = (call.args[0] for call in watched.call_later.call_args_list[:2])
        assert first == LIMIT
        assert second == pytest.approx(max(TICK, (1 - age) * LIMIT))
        made.stop()

    run(main())


def test_what_a_turn_has_brought_is_not_committed_before_its_end(run: Run) -> None:
    async def main() -> None:
        made, store, broker = committer()
        asked: list[bool] = []
        broker.attach(lambda: asked.append(True), lambda: None)
        await holding(store, made)
        commits = store.commits
        for is_settled in (True, False):
            store.pending_bytes = 1
            made.kick()
            assert store.since
            if is_settled:
                store.settle(0.0)
            # The timer of what was put off finds more, which has not been offered to consumers.
            store.pending_bytes = 1
            store.held = False
            asked.clear()
            await until(lambda: asked)
            assert not store.busy
            assert store.commits == commits
            store.held = True
            store.pending_bytes = 0
            store.since = 0.0
        made.stop()

    run(main())


def test_what_was_written_out_meanwhile_is_committed_by_itself(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        await holding(store, made)
        commits = store.commits
        store.pending_bytes = 1
        made.kick()
        # Somebody reads the store, for which all is written into the transaction that is open then.
        store.since, store.held = 0.0, False
        await until(lambda: store.commits == commits + 1)
        made.stop()

    run(main())


def test_what_is_put_off_is_written_before_the_end(run: Run) -> None:
    async def main() -> None:
        made, store, _ = committer()
        await holding(store, made)
        commits = store.commits
        store.pending_bytes = 1
        made.kick()
        assert store.since
        await made.drain()
        assert store.commits == commits + 1
        made.stop()

    run(main())
