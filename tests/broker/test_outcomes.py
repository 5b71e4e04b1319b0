"""Messages that come back uncounted, changed or for others only, and what a rejection says (AMQP 1.0 §3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.support.driven import Taker
from tests.support.timed import Timed

from batonmq.broker.features.annotations import PROPERTIES_MAX
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.queued import QueuedMessage
from batonmq.store import SqliteStore

BODY = bytes(8_000)


def headers_of(queued: QueuedMessage) -> Mapping[str, FieldValue]:
    return queued.message.properties.headers or {}


def fetch(driven: Timed, name: str = "q") -> QueuedMessage:
    queued = driven.operations.find_queue(name).get()
    assert queued is not None
    return queued


def put_back(queued: QueuedMessage) -> None:
    queued.settlement.release([queued], failed=False, counted=False)


def shared_bodies(driven: Timed) -> int:
    store = driven.broker.store
    assert isinstance(store, SqliteStore)
    count = store._db.execute("SELECT count(*) FROM body").get
    assert isinstance(count, int)
    return count


# ---------------------------------------------------------------------- uncounted


def test_what_is_put_back_is_not_new_and_not_counted(driven: Timed) -> None:
    driven.queue()
    driven.publish("m")
    for _ in range(3):
        queued = fetch(driven)
        put_back(queued)
        driven.settle()
    queued = fetch(driven)
    assert (queued.return_count, queued.returns > 0) == (0, True)
    assert driven.operations.find_queue("q").counts().returned == 3


def test_it_does_not_come_nearer_to_the_delivery_limit(driven: Timed) -> None:
    driven.queue(x_delivery_limit=1)
    driven.publish("m")
    for _ in range(5):
        put_back(fetch(driven))
    queued = fetch(driven)
    queued.settlement.release([queued])
    queued = fetch(driven)
    put_back(queued)
    queued = fetch(driven)
    assert (queued.return_count, headers_of(queued)["x-delivery-count"]) == (1, 1)
    queued.settlement.release([queued])
    assert driven.operations.find_queue("q").get() is None


def test_it_waits_for_no_retry(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=1_000)
    driven.publish("m")
    put_back(fetch(driven))
    assert (queue.ready_count, queue.delayed_count) == (1, 0)
    queued = fetch(driven)
    queued.settlement.release([queued])
    assert (queue.ready_count, queue.delayed_count) == (0, 1)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_restart_knows_that_it_is_not_new(stored: Timed, is_killed: bool) -> None:
    stored.queue()
    for body in "ab":
        stored.publish(body)
    stored.settle()
    put_back(fetch(stored))
    stored.settle()
    if is_killed:
        stored.crash()
    else:
        stored.broker.close()
        stored.start()
    queued = fetch(stored)
    assert (queued.message.body, queued.return_count, queued.returns > 0) == (b"a", 0, True)
    queued = fetch(stored)
    assert (queued.message.body, queued.return_count, queued.returns) == (b"b", 0, 0)


def test_a_crash_counts_what_was_put_back_and_is_held_again(stored: Timed) -> None:
    stored.queue()
    stored.publish("m")
    stored.settle()
    put_back(fetch(stored))
    stored.settle()
    fetch(stored)
    stored.settle()
    stored.crash()
    assert fetch(stored).return_count == 1


def test_a_loss_of_power_counts_what_was_put_back_and_is_held_again(stored: Timed) -> None:
    """The mark of its first time was dropped with the other's acceptance, before it was written."""
    queue = stored.queue()
    for body in "ab":
        stored.publish(body)
    stored.settle()
    taker = stored.consume(prefetch=2)
    stored.broker.end_turn()
    first, second = taker.held
    taker.prefetch, taker.held = 1, []
    queue.release([first], failed=False, counted=False)
    queue.accept(second)
    queue.offer(taker)
    stored.settle()
    assert [queued.message.body for queued in taker.held] == [b"a"]
    # The journal beside the store does not outlive the system.
    assert stored.path is not None
    stored.path.with_name("store-hands").unlink()
    stored.crash()
    assert fetch(stored).return_count == 1


def test_a_delay_keeps_what_is_known_of_it(stored: Timed) -> None:
    stored.queue()
    stored.publish("m")
    stored.settle()
    queued = fetch(stored)
    queued.settlement.release([queued], 1_000, failed=False, counted=False)
    stored.settle()
    stored.crash()
    stored.wait(2)
    queued = fetch(stored)
    assert (queued.return_count, queued.returns > 0) == (0, True)


def test_the_deadline_of_the_first_time_does_not_end_the_second(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=10_000)
    driven.publish("m")
    put_back(fetch(driven))
    driven.wait(6)
    queued = fetch(driven)
    driven.wait(6)
    queued.settlement.accept(queued)
    assert driven.operations.find_queue("q").ready_count == 0


# ---------------------------------------------------------------------- changed


def test_what_a_consumer_notes_stays_with_the_message(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m", {"x-opt-a": 1, "b": "kept"})
    queued = fetch(driven)
    assert queue.modify([queued], {"x-opt-a": 2, "x-opt-c": "new"})
    queued = fetch(driven)
    assert (headers_of(queued), queued.return_count) == ({"x-opt-a": 2, "b": "kept", "x-opt-c": "new"}, 0)
    queue.modify([queued], failed=True)
    queued = fetch(driven)
    assert (headers_of(queued)["x-opt-c"], queued.return_count) == ("new", 1)


@pytest.mark.parametrize("is_written", [False, True])
@pytest.mark.parametrize("delay", [0, 1_000])
def test_it_survives_a_restart(stored: Timed, is_written: bool, delay: int) -> None:
    queue = stored.queue(x_retry_delay=delay)
    stored.publish("m", {"x-opt-a": 1})
    if is_written:
        stored.settle()
    queue.modify([fetch(stored)], {"x-opt-a": 2}, failed=True)
    stored.settle()
    stored.crash()
    stored.wait(2)
    queued = fetch(stored)
    assert (headers_of(queued)["x-opt-a"], queued.return_count) == (2, 1)


def test_it_survives_a_batch_that_failed(stored: Timed) -> None:
    queue = stored.queue(x_retry_delay=1_000)
    stored.publish("m", {"x-opt-a": 1})
    stored.settle()
    queue.modify([fetch(stored)], {"x-opt-a": 2}, failed=True)
    stored.fail()
    stored.wait(2)
    stored.settle()
    stored.crash()
    queued = fetch(stored)
    assert (headers_of(queued)["x-opt-a"], queued.return_count) == (2, 1)


def test_the_count_is_not_kept_as_a_header(stored: Timed) -> None:
    queue = stored.queue(x_delivery_limit=5)
    stored.publish("m")
    stored.settle()
    queued = fetch(stored)
    queue.release([queued])
    queue.modify([fetch(stored)], {"x-opt-a": 1})
    stored.settle()
    assert isinstance(stored.broker.store, SqliteStore)
    raw = stored.broker.store._db.execute("SELECT properties FROM message").get
    assert isinstance(raw, bytes)
    assert b"x-opt-a" in raw
    assert b"x-delivery-count" not in raw


def test_nobody_writes_the_record_of_deaths(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m")
    forged: dict[str, FieldValue] = {"x-death": [], "x-first-death-queue": "a", "x-reject-reason": "b", "x-opt-a": 1}
    queue.modify([fetch(driven)], forged)
    assert headers_of(fetch(driven)) == {"x-opt-a": 1}


def test_notes_do_not_grow_for_ever(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m")
    queued = fetch(driven)
    queue.modify([queued], {"x-opt-a": "a" * (PROPERTIES_MAX // 2)})
    queued = fetch(driven)
    with pytest.raises(PreconditionFailed, match="headers of a message"):
        queue.modify([queued], {"x-opt-b": "b" * (PROPERTIES_MAX // 2)})
    # It is held as before.
    assert queue.unsettled == 1
    queue.accept(queued)
    assert queue.counts().accepted == 1


def test_a_group_that_a_consumer_names_counts_from_then_on(driven: Timed) -> None:
    queue = driven.queue()
    for body in "ab":
        driven.publish(body)
    first, second = fetch(driven), fetch(driven)
    queue.modify([first, second], {"x-group": "g"})
    one, other = consume(driven, "one"), consume(driven, "other")
    driven.settle()
    assert (one.seen, other.seen) == (["a"], [])


def test_a_body_that_queues_share_goes_with_its_last_message(stored: Timed) -> None:
    for name in ("q", "other"):
        stored.queue(name)
    message = Message("", "q", stored.message("m").properties, BODY)
    queues = [stored.operations.find_queue(name) for name in ("q", "other")]
    stored.operations.vhost.router.publish(message, [*queues])
    stored.settle()
    assert shared_bodies(stored) == 1
    queues[0].modify([fetch(stored)], {"x-opt-a": 1})
    stored.settle()
    queues[0].reject(fetch(stored), "no")
    stored.settle()
    other = fetch(stored, "other")
    assert other.message.body == BODY
    queues[1].accept(other)
    stored.settle()
    assert shared_bodies(stored) == 0


# ---------------------------------------------------------------------- for others only


def consume(driven: Timed, tag: str, prefetch: int = 1) -> Taker:
    taker = driven.taker("q", prefetch, tag)
    driven.operations.subscribe(taker.queue, taker)
    return taker


def refuse(taker: Taker, *, failed: bool = False) -> None:
    """All that it holds cannot be delivered to it."""
    back, taker.held = taker.held, []
    taker.queue.offer(taker)
    taker.queue.modify(back, failed=failed, elsewhere=True)


def test_it_goes_to_somebody_else(driven: Timed) -> None:
    driven.queue()
    driven.publish("m")
    one = consume(driven, "one")
    driven.settle()
    refuse(one)
    driven.settle()
    assert (one.seen, one.held) == (["m"], [])
    other = consume(driven, "other")
    driven.settle()
    assert other.seen == ["m"]
    assert other.held[0].return_count == 0


def test_it_stays_away_whoever_had_it_meanwhile(driven: Timed) -> None:
    driven.queue()
    driven.publish("m")
    one = consume(driven, "one")
    driven.settle()
    refuse(one, failed=True)
    other = consume(driven, "other")
    driven.settle()
    other.leave()
    driven.settle()
    assert one.seen == ["m"]
    queued = fetch(driven)
    assert queued.return_count == 2


def test_others_pass_it_by(driven: Timed) -> None:
    driven.queue()
    for body in "abc":
        driven.publish(body)
    one = consume(driven, "one")
    driven.settle()
    refuse(one)
    driven.settle()
    assert one.seen == ["a", "b"]
    one.accept()
    driven.settle()
    assert one.seen == ["a", "b", "c"]


def test_whoever_comes_again_is_somebody_else(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m")
    one = consume(driven, "one")
    driven.settle()
    refuse(one)
    assert queue.featured
    one.leave()
    again = consume(driven, "one")
    driven.settle()
    assert again.seen == ["m"]
    # And the queue takes the quick way again.
    assert not queue.featured


def test_whoever_fetches_is_nobody_in_particular(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m")
    queue.modify([fetch(driven)], elsewhere=True)
    assert fetch(driven).message.body == b"m"
    assert not queue.featured


def test_with_dead_letters_it_dies(driven: Timed) -> None:
    driven.queue("dead")
    queue = driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m")
    assert not queue.modify([fetch(driven)], {"x-opt-a": 1}, elsewhere=True)
    driven.settle()
    dead = headers_of(fetch(driven, "dead"))
    assert (dead["x-reject-reason"], dead["x-last-death-reason"], dead["x-opt-a"]) == (
        "undeliverable here",
        "rejected",
        1,
    )
    assert (queue.unsettled, queue.counts().rejected, queue.counts().accepted) == (0, 1, 0)


def test_what_is_noted_of_settled_messages_is_forgotten(driven: Timed) -> None:
    queue = driven.queue()
    one, other = consume(driven, "one"), consume(driven, "other", prefetch=50)
    for number in range(60):
        for each in range(50):
            driven.publish(f"{number}.{each}")
        one.prefetch = 50
        queue.offer(one)
        driven.settle()
        refuse(one)
        driven.settle()
        other.accept(50)
        one.accept(50)
        driven.settle()
    assert queue.selection is not None
    assert len(queue.selection._refusals._refused) < 1_200


def test_a_queue_that_is_gone_has_nothing_modified(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("m")
    one = consume(driven, "one")
    driven.settle()
    driven.operations.delete_queue("q")
    queue.modify(one.held, {"x-opt-a": 1}, failed=True, elsewhere=True)
    driven.settle()
    assert queue.unsettled == 0


def test_what_was_taken_back_is_not_modified(driven: Timed) -> None:
    driven.queue(x_consumer_timeout=10_000)
    driven.publish("m")
    queued = fetch(driven)
    driven.wait(11)
    queued.settlement.modify([queued], {"x-opt-a": 1}, failed=True)
    again = fetch(driven)
    assert (again.return_count, headers_of(again)) == (1, {})


# ---------------------------------------------------------------------- rejected


def test_a_dead_letter_tells_why_it_was_rejected(driven: Timed) -> None:
    driven.queue("dead", x_dead_letter_exchange="", x_dead_letter_routing_key="q")
    driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m")
    queued = fetch(driven)
    queued.settlement.reject(queued, "no such customer", "app:invalid")
    driven.settle()
    queued = fetch(driven, "dead")
    headers = headers_of(queued)
    assert (headers["x-reject-reason"], headers["x-reject-condition"]) == ("no such customer", "app:invalid")
    # The next one says something else.
    queued.settlement.reject(queued, "too late")
    driven.settle()
    headers = headers_of(fetch(driven))
    assert (headers["x-reject-reason"], headers.get("x-reject-condition")) == ("too late", None)


def test_a_condition_alone_is_the_reason_as_well(driven: Timed) -> None:
    driven.queue("dead")
    driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    driven.publish("m")
    queued = fetch(driven)
    queued.settlement.reject(queued, condition="app:invalid")
    driven.settle()
    headers = headers_of(fetch(driven, "dead"))
    assert (headers["x-reject-reason"], headers["x-reject-condition"]) == ("app:invalid", "app:invalid")
