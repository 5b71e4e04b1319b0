"""The embedded engine where the contract suite does not look: threads, the disk, who has the file."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import cast

import pytest

import batonmq
from batonmq import points
from batonmq.broker import Broker, Operations, Permission, Queue, User
from batonmq.engines.embedded import operations
from batonmq.engines.embedded.capabilities import CAPABILITIES
from batonmq.engines.embedded.core import CommitFuture, Core
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.embedded.operations import Queues
from batonmq.engines.messages import Message
from batonmq.engines.values import QueueOptions
from batonmq.errors import MessageTooLarge, PreconditionFailed, ResourceError, StoreError
from batonmq.fields import FieldValue
from batonmq.message import Message as QueueMessage, framing_of
from batonmq.properties import EMPTY
from batonmq.store import MemoryStore, SqliteStore
from batonmq.testing import RunningServer

SOON = 30.0


class FailingStore(SqliteStore):
    """A disk that takes writes, or does not."""

    fails = False

    def commit(self) -> None:
        if self.fails:
            self._db.execute("ROLLBACK")
            raise StoreError("no space left on the device")
        super().commit()

    def has_room_again(self) -> bool:
        return not self.fails


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    return FailingStore(str(tmp_path / "queues.db"))


@pytest.fixture
def engine(store: FailingStore) -> EmbeddedEngine:
    core = Core(store)
    engine = EmbeddedEngine(core, CAPABILITIES, core.close)
    engine.declare("orders", QueueOptions()).get()
    return engine


def test_what_is_sent_during_a_commit_waits_for_its_own_whatever_is_read_after_that(
    engine: EmbeddedEngine, store: FailingStore
) -> None:
    """Who reads the store writes into the open transaction what was collected: it is not committed by that."""
    core = engine.core
    meanwhile: list[CommitFuture[None]] = []

    def read() -> None:
        store.read(0, 1 << 62, 1, 1)

    def send_and_read() -> None:
        points.disarm()
        meanwhile.append(cast("CommitFuture[None]", engine.send("orders", [Message(b"2")])))
        core.run(core.broker.when_read, read)

    points.arm("commit.ready", send_and_read)
    engine.send("orders", [Message(b"1")]).get()
    (future,) = meanwhile
    # The keeper may have been faster.
    with core._lock:
        assert future.done == (store.committed >= future.batch)
    assert future.wait(SOON)
    engine.close()


def test_a_message_that_the_disk_refuses_is_not_there_and_its_sender_is_told(
    engine: EmbeddedEngine, store: FailingStore
) -> None:
    store.fails = True
    with pytest.raises(StoreError):
        engine.send("orders", [Message(b"17")]).get()
    assert engine.count("orders").get() == 0
    store.fails = False
    engine.send("orders", [Message(b"18")]).get()
    assert engine.count("orders").get() == 1
    engine.close()


def test_a_body_that_no_row_can_hold_is_refused_and_nothing_else(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "BODY_MOST", 100)
    fits, too_large = Message(bytes(100)), Message(bytes(101))
    for refused in (
        lambda: engine.send("orders", [fits, too_large]),
        lambda: engine.transact([("orders", fits), ("orders", too_large)], []),
        lambda: engine.request("orders", too_large),
    ):
        with pytest.raises(MessageTooLarge, match="a body of 101 bytes"):
            refused()
    assert engine.count("orders").get() == 0
    engine.send("orders", [fits]).get()
    assert engine.count("orders").get() == 1
    engine.close()


def test_a_transaction_that_the_disk_refuses_leaves_its_message_in_these_hands(
    engine: EmbeddedEngine, store: FailingStore
) -> None:
    engine.send("orders", [Message(b"17")]).get()
    subscription = engine.subscribe("orders", 1).get()
    (held,) = subscription.receive(1).get()
    store.fails = True
    with pytest.raises(StoreError):
        engine.transact([("orders", Message(b"18"))], [(subscription, held)]).get()
    store.fails = False
    subscription.settle(held, "release")
    assert [message.body for message in engine.peek("orders", 9).get()] == [b"17"]
    engine.close()


def test_many_threads_share_commits_and_lose_nothing(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("orders")
        found: list[bytes] = []

        def send(first: int) -> None:
            for number in range(first, first + 50):
                mq.send("orders", b"%d" % number)

        def receive() -> None:
            end = time.monotonic() + SOON
            with mq.receiver("orders") as receiver:
                while len(found) < 200 and time.monotonic() < end:
                    for delivery in receiver.receive(wait=0.2):
                        with delivery:
                            found.append(delivery.body)

        threads = [threading.Thread(target=send, args=(first,)) for first in range(0, 200, 50)]
        threads += [threading.Thread(target=receive) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(int, found)) == list(range(200))


def test_a_backlog_beyond_the_memory_stays_in_the_file_and_in_order(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("orders")
        broker = mq.native
        broker.scheduler.memory.limit = broker.scheduler.memory.window = 1 << 20  # type: ignore[attr-defined]
        for first in range(0, 5000, 1000):
            mq.send_many("orders", [b"%06d" % number + bytes(1000) for number in range(first, first + 1000)])
        assert broker.scheduler.memory.used < 4 << 20  # type: ignore[attr-defined]
        assert mq.count("orders") == 5000
        assert [int(message.body[:6]) for message in mq.peek("orders", 5000)] == list(range(5000))
        with mq.receiver("orders", prefetch=100, wait=SOON) as receiver:
            for number in range(5000):
                with next(receiver) as delivery:
                    assert int(delivery.body[:6]) == number


def test_the_file_of_a_broker_that_runs_is_refused(tmp_path: Path) -> None:
    with RunningServer(tmp_path), pytest.raises(batonmq.StoreError, match="is in use by another process"):
        batonmq.connect(tmp_path / "batonmq.db")


def test_what_takes_several_turns_goes_on_while_nobody_asks_for_anything(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("jobs")
        # Nothing of these is written, so that no commit brings the next turn.
        mq.send_many("jobs", [batonmq.Message(b"", durable=False) for _ in range(2_000)])
        with mq.receiver("jobs", prefetch=2_000, lease=0.1) as receiver:
            assert len(receiver.receive(2_000, wait=SOON)) == 2_000
            queue = mq.native.vhosts["/"].queues["jobs"]  # type: ignore[attr-defined]
            end = time.monotonic() + SOON
            while queue.ready_count < 2_000 and time.monotonic() < end:
                time.sleep(0.01)
            assert queue.ready_count == 2_000


def test_a_fault_in_what_follows_one_outcome_keeps_nobody_waiting(
    engine: EmbeddedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty() -> None:
        raise ZeroDivisionError("of what follows")

    told: list[str] = []
    answered = threading.Event()
    first = engine.send("orders", [Message(b"17")])
    first.when_done(faulty)
    first.when_done(lambda: told.append("first"))
    second = engine.send("orders", [Message(b"18")])
    second.when_done(answered.set)
    waiting = threading.Thread(target=second.get, daemon=True)
    waiting.start()
    first.get()
    waiting.join(SOON)
    assert not waiting.is_alive()
    # Whoever waits may go on before all are told.
    assert answered.wait(SOON)
    assert told == ["first"]
    assert "of what follows" in caplog.text
    engine.close()


def test_what_a_receiver_waits_for_does_not_count_against_the_length(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("q", max_length=1, overflow="refuse")
        taken: list[bytes] = []

        def wait() -> None:
            with mq.receiver("q") as receiver, receiver.receive(1, wait=SOON)[0] as delivery:
                taken.append(delivery.body)

        waiter = threading.Thread(target=wait)
        waiter.start()
        _until_waited_for(mq, "q")
        mq.send_many("q", [b"1", b"2"])
        waiter.join(SOON)
        assert (taken, mq.count("q")) == ([b"1"], 1)
        with pytest.raises(batonmq.ResourceError):
            mq.send("q", b"3")


@pytest.mark.parametrize("how", ["accept", "reject"])
def test_whoever_waits_for_a_group_gets_it_when_it_is_free(tmp_path: Path, how: str) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("q")
        mq.send_many("q", [batonmq.Message(b"%d" % number, group="a") for number in range(2)])
        with mq.receiver("q") as receiver, mq.receiver("q") as other:
            (held,) = receiver.receive(1, wait=SOON)
            came: list[batonmq.Delivery] = []
            waiter = threading.Thread(target=lambda: came.extend(other.receive(1, wait=SOON)))
            waiter.start()
            _until_waited_for(mq, "q")
            getattr(held, how)()
            waiter.join(SOON / 2)
            assert [delivery.body for delivery in came] == [b"1"]


def _until_waited_for(mq: batonmq.Connection, name: str) -> None:
    broker = mq.native
    assert isinstance(broker, Broker)
    queue = broker.vhosts["/"].queues[name]
    deadline = time.monotonic() + SOON
    while not queue.ready_consumers.count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_peek_shows_nothing_that_somebody_holds(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("q")
        # More than half of what memory may hold, so that the last one is in the store alone.
        for number in range(70):
            mq.send("q", bytes(1 << 20), id=f"a{number}", group="a")
        mq.send("q", b"", id="b", group="b")
        with mq.receiver("q") as one, mq.receiver("q") as other:
            held = [one.receive(1, wait=SOON)[0].message.id, other.receive(1, wait=SOON)[0].message.id]
            assert held == ["a0", "b"]
            assert [message.id for message in mq.peek("q", max=100)] == [f"a{number}" for number in range(1, 70)]


def test_a_message_keeps_its_form_when_it_moves() -> None:
    queues = Queues(Broker(MemoryStore()), object())
    queues.declare("q", QueueOptions())
    queues.declare("to", QueueOptions())
    published = QueueMessage("", "q", EMPTY, b"[body]", 1, 4, framing_of(7), 6)
    queues.find("q").publish(published)
    assert queues.move("q", "to", 10) == 1
    queued = queues.find("to").get()
    assert queued is not None
    moved = queued.message
    assert (moved.payload, moved.body, moved.framing, moved.weight) == (b"[body]", b"body", framing_of(7), 6)


# ---------------------------------------------------------------------- as a broker does it


def _declare(engine: EmbeddedEngine, name: str, arguments: dict[str, FieldValue]) -> Queue:
    """A queue with arguments that the API has no word for."""
    broker = engine.core.broker
    vhost = broker.vhosts["/"]
    operations = Operations(vhost, User("test", frozenset({"administrator"}), {"/": Permission()}), object())
    engine.core.run(operations.declare_queue, name, durable=True, arguments=arguments)
    return vhost.queues[name]


def test_a_full_queue_takes_a_message_that_any_header_delays(engine: EmbeddedEngine) -> None:
    queue = _declare(engine, "q", {"x-max-length": 1, "x-overflow": "reject-publish"})
    engine.send("q", [Message(b"1")]).get()
    for number, header in enumerate(("x-delay", "AMQ_SCHEDULED_DELAY"), start=1):
        engine.send("q", [Message(b"later", headers={header: 60_000})]).get()
        engine.send("q", [Message(b"later", headers={header: 60_000})] * 2).get()
        assert (queue.ready_count, queue.delayed_count) == (1, 3 * number)
    engine.close()


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_full_queue_refuses_goes_to_its_dead_letters(engine: EmbeddedEngine, count: int) -> None:
    dead = _declare(engine, "dead", {})
    queue = _declare(
        engine,
        "q",
        {
            "x-max-length": 1,
            "x-overflow": "reject-publish-dlx",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": "dead",
        },
    )
    engine.send("q", [Message(b"1")]).get()
    with pytest.raises(ResourceError):
        engine.send("q", [Message(b"2")] * count)
    assert (queue.ready_count, dead.ready_count) == (1, count)
    with pytest.raises(ResourceError):
        engine.transact([("q", Message(b"3"))], [])
    assert dead.ready_count == count
    engine.close()


def test_a_message_that_needs_no_disk_is_taken_while_it_fails(engine: EmbeddedEngine, store: FailingStore) -> None:
    store.fails = True
    with pytest.raises(StoreError):
        engine.send("orders", [Message(b"1")]).get()
    assert store.error is not None
    engine.send("orders", [Message(b"2", durable=False)])
    assert engine.count("orders").get() == 1
    store.fails = False
    engine.close()


def test_one_message_with_an_invalid_header_keeps_all_others_out(engine: EmbeddedEngine) -> None:
    messages = [Message(b"1"), Message(b"2", headers={"x-delay": "soon"})]
    with pytest.raises(PreconditionFailed):
        engine.send("orders", messages)
    with pytest.raises(PreconditionFailed):
        engine.transact([("orders", message) for message in messages], [])
    assert engine.count("orders").get() == 0
    engine.close()


def test_a_single_consumer_that_holds_a_message_for_too_long_hands_over(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("jobs", single_consumer=True)
        mq.send_many("jobs", [b"1", b"2"])
        with mq.receiver("jobs", lease=0.1) as stuck, mq.receiver("jobs", prefetch=2) as following:
            (held,) = stuck.receive(1, wait=SOON)
            assert held.body == b"1"
            taken: list[batonmq.Delivery] = []
            while len(taken) < 2:
                taken += following.receive(2, wait=SOON)
            assert [delivery.body for delivery in taken] == [b"1", b"2"]
            # It stands by from now on, settled or not, and takes over when the other one goes.
            with pytest.raises(batonmq.LeaseLost):
                held.accept()
            assert stuck.receive(1, wait=0) == []
            following.close()
            assert [delivery.body for delivery in stuck.receive(1, wait=SOON)] == [b"1"]


@pytest.mark.parametrize("how", ["accept", "ask"])
def test_a_single_consumer_that_was_late_is_served_again_when_it_shows_that_it_is_there(
    tmp_path: Path, how: str
) -> None:
    with batonmq.connect(tmp_path / "queues.db") as mq:
        mq.declare("jobs", single_consumer=True)
        mq.send("jobs", b"1")
        with mq.receiver("jobs", lease=0.1) as first, mq.receiver("jobs", lease=0.1) as second:
            (held,) = first.receive(1, wait=SOON)
            (other,) = second.receive(1, wait=SOON)
            if how == "accept":
                with pytest.raises(batonmq.LeaseLost):
                    held.accept()
            (again,) = first.receive(1, wait=SOON)
            assert (other.body, again.body, again.delivery_count) == (b"1", b"1", 3)
