"""Work is done once a turn, and the broker's timers fire when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from tests.server.echo import EchoBroker, EchoStore, until

from batonmq.broker.model.turn_time import TURN_SECONDS
from batonmq.clock import Clock
from batonmq.server.timers import Timers
from batonmq.server.turns import LONG_SECONDS, REST, Turns

Run = Callable[[Coroutine[object, object, None]], None]


class Recorder:
    def __init__(self, log: list[str], name: str) -> None:
        self.log = log
        self.name = name

    def flush(self) -> None:
        self.log.append(self.name)

    def broken(self, what: str) -> None:
        self.log.append(f"{self.name}: {what}")


def test_a_turn_ends_once_however_often_it_is_asked_for(run: Run) -> None:
    async def main() -> None:
        log: list[str] = []
        broker = EchoBroker(EchoStore())
        turns = Turns(broker, asyncio.get_running_loop(), lambda: log.append("after"))
        turns.request()
        turns.wake(Recorder(log, "a"))
        turns.request()
        turns.wake(Recorder(log, "b"))
        assert broker.turns == 0
        await until(lambda: log)
        assert (broker.turns, log) == (1, ["a", "b", "after"])

    run(main())


def test_what_a_turn_brings_up_belongs_to_the_next(run: Run) -> None:
    async def main() -> None:
        log: list[str] = []
        broker = EchoBroker(EchoStore())
        turns = Turns(broker, asyncio.get_running_loop(), lambda: None)

        class Again(Recorder):
            def flush(self) -> None:
                super().flush()
                turns.wake(Recorder(log, "second"))

        turns.wake(Again(log, "first"))
        await until(lambda: len(log) == 2)
        assert broker.turns == 2

    run(main())


def test_a_turn_that_was_ended_at_once_is_not_ended_again(run: Run) -> None:
    async def main() -> None:
        log: list[str] = []
        loop = asyncio.get_running_loop()
        broker = EchoBroker(EchoStore())
        turns = Turns(broker, loop, lambda: None)
        turns.wake(Recorder(log, "a"))
        turns.end()
        # Asked for after that one, so it is called after it.
        passed = loop.create_future()
        loop.call_soon(passed.set_result, None)
        await passed
        assert (broker.turns, log) == (1, ["a"])
        turns.request()
        await until(lambda: broker.turns == 2)

    run(main())


def test_who_is_woken_by_the_hand_over_needs_no_other_turn(run: Run) -> None:
    class Waking(EchoBroker):
        def end_turn(self) -> None:
            super().end_turn()
            if self.turns == 1:
                turns.wake(Recorder(log, "consumer"))

    log: list[str] = []
    broker = Waking(EchoStore())
    turns: Turns

    async def main() -> None:
        nonlocal turns
        loop = asyncio.get_running_loop()
        turns = Turns(broker, loop, lambda: None)
        turns.request()
        await until(lambda: log)
        passed = loop.create_future()
        loop.call_soon(passed.set_result, None)
        await passed
        assert (broker.turns, log) == (1, ["consumer"])

    run(main())


def test_a_fault_in_the_hand_over_does_not_keep_output_from_going_out(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(EchoBroker):
        def end_turn(self) -> None:
            raise RuntimeError("a fault of ours")

    async def main() -> None:
        log: list[str] = []
        turns = Turns(Broken(EchoStore()), asyncio.get_running_loop(), lambda: log.append("after"))
        turns.wake(Recorder(log, "a"))
        await until(lambda: log == ["a", "after"])

    run(main())
    assert "a fault of ours" in caplog.text


def test_a_fault_in_sending_to_one_client_does_not_cost_the_others_their_turn(run: Run) -> None:
    class Faulty(Recorder):
        def flush(self) -> None:
            raise RuntimeError("a fault of ours")

    async def main() -> None:
        log: list[str] = []
        turns = Turns(EchoBroker(EchoStore()), asyncio.get_running_loop(), lambda: log.append("after"))
        turns.wake(Recorder(log, "a"))
        turns.wake(Faulty(log, "b"))
        turns.wake(Recorder(log, "c"))
        await until(lambda: log == ["a", "b: sending", "c", "after"])

    run(main())


def test_a_long_turn_ends_between_two_clients(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("batonmq.server.turns.perf_counter", lambda: now)

    async def main() -> None:
        nonlocal now
        log: list[str] = []
        broker = EchoBroker(EchoStore())
        turns = Turns(broker, asyncio.get_running_loop(), lambda: log.append("after"))
        turns.wake(Recorder(log, "a"))
        turns.look()
        assert log == []
        now += 2 * LONG_SECONDS
        turns.look()
        assert (broker.turns, log) == (1, ["a", "after"])
        # It counts from the end of that one, and there has to be something to do.
        turns.look()
        turns.request()
        turns.look()
        assert broker.turns == 1
        now += 2 * LONG_SECONDS
        turns.look()
        now += 2 * LONG_SECONDS
        turns.look()
        assert broker.turns == 2

    run(main())


def test_after_a_turn_with_much_to_do_clients_are_served_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("batonmq.server.turns.perf_counter", lambda: now)

    class Busy(EchoBroker):
        def end_turn(self) -> None:
            nonlocal now
            now += 0.01

    async def main() -> None:
        nonlocal now
        turns = Turns(Busy(EchoStore()), asyncio.get_running_loop(), lambda: None)
        assert turns.may_end()
        turns.end()
        now += 0.01 * (REST - 1)
        assert not turns.may_end()
        now += 0.02
        assert turns.may_end()

    run(main())


def test_clients_get_no_more_of_a_pass_when_it_has_several_turns(run: Run) -> None:
    async def main() -> None:
        broker = EchoBroker(EchoStore())
        turns = Turns(broker, asyncio.get_running_loop(), lambda: None)
        turns.request()
        broker.turn_time.left = -1.0
        turns.end()
        assert broker.turn_time.left == -1.0
        await until(lambda: broker.turn_time.left == TURN_SECONDS)
        assert broker.turns == 1

    run(main())


def test_the_brokers_timer_fires_when_it_is_due_and_follows_when_that_changes(run: Run) -> None:
    async def main() -> None:
        clock = Clock()
        broker = EchoBroker(EchoStore())
        timers = Timers(broker, asyncio.get_running_loop(), clock, lambda _: None)
        timers.start()
        broker.due = clock.monotonic() + 3600
        timers.look()
        start = clock.monotonic()
        broker.due = start + 0.05
        timers.look()
        await until(lambda: broker.timers_run)
        # The loop counts milliseconds.
        assert clock.monotonic() - start > 0.045
        assert broker.timers_run == 1
        timers.stop()

    run(main())


def test_connections_are_at_work_for_a_tenth_of_a_second_or_two(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("batonmq.server.turns.perf_counter", lambda: now)

    async def main() -> None:
        nonlocal now
        turns = Turns(EchoBroker(EchoStore()), asyncio.get_running_loop(), lambda: None)
        connections = [Recorder([], name) for name in "abc"]
        found = []
        for woken, seconds in (
            (connections[:2], 0.01),
            (connections[1:], 0.01),
            ([], 0.2),
            (connections[:1], 0.2),
            ([], 0),
        ):
            for connection in woken:
                turns.wake(connection)
            turns.end()
            found.append(turns.at_work)
            now += seconds
        assert found == [2, 3, 3, 3, 1]

    run(main())
