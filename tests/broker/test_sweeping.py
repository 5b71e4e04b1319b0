"""Moving, replaying and purging by selection: nothing is lost and nothing doubled, whenever the broker dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven
from tests.support.timed import Timed

from batonmq.broker.operations.sweep import Sweep
from batonmq.errors import AccessRefused, NotFound, PreconditionFailed, StoreError
from batonmq.message import Message
from batonmq.properties import Properties


def fill(driven: Driven, count: int, *, queue: str = "q", size: int = 1024, persistent: bool = True) -> list[str]:
    names = [f"m{number}" for number in range(count)]
    for name in names:
        driven.publish(name, queue=queue, size=size, persistent=persistent)
    driven.settle()
    return names


def take_all(driven: Driven, queue: str) -> list[str]:
    taker = driven.consume(queue, no_ack=True)
    driven.settle()
    driven.operations.find_queue(queue).unsubscribe(taker)
    return taker.seen


class Odd:
    def matches(self, message: Message) -> bool:
        return int(message.body.decode().rstrip(".")[1:]) % 2 == 1


@pytest.mark.parametrize("persistent", [True, False])
def test_all_messages_move_in_order(driven: Driven, persistent: bool) -> None:
    source, target = driven.queue(), driven.queue("to")
    names = fill(driven, 1_300, persistent=persistent)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    driven.settle()
    assert [(sweep.count, sweep.skipped, sweep.error) for sweep in done] == [(1_300, 0, None)]
    assert (source.ready_count, target.ready_count) == (0, 1_300)
    assert take_all(driven, "to") == names


def test_so_many_of_those_that_are_selected_move(driven: Driven) -> None:
    source = driven.queue()
    driven.queue("to")
    names = fill(driven, 900)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append, most=300, selector=Odd())
    driven.settle()
    assert done[0].count == 300
    assert source.ready_count == 600
    moved = take_all(driven, "to")
    assert moved == names[1::2][:300]
    assert take_all(driven, "q") == [name for name in names if name not in set(moved)]


def test_a_purge_by_selection_leaves_the_rest(driven: Driven) -> None:
    driven.queue()
    names = fill(driven, 900)
    done: list[Sweep] = []
    driven.operations.purge_messages("q", Odd(), done.append)
    driven.settle()
    assert done[0].count == 450
    assert take_all(driven, "q") == names[::2]


def test_a_consumer_at_work_meanwhile_gets_each_message_once(driven: Driven) -> None:
    driven.queue()
    driven.queue("to")
    names = fill(driven, 1_200)
    taker = driven.consume(prefetch=3)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    for _ in range(50):
        driven.turn()
        taker.accept(2)
    driven.settle()
    assert done
    assert sorted(taker.seen + take_all(driven, "to")) == sorted(names)


@pytest.mark.parametrize("turns", range(8))
def test_after_a_crash_each_message_is_in_one_of_the_two_queues(tmp_path: Path, turns: int) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue()
    driven.queue("to")
    names = fill(driven, 1_200)
    driven.operations.move_messages("q", "to", lambda _: None)
    for _ in range(turns // 2):
        driven.turn()
    if turns % 2:
        # In the middle of a batch that is written and not committed.
        driven.broker.end_turn()
        if driven.broker.store.has_work():
            driven.broker.store.stage()
    driven.crash()
    driven.settle()
    assert sorted(take_all(driven, "q") + take_all(driven, "to")) == sorted(names)


def test_when_the_store_cannot_write_the_messages_stay(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    source, target = driven.queue(), driven.queue("to")
    names = fill(driven, 200)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    driven.broker.end_turn()
    store = driven.broker.store
    store.stage()
    store._db.execute("ROLLBACK")  # type: ignore[attr-defined]
    driven.broker.commit_done(StoreError("no space left"))
    assert "no space left" in str(done[0].error)
    driven.settle()
    assert (source.ready_count, target.ready_count) == (200, 0)
    driven.crash()
    assert take_all(driven, "q") == names


def test_when_the_store_cannot_write_and_the_queue_is_gone_the_move_ends(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store.db")
    driven.queue()
    target = driven.queue("to")
    fill(driven, 3)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    driven.operations.delete_queue("q")
    driven.fail()
    assert [(sweep.count, sweep.error is not None) for sweep in done] == [(0, True)]
    driven.settle()
    driven.crash()
    assert "q" not in driven.operations.vhost.queues
    assert driven.operations.find_queue("to").ready_count == target.ready_count


def test_what_only_memory_holds_is_not_doubled_when_the_store_cannot_write(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store.db")
    source, target = driven.queue(), driven.queue("to")
    fill(driven, 2)
    fill(driven, 3, persistent=False)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    driven.fail()
    assert [(sweep.count, sweep.error is not None) for sweep in done] == [(3, True)]
    assert (source.ready_count, target.ready_count) == (2, 3)


def test_all_that_is_asked_for_is_taken_at_once_in_one_commit(driven: Driven) -> None:
    source, target = driven.queue(), driven.queue("to")
    names = fill(driven, 1_300)
    done: list[Sweep] = []
    committed = driven.broker.store.committed
    sweep = driven.operations.replay("q", done.append, to="to", most=1_200)
    assert sweep.run() == 1_200
    assert (source.ready_count, target.ready_count, driven.broker.store.committed) == (100, 1_200, committed)
    driven.settle()
    assert [(each.count, each.error) for each in done] == [(1_200, None)]
    assert take_all(driven, "to") == names[:1_200]


def test_a_full_queue_ends_a_move_and_keeps_the_rest(driven: Driven) -> None:
    source = driven.queue()
    driven.queue("to", x_max_length=10, x_overflow="reject-publish")
    fill(driven, 30)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    driven.settle()
    assert done[0].error is not None
    assert (done[0].count, source.ready_count) == (10, 20)


def test_a_queue_that_is_deleted_meanwhile_ends_a_move(driven: Driven) -> None:
    driven.queue()
    driven.queue("to")
    fill(driven, 1_200)
    done: list[Sweep] = []
    driven.operations.move_messages("q", "to", done.append)
    driven.turn()
    driven.operations.delete_queue("to")
    driven.settle()
    assert done[0].error is not None


def test_a_queue_is_not_moved_to_itself_nor_to_nowhere(driven: Driven) -> None:
    driven.queue()
    with pytest.raises(PreconditionFailed):
        driven.operations.move_messages("q", "q", lambda _: None)
    with pytest.raises(NotFound):
        driven.operations.move_messages("q", "nowhere", lambda _: None)


def test_who_may_not_write_to_a_queue_moves_nothing_there(driven: Driven) -> None:
    from batonmq.broker import Operations, Permission, User

    driven.queue()
    driven.queue("to")
    user = User("reader", frozenset(), {"/": Permission(write="", configure="")})
    with pytest.raises(AccessRefused):
        Operations(driven.operations.vhost, user, object()).move_messages("q", "to", lambda _: None)


# ---------------------------------------------------------------------- replay


def bury(driven: Driven, count: int, *, home: str = "work") -> None:
    """Messages that were rejected in a queue and lie in the queue `dead`."""
    taker = driven.consume(home, prefetch=count)
    for number in range(count):
        headers = {"own": "survives_restart", "x-deduplication-header": str(number)}
        message = Message("", home, Properties.make(delivery_mode=2, headers=headers), b"m%d" % number)
        driven.operations.vhost.router.publish(message, driven.operations.resolve("", home).targets)
    driven.settle()
    for queued in taker.held:
        taker.queue.reject(queued)
    taker.held = []
    taker.leave()
    driven.settle()


def graves(driven: Driven, *homes: str) -> None:
    driven.queue("dead")
    for home in homes:
        driven.queue(home, x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_deduplication_size=1_000)


def test_dead_letters_go_back_to_where_they_came_from_as_they_were(driven: Driven) -> None:
    graves(driven, "work", "other")
    bury(driven, 700)
    bury(driven, 3, home="other")
    done: list[Sweep] = []
    driven.operations.replay_queue("dead", done.append)
    driven.settle()
    assert (done[0].count, done[0].skipped, done[0].error) == (703, 0, None)
    assert len(take_all(driven, "other")) == 3
    taker = driven.consume("work", prefetch=1_000)
    driven.settle()
    assert taker.seen == [f"m{number}" for number in range(700)]
    message = taker.held[0].message
    assert message.properties.headers == {"own": "survives_restart", "x-deduplication-header": "0"}
    assert (message.exchange, message.routing_key, taker.held[0].return_count) == ("", "work", 0)


def test_dead_letters_whose_queue_is_gone_stay_and_are_counted(driven: Driven) -> None:
    graves(driven, "work", "other")
    bury(driven, 5)
    bury(driven, 3, home="other")
    driven.operations.delete_queue("work")
    done: list[Sweep] = []
    driven.operations.replay_queue("dead", done.append)
    driven.settle()
    assert (done[0].count, done[0].skipped) == (3, 5)
    assert driven.operations.find_queue("dead").ready_count == 5


def test_dead_letters_may_go_to_one_queue_some_at_a_time(driven: Driven) -> None:
    graves(driven, "work")
    driven.queue("to")
    bury(driven, 10)
    done: list[Sweep] = []
    driven.operations.replay_queue("dead", done.append, to="to", most=4)
    driven.settle()
    assert done[0].count == 4
    assert take_all(driven, "to") == ["m0", "m1", "m2", "m3"]
    assert len(take_all(driven, "dead")) == 6


def test_what_a_client_wrote_of_deaths_leads_nowhere(driven: Driven) -> None:
    """Else whoever may publish into a queue of dead letters chooses where a replay brings his message."""
    driven.queue("dead")
    secret = driven.queue("secret")
    driven.publish("forged", {"x-death": [{"queue": "secret"}], "x-last-death-queue": "secret"}, queue="dead")
    driven.settle()
    done: list[Sweep] = []
    driven.operations.replay_queue("dead", done.append)
    driven.settle()
    assert [(sweep.count, sweep.skipped, secret.ready_count) for sweep in done] == [(0, 1, 0)]
