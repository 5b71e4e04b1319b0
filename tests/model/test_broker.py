"""The broker beside the reference: after each step both have the same messages in the same places.

Messages are large or small, and memory is short, so that some wait in the store alone. Consumers take what they are
given the moment they are given it; each delivery is looked up in the reference, which tells whether it was the right
one. A commit may last for some turns, and may be put off.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from batonmq.broker import REFUSED, Consumer, Queue as BrokerQueue
from batonmq.broker.operations.sweep import Sweep
from batonmq.broker.selectors.parser import parse_selector
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.queued import QueuedMessage
from tests.model.reference import Entry, Plan, Queue, Reference
from tests.support.scratch import scratch
from tests.support.timed import Timed

# Dead letters go to these alone, which take whatever comes. What clients publish goes to all.
OPEN = ("a", "b", "c")
LIMITED = ("short", "strict")
DEAD_LETTERS = st.sampled_from((None, *OPEN, "missing"))

OPEN_PLANS = st.builds(
    Plan,
    durable=st.sampled_from((True, True, True, False)),
    ttl=st.sampled_from((0, 0, 0, 3_000)),
    max_priority=st.sampled_from((0, 0, 3)),
    delivery_limit=st.sampled_from((None, None, 0, 1, 2)),
    retry_delay=st.sampled_from((0, 0, 2_000)),
    single_active=st.sampled_from((False, False, True)),
    deduplication_window=st.sampled_from((0, 0, 8_000)),
    dead_letters=DEAD_LETTERS,
)
SHORT_PLANS = st.builds(Plan, max_length=st.integers(1, 3), dead_letters=DEAD_LETTERS)
STRICT_PLANS = st.builds(
    Plan, max_length=st.integers(1, 3), overflow=st.just("reject-publish"), dead_letters=DEAD_LETTERS
)


class Taker(Consumer):
    """Tells the machine of each delivery; has room for so many unsettled messages."""

    queue: BrokerQueue

    def __init__(self, machine: BrokerMachine, name: str, prefetch: int, colour: str, *, no_ack: bool) -> None:
        super().__init__(machine.driven.operations.find_queue(name), "taker", no_ack=no_ack)
        self.machine = machine
        self.name = name
        self.prefetch = prefetch
        self.colour = colour
        if colour:
            self.selector = parse_selector(f"colour = '{colour}'")
        self.held: list[tuple[QueuedMessage, Entry]] = []
        self.is_over = False
        # How often it was told that there was nothing more for it.
        self.drains = 0

    def deliver(self, queued: QueuedMessage) -> bool:
        entry = self.machine.delivered(self.name, self, self.colour, queued)
        if self.no_ack:
            self.machine.reference.accept(self.name, entry)
        else:
            self.held.append((queued, entry))
        return self.has_room()

    def has_room(self) -> bool:
        return not self.is_over and (self.no_ack or len(self.held) < self.prefetch)

    def cancelled(self) -> None:
        self.is_over = True

    def drained(self) -> None:
        self.drains += 1
        assert not self.machine.waits_in_vain(self)


class BrokerMachine(RuleBasedStateMachine):
    """A broker and the reference, given the same things to do."""

    is_stored = False

    def __init__(self) -> None:
        super().__init__()
        self._folder = scratch()
        self.driven = Timed(Path(self._folder.name) / "store" if self.is_stored else None)
        self.reference = Reference()
        self.takers: list[Taker] = []
        # What was fetched one by one.
        self.fetched: list[tuple[str, QueuedMessage, Entry]] = []
        self._numbers = itertools.count()
        # Does it not wait until the broker is at rest?
        self.is_hasty = False

    def teardown(self) -> None:
        self.driven.broker.close()
        self._folder.cleanup()

    # ------------------------------------------------------------------ what the rules use

    def delivered(self, name: str, taker: object, colour: str, queued: QueuedMessage) -> Entry:
        """A message came: was it one that had to?"""
        body = queued.message.body.decode().rstrip(".")
        entry = None
        first: list[Entry] = []
        for _ in range(2):
            first = self.reference.first_for(name, colour, taker, hasty=self.is_hasty)
            entry = next((entry for entry in first if entry.body == body), None)
            if entry is None:
                # What was dropped to make room has come here.
                self._make_room()
        assert entry is not None, f"{body} came from {name}, and not one of {[entry.body for entry in first]}"
        assert queued.return_count == entry.returns, f"{body} came as returned {queued.return_count} times"
        assert (queued.returns > 0) == entry.is_known, f"{body} came as new, or not"
        assert (queued.message.properties.headers or {}).get("colour", "") == entry.colour
        self.reference.hand_out(entry, taker)
        return entry

    def settle(self) -> None:
        """Let the broker come to rest; limits are looked at when consumers have been served."""
        self.driven.settle()
        self._make_room()

    def _make_room(self) -> None:
        for name in self.reference.queues:
            self.reference.make_room(name)

    def _queue(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.reference.queues)), label="queue")

    def _has_queues(self) -> bool:
        return bool(self.reference.queues)

    def _has_takers(self) -> bool:
        return bool(self.takers)

    def _arguments(self, plan: Plan) -> dict[str, FieldValue]:
        wanted: dict[str, FieldValue] = {
            "x-message-ttl": plan.ttl,
            "x-max-length": plan.max_length,
            "x-max-priority": plan.max_priority,
            "x-retry-delay": plan.retry_delay,
            "x-single-active-consumer": plan.single_active,
            "x-deduplication-window": plan.deduplication_window,
        }
        table: dict[str, FieldValue] = {argument: value for argument, value in wanted.items() if value}
        if plan.delivery_limit is not None:
            table["x-delivery-limit"] = plan.delivery_limit
        if plan.overflow != "drop-head":
            table["x-overflow"] = plan.overflow
        if plan.dead_letters is not None:
            table["x-dead-letter-exchange"] = ""
            table["x-dead-letter-routing-key"] = plan.dead_letters
        return table

    # ------------------------------------------------------------------ queues

    @initialize(slow=st.booleans(), puts_off=st.booleans(), one=OPEN_PLANS, other=OPEN_PLANS)
    def begin(self, slow: bool, puts_off: bool, one: Plan, other: Plan) -> None:
        self.driven.slow_commits = slow and self.is_stored
        self.driven.puts_off = puts_off
        self._declare("a", one)
        self._declare("b", other)

    @rule(name=st.sampled_from(OPEN), plan=OPEN_PLANS)
    def declare(self, name: str, plan: Plan) -> None:
        self._declare(name, plan)

    @rule(plan=SHORT_PLANS)
    def declare_short(self, plan: Plan) -> None:
        self._declare("short", plan)

    @rule(plan=STRICT_PLANS)
    def declare_strict(self, plan: Plan) -> None:
        self._declare("strict", plan)

    def _declare(self, name: str, plan: Plan) -> None:
        if name not in self.reference.queues:
            self.driven.operations.declare_queue(name, durable=plan.durable, arguments=self._arguments(plan))
            self.reference.queues[name] = Queue(name, plan)
            self.settle()

    @precondition(_has_queues)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = self._queue(data)
        self.driven.operations.delete_queue(name)
        self.driven.settle()
        del self.reference.queues[name]
        for taker in [taker for taker in self.takers if taker.name == name]:
            assert taker.is_over
            # Settled late, to no effect.
            taker.queue.release([queued for queued, _ in taker.held])
            self.takers.remove(taker)
        for _, queued, _ in [fetched for fetched in self.fetched if fetched[0] == name]:
            queued.settlement.release([queued])
        self.fetched = [fetched for fetched in self.fetched if fetched[0] != name]
        self.settle()

    @precondition(_has_queues)
    @rule(data=st.data(), paused=st.booleans())
    def pause(self, data: st.DataObject, paused: bool) -> None:
        name = self._queue(data)
        self.reference.queues[name].paused = paused
        self.driven.operations.pause_queue(name, paused=paused)
        self.settle()

    @precondition(_has_queues)
    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        name = self._queue(data)
        assert self.driven.operations.purge_queue(name) == self.reference.purge(name)
        self.settle()

    @precondition(_has_queues)
    @rule(data=st.data(), most=st.integers(1, 4))
    def move(self, data: st.DataObject, most: int) -> None:
        name, target = self._queue(data), self._queue(data)
        if name == target or target in LIMITED:
            return
        done: list[Sweep] = []
        expected = self.reference.move(name, target, most)
        self.driven.operations.move_messages(name, target, done.append, most=most)
        self.settle()
        assert [sweep.count for sweep in done] == [expected]

    # ------------------------------------------------------------------ messages

    @precondition(_has_queues)
    @rule(
        data=st.data(),
        count=st.sampled_from((1, 1, 2, 8)),
        size=st.sampled_from((0, 0, 6_000)),
        priority=st.integers(0, 4),
        colour=st.sampled_from(("", "red", "blue")),
        group=st.sampled_from(("", "", "", "g", "h")),
        key=st.sampled_from(("", "", "k")),
        ttl=st.sampled_from((0, 0, 0, 4_000)),
        delay=st.sampled_from((0, 0, 0, 2_500)),
        persistent=st.sampled_from((True, True, True, False)),
    )
    def publish(
        self,
        data: st.DataObject,
        count: int,
        size: int,
        priority: int,
        colour: str,
        group: str,
        key: str,
        ttl: int,
        delay: int,
        persistent: bool,
    ) -> None:
        name = self._queue(data)
        if name in LIMITED:
            # What falls due in one moment has no order among itself, so that nobody can say which is dropped.
            delay = ttl = 0
        for _ in range(count):
            entry = Entry(f"m{next(self._numbers)}", priority, colour, group, persistent, key, ttl)
            self._publish(name, entry, size, delay)
            self.settle()

    def _publish(self, name: str, entry: Entry, size: int = 0, delay: int = 0) -> None:
        wanted: dict[str, FieldValue] = {
            "colour": entry.colour,
            "x-group": entry.group,
            "x-deduplication-header": entry.key,
            "x-delay": delay,
        }
        headers: dict[str, FieldValue] = {header: value for header, value in wanted.items() if value}
        properties = Properties.make(
            delivery_mode=2 if entry.persistent else 1,
            headers=headers or None,
            priority=entry.priority,
            expiration=str(entry.ttl) if entry.ttl else None,
        )
        route = self.driven.operations.resolve("", name)
        message = Message("", name, properties, entry.body.encode().ljust(size, b"."))
        taken = self.reference.publish(name, entry, delay)
        outcome = self.driven.operations.vhost.router.publish(message, route.targets)
        assert (outcome != REFUSED) == taken, f"{name} took {entry.body}, or refused it"

    @precondition(_has_queues)
    @rule(data=st.data(), prefetch=st.integers(1, 4), colour=st.sampled_from(("", "", "red")), no_ack=st.booleans())
    def consume(self, data: st.DataObject, prefetch: int, colour: str, no_ack: bool) -> None:
        taker = Taker(self, self._queue(data), prefetch, colour, no_ack=no_ack and prefetch == 1)
        self.takers.append(taker)
        self.driven.operations.subscribe(taker.queue, taker)
        self.settle()

    @precondition(_has_queues)
    @rule(data=st.data())
    def fetch(self, data: st.DataObject) -> None:
        name = self._queue(data)
        queue = self.driven.operations.find_queue(name)
        queued = queue.get()
        for _ in range(50):
            if queued is not None or not queue.is_reading:
                break
            self.driven.settle()
            queued = queue.get()
        if queued is None:
            assert not self.reference.first_for(name, "", None)
        else:
            self.fetched.append((name, queued, self.delivered(name, None, "", queued)))
        self.settle()

    @precondition(_has_takers)
    @rule(data=st.data())
    def drain(self, data: st.DataObject) -> None:
        taker = data.draw(st.sampled_from(self.takers))
        before = taker.drains
        taker.queue.drain(taker)
        self.settle()
        assert taker.drains == before + 1

    @rule(
        data=st.data(),
        how=st.sampled_from(("accept", "accept", "release", "reject", "put back", "modify", "elsewhere")),
    )
    def settle_one(self, data: st.DataObject, how: str) -> None:
        busy = [taker for taker in self.takers if taker.held]
        if busy:
            taker = data.draw(st.sampled_from(busy))
            queued, entry = taker.held.pop(data.draw(st.integers(0, len(taker.held) - 1)))
            name = taker.name
        elif self.fetched:
            taker = None
            name, queued, entry = self.fetched.pop(data.draw(st.integers(0, len(self.fetched) - 1)))
        else:
            return
        self._settle_as(how, name, queued, entry)
        if taker is not None and taker.has_room():
            taker.queue.offer(taker)
        self.settle()

    def _settle_as(self, how: str, name: str, queued: QueuedMessage, entry: Entry) -> None:
        queue = self.driven.operations.find_queue(name)
        if how == "accept":
            self.reference.accept(name, entry)
            queue.accept(queued)
        elif how == "reject":
            self.reference.reject(name, entry)
            queue.reject(queued)
        elif how == "put back":
            self.reference.release(name, entry, counted=False)
            queue.release([queued], failed=False, counted=False)
        elif how == "release":
            self.reference.release(name, entry)
            queue.release([queued])
        else:
            # It is noted on the message by whom it was given back last.
            colour = {"": "blue", "blue": "red", "red": ""}[entry.colour]
            headers: dict[str, FieldValue] = {"colour": colour} if colour else {}
            failed, elsewhere = how != "modify", how == "elsewhere"
            self.reference.modify(name, entry, colour, failed=failed, elsewhere=elsewhere)
            queue.modify([queued], headers, failed=failed, elsewhere=elsewhere)

    @precondition(_has_takers)
    @rule(data=st.data(), index=st.integers(0, 9))
    def leave(self, data: st.DataObject, index: int) -> None:
        """A connection is lost."""
        self._leave(self.takers[index % len(self.takers)])
        self.settle()

    def _leave(self, taker: Taker) -> None:
        self.takers.remove(taker)
        taker.is_over = True
        taker.queue.unsubscribe(taker)
        for _, entry in taker.held:
            self.reference.release(taker.name, entry)
        taker.queue.release([queued for queued, _ in taker.held])

    # ------------------------------------------------------------------ time, and ends

    @rule(milliseconds=st.sampled_from((500, 1_500, 3_500, 9_000)))
    def wait(self, milliseconds: int) -> None:
        self.reference.wait(milliseconds)
        self.driven.wait(milliseconds / 1000)
        self.settle()

    @precondition(lambda self: self.is_stored)
    @rule()
    def crash(self) -> None:
        self.reference.crash()
        self.driven.crash()
        self.driven.wait(0)
        self.takers.clear()
        self.fetched.clear()
        self.settle()

    @precondition(lambda self: self.is_stored)
    @rule()
    def restart(self) -> None:
        """An orderly end: consumers go first."""
        for taker in list(self.takers):
            self._leave(taker)
        for name, queued, entry in self.fetched:
            self.reference.release(name, entry)
            queued.settlement.release([queued])
        self.fetched.clear()
        self.settle()
        self.driven.broker.close()
        self.reference.crash()
        self.driven.start()
        self.driven.wait(0)
        self.settle()

    @precondition(lambda self: self.is_stored and not any(taker.no_ack for taker in self.takers))
    @rule(
        data=st.data(),
        steps=st.lists(
            st.sampled_from(("publish", "accept", "reject", "release", "put back", "modify", "turn")),
            min_size=1,
            max_size=8,
        ),
    )
    def crash_in_the_middle(self, data: st.DataObject, steps: list[str]) -> None:
        """The process is killed before all is committed: there is what was at some moment before, whole."""
        was_slow, self.driven.slow_commits, self.is_hasty = self.driven.slow_commits, True, True
        moments = [self.reference.copy()]
        for step in steps:
            self._step(data, step)
            moments.append(self.reference.copy())
        self.driven.slow_commits, self.is_hasty = was_slow, False
        held = {(name, e.body) for name, queue in self.reference.queues.items() for e in queue.those("held")}
        self.driven.crash()
        self.driven.wait(0)
        self.takers.clear()
        self.fetched.clear()
        seen = {name: self._browse(name) for name in self.driven.operations.vhost.queues}
        waiting = {name: queue.delayed_count for name, queue in self.driven.operations.vhost.queues.items()}
        for moment in moments:
            doubtful = {(name, e.body) for name, queue in moment.queues.items() for e in queue.those("ready")} & held
            moment.crash()
            for name in list(moment.queues):
                moment.make_room(name)
            if moment.takes_on(seen, waiting, doubtful):
                self.reference = moment
                break
        else:
            raise AssertionError(f"at no moment it was {seen}")
        self.settle()

    def _step(self, data: st.DataObject, step: str) -> None:
        """Something happens, and nothing is waited for."""
        if step == "turn":
            self.driven.turn()
        elif step == "publish":
            name = data.draw(st.sampled_from([name for name in self.reference.queues if name not in LIMITED] or [""]))
            if name:
                self._publish(name, Entry(f"m{next(self._numbers)}"))
        else:
            busy = [taker for taker in self.takers if taker.held and taker.name not in LIMITED]
            if busy:
                taker = data.draw(st.sampled_from(busy))
                self._settle_as(step, taker.name, *taker.held.pop(0))

    # ------------------------------------------------------------------ what must be so

    @invariant()
    def counts_agree(self) -> None:
        queues = self.driven.operations.vhost.queues
        assert set(queues) == set(self.reference.queues)
        for name, queue in self.reference.queues.items():
            real = queues[name]
            counts = [len(queue.those(state)) for state in ("ready", "held", "delayed")]
            assert [real.ready_count, real.unsettled, real.delayed_count] == counts, name

    @invariant()
    def the_same_is_ready_in_the_same_order(self) -> None:
        for name, queue in self.reference.queues.items():
            seen = self._browse(name)
            ready = queue.those("ready")
            assert sorted(seen) == sorted((e.body, e.returns, e.is_known, e.colour) for e in ready), name
            place = {entry.body: (-queue.lane(entry), entry.rank) for entry in ready}
            places = [place[body] for body, *_ in seen]
            assert places == sorted(places), name

    def _browse(self, name: str) -> list[tuple[str, int, bool, str]]:
        browser = self.driven.operations.browse(name)
        seen: list[tuple[str, int, bool, str]] = []
        for _ in range(1_000):
            if browser.finished:
                return seen
            found = browser.read(50)
            for browsed in found:
                body = browsed.message.body.decode().rstrip(".")
                colour = (browsed.message.properties.headers or {}).get("colour", "")
                seen.append((body, browsed.return_count, browsed.returns > 0, str(colour)))
            if not found:
                self.driven.settle()
        raise AssertionError(f"browsing {name} finds no end")

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        for taker in self.takers:
            first = self.waits_in_vain(taker)
            assert not first, f"{[entry.body for entry in first]} of {taker.name} wait, and a consumer has room"

    def waits_in_vain(self, taker: Taker) -> list[Entry]:
        """What is there for one that has room."""
        if not taker.has_room() or (taker.queue.settings.single_active and taker.queue.active is not taker):
            return []
        return self.reference.first_for(taker.name, taker.colour, taker)


class StoredBrokerMachine(BrokerMachine):
    """The same over a file."""

    is_stored = True


@pytest.mark.parametrize("machine", [BrokerMachine, StoredBrokerMachine])
@pytest.mark.timeout(600)
def test_the_broker_does_what_the_reference_does(machine: type[BrokerMachine]) -> None:
    # A long run looks much further.
    most = max(60, settings().max_examples // 10)
    run_state_machine_as_test(machine, settings=settings(max_examples=most, stateful_step_count=40))
