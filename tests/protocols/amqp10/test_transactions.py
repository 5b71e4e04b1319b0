"""Transactions: declared and discharged over a link to the coordinator, all or nothing (part 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batonmq.protocols.amqp10.codec.composites import Composite, encode_composite
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Coordinator,
    Declare,
    Declared,
    Detach,
    Discharge,
    Disposition,
    End,
    Error,
    Modified,
    Outcome,
    Received,
    Rejected,
    Released,
    Source,
    TransactionalState,
    Transfer,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import Symbol, UInt, ULong
from batonmq.protocols.amqp10.deliveries import transactions
from batonmq.protocols.amqp10.settings import Amqp10Settings
from tests.protocols.amqp10.client import Client, Delivery, condition_of, message, of, one
from tests.support.driven import Driven
from tests.support.timed import Timed

DURABLE = b"\x00\x53\x70\xc0\x02\x01\x41"
VALUE = b"\x00\x53\x77"


@pytest.fixture
def driven() -> Driven:
    driven = Driven()
    driven.queue("q")
    return driven


@pytest.fixture
def timed(tmp_path: Path) -> Timed:
    """A disk that can fail."""
    timed = Timed(tmp_path / "store")
    timed.queue("q")
    return timed


class Transacting:
    """A client with a link to the coordinator."""

    def __init__(self, driven: Driven, settings: Amqp10Settings | None = None, outcomes: tuple[str, ...] = ()) -> None:
        self.driven = driven
        self.client = Client(driven, settings).start()
        self.handle = 200
        self.attach(outcomes)

    def attach(self, outcomes: tuple[str, ...] = (), *, channel: int = 0) -> Attach:
        source = Source(outcomes=[Symbol(name) for name in outcomes] or None)
        attach = Attach(
            name=f"coordinator-{self.handle}",
            handle=UInt(self.handle),
            role=False,
            source=source,
            target=Coordinator(capabilities=[Symbol("amqp:local-transactions")]),
            initial_delivery_count=UInt(0),
        )
        return one(self.client.say(attach, channel=channel), Attach)

    def ask(self, request: Composite, *, settled: bool = False) -> list[object]:
        return self.client.transfer(self.handle, VALUE + encode_composite(request), settled=settled)

    def declare(self) -> bytes:
        state = one(self.ask(Declare()), Disposition).state
        assert isinstance(state, Declared)
        return state.txn_id

    def discharge(self, txn_id: bytes, *, fail: bool = False) -> list[object]:
        return self.ask(Discharge(txn_id=txn_id, fail=fail))

    def commit(self, txn_id: bytes) -> None:
        answer = of(self.discharge(txn_id), Disposition)[-1]
        assert answer.role
        assert answer.settled
        assert isinstance(answer.state, Accepted), answer.state

    def roll_back(self, txn_id: bytes) -> None:
        assert isinstance(of(self.discharge(txn_id, fail=True), Disposition)[-1].state, Accepted)

    def refused(self, txn_id: bytes) -> str:
        """A commit that is not done: why."""
        error = rejection(self.discharge(txn_id))
        assert str(error.condition) == "amqp:transaction:rollback"
        return error.description or ""

    def send(self, handle: int, body: bytes, txn_id: bytes, *, durable: bool = False, channel: int = 0) -> list[object]:
        state = TransactionalState(txn_id=txn_id)
        sections = [DURABLE] if durable else []
        return self.client.transfer(handle, message(body, *sections), channel=channel, state=state)

    def settle(
        self, txn_id: bytes, first: int, outcome: Outcome, last: int | None = None, *, settled: bool = True
    ) -> list[object]:
        state = TransactionalState(txn_id=txn_id, outcome=outcome)
        return self.client.settle(first, state, last, settled=settled)


@pytest.fixture
def it(driven: Driven) -> Transacting:
    return Transacting(driven)


def rejection(came: list[object]) -> Error:
    state = of(came, Disposition)[-1].state
    assert isinstance(state, Rejected), state
    assert state.error is not None
    return state.error


def outcome_of(came: list[object], txn_id: bytes) -> Outcome | None:
    state = one(came, Disposition).state
    assert isinstance(state, TransactionalState)
    assert state.txn_id == txn_id
    return state.outcome


def bodies(came: list[object]) -> list[bytes]:
    return [delivery.body for delivery in of(came, Delivery)]


def count_of(delivery: Delivery) -> int:
    """The delivery-count in the header."""
    header = Sections(delivery.payload).header()
    return (header.delivery_count or 0) if header is not None else 0


# ---------------------------------------------------------------------- sending


def test_the_coordinator_says_what_it_can(driven: Driven) -> None:
    it = Transacting(driven)
    it.handle += 1
    answer = it.attach()
    assert isinstance(answer.target, Coordinator)
    assert answer.target.capabilities == ["amqp:local-transactions", "amqp:multi-txns-per-ssn"]


def test_what_is_sent_is_there_after_the_commit(it: Transacting) -> None:
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    for body in (b"a", b"b"):
        assert isinstance(outcome_of(it.send(handle, body, txn_id), txn_id), Accepted)
    assert it.driven.operations.find_queue("q").ready_count == 0
    it.commit(txn_id)
    assert it.driven.bodies() == ["a", "b"]


def test_what_is_sent_and_rolled_back_never_was(it: Transacting) -> None:
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a", txn_id)
    it.roll_back(txn_id)
    assert it.driven.bodies() == []
    assert condition_of_rejection(it.discharge(txn_id)) == "amqp:transaction:unknown-id"


def condition_of_rejection(came: list[object]) -> str:
    return str(rejection(came).condition)


def test_several_are_open_at_once(it: Transacting) -> None:
    first, second = it.declare(), it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a", first)
    it.send(handle, b"b", second)
    it.client.transfer(handle, message(b"c"))
    it.commit(second)
    it.roll_back(first)
    assert it.driven.bodies() == ["c", "b"]


def test_the_commit_waits_for_the_disk(timed: Timed) -> None:
    it = Transacting(timed)
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a", txn_id, durable=True)
    timed.slow_commits = True
    it.client.session.receive(transfer_of(it, Discharge(txn_id=txn_id)))
    timed.broker.end_turn()
    it.client.session.turn_ended()
    assert it.client.session.output == []
    assert isinstance(one(it.client.read(), Disposition).state, Accepted)
    timed.crash()
    assert timed.bodies() == ["a"]


def transfer_of(it: Transacting, request: Composite) -> bytes:
    transfer = Transfer(handle=UInt(it.handle), delivery_id=UInt(77), delivery_tag=b"t", message_format=UInt(0))
    return frame(0, transfer, VALUE + encode_composite(request))


def test_what_no_queue_wants_is_released_and_no_part_of_it(it: Transacting) -> None:
    txn_id = it.declare()
    it.driven.operations.declare_exchange("x", "direct")
    nowhere = it.client.sender("/exchanges/x/nowhere", name="nowhere")
    handle = it.client.sender("/queues/q")
    assert isinstance(outcome_of(it.send(nowhere, b"a", txn_id), txn_id), Released)
    it.send(handle, b"b", txn_id)
    it.commit(txn_id)
    assert it.driven.bodies() == ["b"]


# ---------------------------------------------------------------------- settling


def received(it: Transacting, *sent: str, credit: int = 10) -> int:
    """The handle of a link over which these came, from delivery-id 0 on."""
    for body in sent:
        it.driven.publish(body)
    handle = it.client.receiver("/queues/q", credit)
    assert bodies(it.client.read()) == [body.encode() for body in sent]
    return handle


def test_what_is_accepted_is_gone_after_the_commit(it: Transacting) -> None:
    received(it, "a", "b")
    queue = it.driven.operations.find_queue("q")
    txn_id = it.declare()
    assert it.settle(txn_id, 0, Accepted(), 1) == []
    assert queue.unsettled == 2
    it.commit(txn_id)
    assert (queue.unsettled, queue.ready_count, queue.counts().accepted) == (0, 0, 2)


def test_what_the_client_has_not_settled_is_settled_with_the_commit(it: Transacting) -> None:
    received(it, "a", "b", "c")
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.settle(txn_id, 2, Accepted(), settled=False)
    first, last, answer = of(it.discharge(txn_id), Disposition)
    assert [(each.role, each.first, each.settled) for each in (first, last)] == [(False, 0, True), (False, 2, True)]
    assert isinstance(first.state, Accepted)
    assert answer.role


def test_a_roll_back_leaves_it_with_its_receiver(it: Transacting) -> None:
    received(it, "a")
    queue = it.driven.operations.find_queue("q")
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.roll_back(txn_id)
    assert (queue.unsettled, queue.ready_count) == (1, 0)
    # It can still say what becomes of it.
    it.client.settle(0, Accepted())
    assert (queue.unsettled, queue.counts().accepted) == (0, 1)


def test_a_roll_back_returns_what_its_receiver_cannot_name_any_more(it: Transacting) -> None:
    received(it, "a", "b")
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), 1)
    came = it.discharge(txn_id, fail=True)
    again = of(came, Delivery)
    assert bodies(came) == [b"a", b"b"]
    assert [count_of(delivery) for delivery in again] == [1, 1]


def test_what_was_taken_back_before_the_commit_is_released_by_it(it: Transacting) -> None:
    it.driven.queue("timed", x_consumer_timeout=500)
    for body in ("a", "b", "c"):
        it.driven.publish(body, queue="timed")
    it.client.receiver("/queues/timed", 3)
    it.client.read()
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.driven.wait(0.6)
    told = one(it.client.read(), Disposition)
    assert (told.first, told.last, bool(told.settled), told.state) == (1, 2, False, Released())
    it.settle(txn_id, 1, Accepted(), settled=False)
    *told_now, answer = of(it.discharge(txn_id), Disposition)
    assert [(each.first, each.last, each.settled, each.state) for each in told_now] == [
        (0, 0, True, Released()),
        (1, 1, True, Released()),
    ]
    assert isinstance(answer.state, Accepted)
    it.client.settle(2, Accepted())
    assert it.driven.bodies("timed") == ["a", "b", "c"]


def test_what_was_taken_back_before_a_roll_back_is_told_after_it(it: Transacting) -> None:
    it.driven.queue("timed", x_consumer_timeout=500)
    it.driven.publish("a", queue="timed")
    it.client.receiver("/queues/timed", 3)
    it.client.read()
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.driven.wait(0.6)
    assert of(it.client.read(), Disposition) == []
    told = [each for each in of(it.discharge(txn_id, fail=True), Disposition) if not each.role]
    assert [(each.first, bool(each.settled), each.state) for each in told] == [(0, False, Released())]
    assert bodies(it.client.settle(0, Accepted())) == [b"a"]


@pytest.mark.parametrize("settled", [False, True])
def test_what_was_taken_back_before_a_commit_that_fails_is_released(timed: Timed, settled: bool) -> None:
    timed.queue("timed", x_consumer_timeout=500)
    it = Transacting(timed)
    timed.publish("a", queue="timed")
    it.client.receiver("/queues/timed", 2)
    it.client.read()
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"b", txn_id, durable=True)
    it.settle(txn_id, 0, Accepted(), settled=settled)
    timed.wait(0.6)
    it.client.read()
    it.client.session.receive(transfer_of(it, Discharge(txn_id=txn_id)))
    timed.broker.end_turn()
    timed.fail()
    came = it.client.read()
    assert condition_of_rejection(came) == "amqp:transaction:rollback"
    told = [each for each in of(came, Disposition) if not each.role]
    assert [(each.first, each.settled, each.state) for each in told] == [(0, True, Released())] * (not settled)
    # The link has room again.
    assert bodies(came) == [b"a"]


def test_a_link_that_ends_leaves_to_the_transaction_what_it_has_settled(it: Transacting) -> None:
    handle = received(it, "a", "b")
    queue = it.driven.operations.find_queue("q")
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.client.say(Detach(handle=UInt(handle), closed=True))
    assert (queue.unsettled, queue.ready_count) == (1, 1)
    it.commit(txn_id)
    assert (queue.unsettled, queue.ready_count) == (0, 1)


def test_a_roll_back_after_the_link_has_ended_returns_it(it: Transacting) -> None:
    handle = received(it, "a")
    queue = it.driven.operations.find_queue("q")
    txn_id = it.declare()
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.client.say(Detach(handle=UInt(handle), closed=True))
    it.roll_back(txn_id)
    assert (queue.unsettled, queue.ready_count) == (0, 1)
    queued = queue.get()
    assert queued is not None
    assert queued.return_count == 1


@pytest.mark.parametrize("settled", [False, True])
def test_every_outcome_waits_for_the_commit(driven: Driven, settled: bool) -> None:
    driven.queue("dead")
    driven.operations.delete_queue("q")
    driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    it = Transacting(driven)
    received(it, "a", "b", "c", "d", credit=4)
    txn_id = it.declare()
    outcomes: list[Outcome] = [
        Rejected(error=Error(condition=Symbol("app:no"), description="not wanted")),
        Released(),
        Modified(delivery_failed=True, message_annotations={Symbol("x-opt-a"): ULong(1)}),
        Modified(undeliverable_here=True),
    ]
    for number, outcome in enumerate(outcomes):
        it.settle(txn_id, number, outcome, settled=settled)
    queue = driven.operations.find_queue("q")
    assert (queue.unsettled, queue.ready_count, driven.operations.find_queue("dead").ready_count) == (4, 0, 0)
    it.commit(txn_id)
    assert (queue.unsettled, queue.ready_count, driven.operations.find_queue("dead").ready_count) == (0, 2, 2)
    counts = queue.counts()
    assert (counts.returned, counts.rejected, counts.dead_lettered) == (2, 2, 2)
    dead = driven.operations.find_queue("dead").get()
    assert dead is not None
    headers = dead.message.properties.headers or {}
    assert (headers["x-reject-reason"], headers["x-reject-condition"]) == ("not wanted", "app:no")
    first, second = queue.get(), queue.get()
    assert first is not None
    assert second is not None
    assert [(each.message.body, each.return_count) for each in (first, second)] == [(b"b", 0), (b"c", 1)]
    assert (second.message.properties.headers or {})["x-opt-a"] == 1


# ---------------------------------------------------------------------- all or nothing


def test_a_commit_to_a_queue_that_is_full_is_not_done(driven: Driven) -> None:
    driven.queue("full", x_max_length=1, x_overflow="reject-publish")
    driven.publish("m", queue="full")
    it = Transacting(driven)
    received(it, "a")
    txn_id = it.declare()
    handle, full = it.client.sender("/queues/q"), it.client.sender("/queues/full", name="full")
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.send(handle, b"b", txn_id)
    it.send(full, b"c", txn_id)
    assert "'full' is full" in it.refused(txn_id)
    queue = driven.operations.find_queue("q")
    assert (queue.unsettled, queue.ready_count) == (1, 0)
    # It is over, whatever was wrong with it.
    assert condition_of_rejection(it.discharge(txn_id)) == "amqp:transaction:unknown-id"


def test_a_commit_to_a_queue_that_is_gone_is_not_done(it: Transacting) -> None:
    it.driven.queue("gone")
    txn_id = it.declare()
    handle, gone = it.client.sender("/queues/q"), it.client.sender("/queues/gone", name="gone")
    it.send(handle, b"a", txn_id)
    it.send(gone, b"b", txn_id)
    it.driven.operations.delete_queue("gone")
    assert "is gone" in it.refused(txn_id)
    assert it.driven.bodies() == []


def test_a_commit_is_one_transaction_of_the_store(timed: Timed) -> None:
    timed.queue("other")
    timed.publish("m")
    timed.settle()
    it = Transacting(timed)
    it.client.receiver("/queues/q", 1)
    it.client.read()
    txn_id = it.declare()
    other = it.client.sender("/queues/other", name="other")
    it.send(other, b"a", txn_id, durable=True)
    it.settle(txn_id, 0, Accepted())
    it.send(other, b"b", txn_id, durable=True)
    it.client.session.receive(transfer_of(it, Discharge(txn_id=txn_id)))
    timed.broker.end_turn()
    # The process ends before the commit of the store.
    timed.crash()
    assert timed.bodies() == ["m"]
    assert timed.bodies("other") == []


@pytest.mark.parametrize("settled", [False, True])
def test_a_commit_that_the_store_fails_is_undone(timed: Timed, settled: bool) -> None:
    timed.publish("m")
    timed.settle()
    it = Transacting(timed)
    it.client.receiver("/queues/q", 1)
    it.client.read()
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a", txn_id, durable=True)
    it.settle(txn_id, 0, Accepted(), settled=settled)
    it.client.session.receive(transfer_of(it, Discharge(txn_id=txn_id)))
    timed.broker.end_turn()
    timed.fail()
    came = it.client.read()
    assert condition_of_rejection(came) == "amqp:transaction:rollback"
    queue = timed.operations.find_queue("q")
    assert (queue.unsettled, queue.ready_count) == ((0, 1) if settled else (1, 0))
    it.client.lose()
    timed.settle()
    assert timed.bodies() == ["m"]


@pytest.mark.parametrize("fails", [False, True])
def test_so_it_is_when_the_client_is_gone_meanwhile(timed: Timed, fails: bool) -> None:
    timed.publish("m")
    timed.settle()
    it = Transacting(timed)
    it.client.receiver("/queues/q", 1)
    it.client.read()
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a", txn_id, durable=True)
    it.settle(txn_id, 0, Accepted(), settled=False)
    it.client.session.receive(transfer_of(it, Discharge(txn_id=txn_id)))
    timed.broker.end_turn()
    it.client.session.connection_lost()
    if fails:
        timed.fail()
    timed.settle()
    timed.crash()
    assert timed.bodies() == (["m"] if fails else ["a"])


def test_a_message_that_came_settled_and_is_lost_takes_the_transaction_along(driven: Driven) -> None:
    it = Transacting(driven)
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a", txn_id)
    state = TransactionalState(txn_id=txn_id)
    # What cannot be read ends the link.
    came = it.client.transfer(handle, b"\x00\x53\x75\xa0\x09short", state=state, settled=True)
    assert condition_of(one(came, Detach)) == "amqp:decode-error"
    assert "cannot be read" in it.refused(txn_id)
    assert driven.bodies() == []


# ---------------------------------------------------------------------- what ends it


def test_the_end_of_the_coordinator_s_link_rolls_back(it: Transacting) -> None:
    received(it, "a")
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"b", txn_id)
    it.settle(txn_id, 0, Accepted())
    came = it.client.say(Detach(handle=UInt(it.handle), closed=True))
    assert bodies(came) == [b"a"]
    came = it.send(handle, b"c", txn_id)
    assert condition_of(one(came, Detach)) == "amqp:transaction:unknown-id"


@pytest.mark.parametrize("how", ["end", "lose"])
def test_the_end_of_the_session_rolls_back(it: Transacting, how: str) -> None:
    received(it, "a", "b", "c")
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"d", txn_id)
    it.settle(txn_id, 0, Accepted())
    it.settle(txn_id, 1, Accepted(), settled=False)
    if how == "end":
        it.client.say(End())
    else:
        it.client.lose()
    queue = it.driven.operations.find_queue("q")
    assert (queue.unsettled, queue.ready_count) == (0, 3)
    found = [queued for _ in range(3) if (queued := queue.get()) is not None]
    assert [(queued.message.body, queued.return_count) for queued in found] == [(b"a", 1), (b"b", 1), (b"c", 1)]


def test_links_that_end_one_after_the_other_return_what_each_has(it: Transacting) -> None:
    for number in range(6):
        it.driven.publish(str(number))
    one_link, other = it.client.receiver("/queues/q", name="one"), it.client.receiver("/queues/q", name="other")
    for handle in (one_link, other, one_link):
        it.client.credit(handle, 2 if handle != one_link else 1, delivery_count=0)
    queue = it.driven.operations.find_queue("q")
    before = queue.unsettled
    it.client.say(Detach(handle=UInt(other), closed=True))
    assert queue.unsettled == before - 2
    # Something comes between.
    third = it.client.receiver("/queues/q", 3, name="third")
    it.client.say(Detach(handle=UInt(one_link), closed=True))
    assert queue.unsettled == 3
    it.client.say(Detach(handle=UInt(third), closed=True))
    assert (queue.unsettled, queue.ready_count) == (0, 6)


# ---------------------------------------------------------------------- what is wrong


def test_an_id_that_is_unknown(it: Transacting) -> None:
    received(it, "a")
    handle = it.client.sender("/queues/q")
    assert condition_of_rejection(it.discharge(b"nothing")) == "amqp:transaction:unknown-id"
    came = it.send(handle, b"b", b"nothing")
    assert condition_of(one(came, Detach)) == "amqp:transaction:unknown-id"
    came = it.settle(b"nothing", 0, Accepted())
    assert condition_of(one(came, End)) == "amqp:transaction:unknown-id"
    assert it.driven.bodies() == ["a"]


def test_an_id_of_another_session_is_unknown(it: Transacting) -> None:
    txn_id = it.declare()
    it.client.begin(channel=1)
    handle = it.client.sender("/queues/q", channel=1)
    came = it.send(handle, b"b", txn_id, channel=1)
    assert condition_of(one(came, Detach)) == "amqp:transaction:unknown-id"


def test_whoever_takes_no_rejections_is_detached(driven: Driven) -> None:
    it = Transacting(driven, outcomes=("amqp:accepted:list",))
    came = it.discharge(b"nothing")
    assert condition_of(one(came, Detach)) == "amqp:transaction:unknown-id"


def test_too_many(it: Transacting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "TRANSACTIONS_MAX", 2)
    first = it.declare()
    it.declare()
    assert condition_of_rejection(it.ask(Declare())) == "amqp:resource-limit-exceeded"
    it.roll_back(first)
    it.declare()


def test_too_much(driven: Driven) -> None:
    it = Transacting(driven, replace(Amqp10Settings(), max_transaction_size=100))
    txn_id = it.declare()
    handle = it.client.sender("/queues/q")
    it.send(handle, b"a" * 60, txn_id)
    outcome = outcome_of(it.send(handle, b"b" * 60, txn_id), txn_id)
    assert isinstance(outcome, Rejected)
    assert outcome.error is not None
    assert str(outcome.error.condition) == "amqp:resource-limit-exceeded"
    # The client was told; what remains is its own to decide.
    it.commit(txn_id)
    assert driven.bodies() == ["a" * 60]
    txn_id = it.declare()
    it.send(handle, b"b" * 60, txn_id)
    it.commit(txn_id)


def test_outcomes_that_take_too_much(driven: Driven) -> None:
    it = Transacting(driven, replace(Amqp10Settings(), max_transaction_size=1_000))
    received(it, "a")
    txn_id = it.declare()
    outcome = Modified(message_annotations={Symbol("x-opt-a"): "a" * 2_000})
    came = it.settle(txn_id, 0, outcome)
    assert condition_of(one(came, End)) == "amqp:resource-limit-exceeded"
    assert driven.operations.find_queue("q").ready_count == 1


@pytest.mark.parametrize("outcome", [None, Declared(txn_id=b"x")])
def test_what_is_no_outcome(it: Transacting, outcome: Outcome | None) -> None:
    received(it, "a")
    txn_id = it.declare()
    came = it.client.settle(0, TransactionalState(txn_id=txn_id, outcome=outcome))
    assert condition_of(one(came, End)) == "amqp:invalid-field"
    assert it.driven.bodies() == ["a"]


@pytest.mark.parametrize(
    ("payload", "condition"),
    [
        (message(b"m"), "amqp:decode-error"),
        (VALUE + b"\x40", "amqp:not-implemented"),
        (VALUE + encode_composite(Declare(global_id=b"global")), "amqp:not-implemented"),
        (VALUE, "amqp:decode-error"),
        (VALUE + b"\xb0\x00\x00\x20\x00" + bytes(8_192), "amqp:link:message-size-exceeded"),
    ],
)
def test_what_a_coordinator_does_not_take(it: Transacting, payload: bytes, condition: str) -> None:
    came = it.client.transfer(it.handle, payload)
    told = one(came, Disposition).state if of(came, Disposition) else None
    error = told.error if isinstance(told, Rejected) else one(came, Detach).error
    assert error is not None
    assert str(error.condition) == condition


def test_a_declare_that_comes_settled(it: Transacting) -> None:
    assert condition_of(one(it.ask(Declare(), settled=True), Detach)) == "amqp:not-allowed"


def test_a_discharge_that_comes_settled_is_done(it: Transacting) -> None:
    txn_id = it.declare()
    it.send(it.client.sender("/queues/q"), b"a", txn_id)
    assert it.ask(Discharge(txn_id=txn_id), settled=True) == []
    assert it.driven.bodies() == ["a"]


def test_a_transfer_that_resumes_another(it: Transacting) -> None:
    handle = it.client.sender("/queues/q")
    state = Received(section_number=UInt(0), section_offset=ULong(0))
    came = it.client.transfer(handle, message(b"a"), state=state, resume=True)
    assert condition_of(one(came, Detach)) == "amqp:not-implemented"
