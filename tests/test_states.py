"""The table of states in queued.py: each verb finds a message as the table says, whatever is done with a queue."""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

import batonmq
from batonmq import queued as module
from batonmq.broker.routing.direct_replies import NOBODY
from batonmq.message import Message
from batonmq.properties import EMPTY
from batonmq.queued import DELAYED, GONE, HELD, READY, TRANSITIONS, Holder, QueuedMessage
from tests.model.test_broker import BrokerMachine, StoredBrokerMachine
from tests.support.driven import Driven

pytestmark = pytest.mark.skipif(batonmq.compiled, reason="verbs that are compiled cannot be watched, nor read")

VERBS = {"hold", "settle", "leave", "come_back", "wait", "fall_due"}
NAMES = {READY: "READY", HELD: "HELD", GONE: "GONE", DELAYED: "DELAYED"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """Each verb with what it found; one that the table does not know fails on the spot."""
    seen: Counter[tuple[str, int]] = Counter()

    def look(verb: str, queued: QueuedMessage) -> None:
        expected, _ = TRANSITIONS[verb]
        assert queued.state in expected, f"{verb} finds a message that is {NAMES[queued.state]}"
        seen[verb, queued.state] += 1

    def looking(verb: str, do: Callable[..., None]) -> Callable[..., None]:
        def looked(queued: QueuedMessage, *args: object) -> None:
            look(verb, queued)
            do(queued, *args)
            assert queued.state == TRANSITIONS[verb][1]

        return looked

    def looking_at_all(verb: str) -> Callable[..., None]:
        def looked(batch: list[QueuedMessage], *args: object) -> None:
            for queued in batch:
                getattr(queued, verb)(*args)

        return looked

    for verb in TRANSITIONS:
        monkeypatch.setattr(QueuedMessage, verb, looking(verb, getattr(QueuedMessage, verb)))
    monkeypatch.setattr("batonmq.broker.queues.dispatch.hold_all", looking_at_all("hold"))
    monkeypatch.setattr("batonmq.broker.queues.queue.settle_all", looking_at_all("settle"))
    return seen


@pytest.mark.parametrize("machine", [BrokerMachine, StoredBrokerMachine])
@pytest.mark.timeout(600)
def test_whatever_is_done_with_a_queue_keeps_to_the_table(
    machine: type[BrokerMachine], seen: Counter[tuple[str, int]]
) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=40))
    # Which ones is left to chance; that each is looked at is shown below.
    assert seen


@pytest.mark.usefixtures("seen")
def test_what_was_taken_from_the_middle_of_a_queue_has_left() -> None:
    driven = Driven()
    queue = driven.queue()
    for body in "abc":
        driven.publish(body)
    driven.settle()
    queue.lane.take(queue.lane.ready[1]).leave()
    driven.broker.close()


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "file"])
def test_each_verb_is_looked_at(seen: Counter[tuple[str, int]], tmp_path: Path, stored: bool) -> None:
    driven = Driven(tmp_path / "store.db" if stored else None)
    queue = driven.queue()
    driven.publish("later", {"x-delay": 1_000})
    driven.publish("now")
    driven.settle()
    taker = driven.consume(prefetch=2)
    driven.settle()
    taker.release(1)
    driven.settle()
    driven.wait(2)
    taker.accept(2)
    driven.settle()
    driven.publish("purged")
    taker.leave()
    driven.operations.purge_queue("q")
    driven.settle()
    assert queue.ready_count == 0
    assert {verb for verb, _ in seen} >= VERBS
    driven.broker.close()


def test_the_table_has_each_verb_that_changes_a_state() -> None:
    verbs = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.FunctionDef) and any(
            isinstance(part, ast.Assign) and ast.unparse(part.targets[0]).endswith(".state") for part in ast.walk(node)
        ):
            verbs.add(node.name)
    # Those of whole batches do what their verb does.
    assert verbs - {"__init__"} == TRANSITIONS.keys() | {"hold_all", "settle_all"}


def test_what_a_batch_does_is_what_its_verb_does() -> None:
    class Nobody(Holder):
        def revoked(self, queued: QueuedMessage) -> None: ...

        def settled_late(self, queued: QueuedMessage) -> None: ...

    def made() -> QueuedMessage:
        return QueuedMessage(Message("", "q", EMPTY, b""), NOBODY, 0)

    one, many, holder = made(), [made(), made()], Nobody()
    one.hold(holder)
    module.hold_all(many, holder)
    assert {(queued.state, queued.holder) for queued in many} == {(one.state, one.holder)}
    one.settle()
    module.settle_all(many)
    assert {queued.state for queued in many} == {one.state}
