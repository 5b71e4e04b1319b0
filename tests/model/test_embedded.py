"""The embedded engine beside the reference, through the API that programs use: in memory, and on a file.

Everything happens in one thread, so that a message is in a receiver's hands exactly when the reference says so; the
engine's own thread commits beside it. A connection is closed and opened again on the same file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
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

from batonmq import Connection, Delivery, Message, Receiver, ResourceError
from batonmq.engines.shared.registry import open_memory, own_file
from tests.model.reference import Entry, Plan, Queue, Reference
from tests.support.driven import HandClock
from tests.support.scratch import scratch

OPEN = ("a", "b", "c")
LIMITED = ("short", "strict")
PLANS = st.builds(
    Plan,
    durable=st.sampled_from((True, True, True, False)),
    ttl=st.sampled_from((0, 0, 0, 3_000)),
    max_priority=st.sampled_from((0, 0, 3)),
    delivery_limit=st.sampled_from((None, None, 0, 1)),
    single_active=st.sampled_from((False, False, True)),
    dead_letters=st.sampled_from((None, *OPEN)),
)


class EmbeddedMachine(RuleBasedStateMachine):
    """An embedded engine and the reference, given the same things to do."""

    is_stored = False

    def __init__(self) -> None:
        super().__init__()
        self._folder = scratch()
        # One that also goes by itself is half a second ahead of the reference's on a busy machine.
        self.clock = HandClock()
        self.reference = Reference()
        self.receivers: list[Receiver] = []
        self.held: list[tuple[Receiver, Delivery, Entry]] = []
        self._numbers = itertools.count()
        self._run_due: Callable[[], None] = lambda: None
        self.open()

    def open(self) -> None:
        engine = (
            own_file(str(Path(self._folder.name) / "queues.db"), self.clock)
            if self.is_stored
            else open_memory("", self.clock)
        )
        self._run_due = engine.core.run_due
        self.mq = Connection(engine)

    def teardown(self) -> None:
        self.mq.close()
        self._folder.cleanup()

    def _queue(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.reference.queues)), label="queue")

    def _holds(self) -> bool:
        return bool(self.held)

    # ------------------------------------------------------------------ queues

    @initialize(one=PLANS, other=PLANS, most=st.integers(1, 3))
    def begin(self, one: Plan, other: Plan, most: int) -> None:
        self.declare("a", one)
        self.declare("b", other)
        self.declare("short", Plan(max_length=most))
        self.declare("strict", Plan(max_length=most, overflow="reject-publish"))

    @rule(name=st.sampled_from(OPEN), plan=PLANS)
    def declare(self, name: str, plan: Plan) -> None:
        if name in self.reference.queues:
            return
        if plan.dead_letters == name:
            plan = replace(plan, dead_letters=None)
        self.mq.declare(
            name,
            durable=plan.durable,
            max_deliveries=None if plan.delivery_limit is None else plan.delivery_limit + 1,
            dead_letter=plan.dead_letters,
            ttl=plan.ttl / 1000 if plan.ttl else None,
            max_length=plan.max_length or None,
            overflow="refuse" if plan.overflow == "reject-publish" else "drop-oldest",
            max_priority=plan.max_priority,
            single_consumer=plan.single_active,
        )
        self.reference.queues[name] = Queue(name, plan)
        if plan.dead_letters is not None and plan.dead_letters not in self.reference.queues:
            self.reference.queues[plan.dead_letters] = Queue(plan.dead_letters, Plan(durable=plan.durable))

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = self._queue(data)
        if name in OPEN:
            self.mq.delete(name)
            del self.reference.queues[name]
            self.receivers = [receiver for receiver in self.receivers if receiver.queue != name]
            self.held = [held for held in self.held if held[0].queue != name]

    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        name = self._queue(data)
        assert self.mq.purge(name) == self.reference.purge(name)

    @rule(data=st.data(), most=st.sampled_from((None, 1, 3)))
    def replay(self, data: st.DataObject, most: int | None) -> None:
        name, target = self._queue(data), self._queue(data)
        single = self.reference.queues[name].plan.single_active
        # What somebody else holds of a group may keep the rest of it here.
        groups = any(entry.group for entry in self.reference.queues[name].entries)
        if name != target and target not in LIMITED and not single and not groups:
            moved = self.mq.replay(name, target, max=most)
            assert moved == self.reference.move(name, target, 1_000 if most is None else most, anew=True)

    # ------------------------------------------------------------------ messages

    @rule(
        data=st.data(),
        count=st.sampled_from((1, 1, 3)),
        priority=st.integers(0, 4),
        group=st.sampled_from(("", "", "g")),
        ttl=st.sampled_from((0, 0, 0, 4_000)),
        delay=st.sampled_from((0, 0, 0, 2_500)),
        durable=st.sampled_from((True, True, False)),
    )
    def send(
        self, data: st.DataObject, count: int, priority: int, group: str, ttl: int, delay: int, durable: bool
    ) -> None:
        name = self._queue(data)
        if name in LIMITED:
            delay = ttl = 0
        entries = [Entry(f"m{next(self._numbers)}", priority, "", group, durable, "", ttl) for _ in range(count)]
        messages = [
            Message(
                entry.body.encode(),
                priority=priority,
                group=group or None,
                ttl=ttl / 1000 if ttl else None,
                delay=delay / 1000,
                durable=durable,
            )
            for entry in entries
        ]
        if self.reference.has_room(name, count):
            self.mq.send_many(name, messages)
            for entry in entries:
                assert self.reference.publish(name, entry, delay)
                self.reference.make_room(name)
        else:
            with pytest.raises(ResourceError):
                self.mq.send_many(name, messages)

    @rule(data=st.data(), most=st.integers(1, 3))
    def receive(self, data: st.DataObject, most: int) -> None:
        name = self._queue(data)
        receivers = [receiver for receiver in self.receivers if receiver.queue == name]
        if len(receivers) < 2 and data.draw(st.booleans(), label="another receiver"):
            receiver = self.mq.receiver(name, prefetch=3)
            self.receivers.append(receiver)
        elif receivers:
            receiver = data.draw(st.sampled_from(receivers))
        else:
            return
        deliveries = receiver.receive(most, wait=0)
        for delivery in deliveries:
            first = self.reference.first_for(name, "", receiver)
            body = delivery.body.decode()
            entry = next((entry for entry in first if entry.body == body), None)
            assert entry is not None, f"{body} came from {name}, and not one of {[entry.body for entry in first]}"
            assert (delivery.delivery_count, delivery.redelivered) == (entry.returns + 1, entry.returns > 0)
            self.reference.hand_out(entry, receiver)
            self.held.append((receiver, delivery, entry))
        holds = sum(held[0] is receiver for held in self.held)
        first_come = [other for other in self.receivers if other.queue == name]
        is_served = not self.reference.queues[name].plan.single_active or first_come[0] is receiver
        if len(deliveries) < min(most, 3 - (holds - len(deliveries))) and is_served:
            assert not self.reference.first_for(name, "", receiver), f"{name} has more"

    @precondition(_holds)
    @rule(data=st.data(), how=st.sampled_from(("accept", "accept", "release", "later", "reject")))
    def settle(self, data: st.DataObject, how: str) -> None:
        receiver, delivery, entry = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        name = receiver.queue
        if how == "accept":
            delivery.accept()
            self.reference.accept(name, entry)
        elif how == "reject":
            delivery.reject(reason="unwanted")
            self.reference.reject(name, entry)
        elif how == "release" or name in LIMITED:
            delivery.release()
            self.reference.release(name, entry)
        else:
            delivery.release(delay=1.5)
            self.reference.release(name, entry, delay=1_500)
        self.reference.make_room(name)

    @rule(data=st.data(), sends=st.integers(0, 2), fails=st.booleans())
    def transact(self, data: st.DataObject, sends: int, fails: bool) -> None:
        accepted = self.held[:2]
        target = self._queue(data)
        entries = [Entry(f"m{next(self._numbers)}") for _ in range(sends)]
        is_refused = not self.reference.has_room(target, sends)
        try:
            with self.mq.transaction() as transaction:
                for entry in entries:
                    transaction.send(target, entry.body.encode())
                for _, delivery, _ in accepted:
                    transaction.accept(delivery)
                if fails:
                    raise KeyError("as it is")
        except KeyError:
            return
        except ResourceError:
            assert is_refused
            return
        assert not is_refused
        del self.held[: len(accepted)]
        for entry in entries:
            self.reference.publish(target, entry)
            self.reference.make_room(target)
        for receiver, _, entry in accepted:
            self.reference.accept(receiver.queue, entry)

    # ------------------------------------------------------------------ time, and ends

    @rule(milliseconds=st.sampled_from((500, 1_500, 3_500)))
    def wait(self, milliseconds: int) -> None:
        self.reference.wait(milliseconds)
        self.clock.now += milliseconds / 1000
        self._run_due()
        for name in self.reference.queues:
            self.reference.make_room(name)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.receivers:
            receiver = data.draw(st.sampled_from(self.receivers))
            self.receivers.remove(receiver)
            self._give_back(receiver)
            receiver.close()

    def _give_back(self, receiver: Receiver) -> None:
        for _, _, entry in [held for held in self.held if held[0] is receiver]:
            self.reference.release(receiver.queue, entry)
        self.held = [held for held in self.held if held[0] is not receiver]
        self.reference.make_room(receiver.queue)

    @precondition(lambda self: self.is_stored)
    @rule()
    def close_and_open(self) -> None:
        for receiver in self.receivers:
            self._give_back(receiver)
        self.receivers.clear()
        self.mq.close()
        self.reference.crash()
        self.open()

    # ------------------------------------------------------------------ what must be so

    @invariant()
    def the_same_is_ready_in_the_same_order(self) -> None:
        for name, queue in self.reference.queues.items():
            ready = queue.those("ready")
            assert self.mq.count(name) == len(ready), name
            seen = [message.body.decode() for message in self.mq.peek(name, max=1_000)]
            assert sorted(seen) == sorted(entry.body for entry in ready), name
            place = {entry.body: (-queue.lane(entry), entry.rank) for entry in ready}
            places = [place[body] for body in seen]
            assert places == sorted(places), name


class StoredEmbeddedMachine(EmbeddedMachine):
    """The same on a file."""

    is_stored = True


@pytest.mark.parametrize("machine", [EmbeddedMachine, StoredEmbeddedMachine])
@pytest.mark.timeout(600)
def test_the_engine_does_what_the_reference_does(machine: type[EmbeddedMachine]) -> None:
    # A long run looks much further.
    most = max(60, settings().max_examples // 10)
    run_state_machine_as_test(machine, settings=settings(max_examples=most, stateful_step_count=40))
