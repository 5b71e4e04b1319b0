"""Delayed messages are listed by their time, cancelled, and delivered before it: whatever the disk and the store do."""

from __future__ import annotations

import pytest
from tests.support.asking import ask, limited, listed
from tests.support.timed import Holder, Timed

from batonmq.broker.features.due_heap import HEAP_MESSAGES
from batonmq.errors import AccessRefused, NotFound, ResourceError

CRON = {"AMQ_SCHEDULED_CRON": "0 0 1 1 *"}


def ids(driven: Timed, operation: str = "queues.delayed") -> dict[str, str]:
    """The ids by the bodies, in the order of the list."""
    found = listed(ask(driven, operation, queue="q", count=1000), "messages")
    return {str(message["body"]): str(message["id"]) for message in found}


def test_a_list_is_in_the_order_of_the_times_and_tells_why_each_waits(driven: Timed) -> None:
    queue = driven.queue(x_retry_delay=90_000)
    driven.publish("retried")
    holder = Holder(driven)
    holder.settle("release")
    driven.publish("last", {"x-delay": 120_000})
    driven.publish("first", {"x-delay": 60_000})
    driven.publish("yearly", CRON)
    driven.settle()
    answer = ask(driven, "queues.delayed", queue="q")
    found = listed(answer, "messages")
    assert [(shown["body"], shown["why"], shown["deliveries"]) for shown in found] == [
        ("first", "delay", 0),
        ("retried", "retry", 1),
        ("last", "delay", 0),
        ("yearly", "schedule", 0),
    ]
    assert found[0]["due_at"] == driven.broker.scheduler.now() + 60_000
    assert found[3]["schedule"]["cron"] == "0 0 1 1 *"
    assert (answer["total"], answer["next"], queue.delayed_count) == (4, None, 4)
    assert list(ids(driven, "queues.schedules")) == ["yearly"]


def test_a_long_list_is_read_in_pages_from_memory_and_the_store(stored: Timed) -> None:
    stored.queue()
    count = HEAP_MESSAGES + 500
    for number in range(count):
        stored.publish(f"m{number}", {"x-delay": 60_000 + number})
    stored.settle()
    seen: list[str] = []
    after: object = None
    for _ in range(count):
        fields = {} if after is None else {"after": after}
        answer = ask(stored, "queues.delayed", queue="q", count=700, **fields)
        seen += [str(shown["body"]) for shown in listed(answer, "messages")]
        after = answer["next"]
        if after is None:
            break
    assert seen == [f"m{number}" for number in range(count)]


@pytest.mark.parametrize("after", ["", "7", "x-y", "1-2-3", "1-", "9" * 30 + "-1", 7])
def test_a_place_that_no_answer_gave_is_refused(driven: Timed, after: object) -> None:
    driven.queue()
    assert ask(driven, "queues.delayed", queue="q", after=after)["ok"] is False


def test_a_cancelled_message_never_comes(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("gone", {"x-delay": 1_000})
    driven.publish("comes", {"x-delay": 1_000})
    driven.settle()
    assert ask(driven, "queues.cancel", queue="q", id=ids(driven)["gone"]) == {"ok": True}
    assert queue.delayed_count == 1
    driven.wait(2)
    assert driven.bodies() == ["comes"]
    assert queue.delayed_bytes == 0


def test_what_is_cancelled_or_delivered_is_so_after_a_crash_and_ids_stay(stored: Timed) -> None:
    stored.queue()
    for body in ("cancelled", "delivered", "waits"):
        stored.publish(body, {"x-delay": 60_000})
    stored.settle()
    known = ids(stored)
    ask(stored, "queues.cancel", queue="q", id=known["cancelled"])
    ask(stored, "queues.deliver", queue="q", id=known["delivered"])
    stored.crash()
    assert ids(stored) == {"waits": known["waits"]}
    assert stored.bodies() == ["delivered"]


def test_an_id_never_comes_to_mean_another_message(stored: Timed) -> None:
    stored.queue()
    stored.publish("old", {"x-delay": 60_000})
    stored.settle()
    (old,) = ids(stored).values()
    ask(stored, "queues.cancel", queue="q", id=old)
    stored.clock.now += 0.001
    stored.crash()
    stored.publish("new", {"x-delay": 60_000})
    stored.settle()
    assert ask(stored, "queues.cancel", queue="q", id=old)["ok"] is False
    assert list(ids(stored)) == ["new"]


def test_one_that_is_only_in_the_store_is_found_there(stored: Timed) -> None:
    queue = stored.queue()
    for number in range(HEAP_MESSAGES + 10):
        stored.publish(f"m{number}", {"x-delay": 60_000 + number})
    stored.settle()
    last = ask(stored, "queues.delayed", queue="q", count=1000, after=f"{stored.broker.scheduler.now() + 62_050}-0")
    known = {shown["body"]: shown["id"] for shown in listed(last, "messages")}
    stored.slow_commits = True
    stored.publish("busy")
    stored.turn()
    assert stored.broker.store.busy
    assert ask(stored, "queues.deliver", queue="q", id=known["m2055"]) == {"ok": True}
    assert ask(stored, "queues.cancel", queue="q", id=known["m2056"]) == {"ok": True}
    stored.slow_commits = False
    assert queue.delayed_count == HEAP_MESSAGES + 8
    assert stored.bodies() == ["busy", "m2055"]
    stored.wait(70)
    assert sorted(stored.bodies()) == sorted(["busy", *(f"m{n}" for n in range(HEAP_MESSAGES + 10) if n != 2056)])


def test_a_repeated_message_is_delivered_as_a_copy_and_goes_on(driven: Timed) -> None:
    queue = driven.queue()
    driven.publish("again", {"AMQ_SCHEDULED_PERIOD": 60_000, "AMQ_SCHEDULED_REPEAT": 1})
    driven.settle()
    (known,) = ids(driven).values()
    assert ask(driven, "queues.deliver", queue="q", id=known) == {"ok": True}
    assert driven.bodies() == ["again"]
    driven.wait(60)
    driven.wait(60)
    assert driven.bodies() == ["again", "again", "again"]
    assert queue.delayed_count == 0


def test_a_full_queue_takes_no_copy(driven: Timed) -> None:
    queue = driven.queue(x_max_length=1, x_overflow="reject-publish")
    driven.publish("again", CRON)
    driven.publish("fills")
    driven.settle()
    assert queue.delays is not None
    waiting = queue.delays.listed((0, 0), 10) or []
    with pytest.raises(ResourceError, match="queue 'q' is full"):
        driven.operations.deliver_delayed("q", waiting[0].number)
    assert (queue.ready_count, queue.delayed_count) == (1, 1)


def test_a_retry_goes_to_its_old_place(driven: Timed) -> None:
    driven.queue(x_retry_delay=60_000)
    driven.publish("first")
    driven.publish("second")
    holder = Holder(driven, 2)
    holder.queue.unsubscribe(holder)
    holder.prefetch = 0
    holder.settle("release")
    holder.settle("release")
    driven.settle()
    known = ids(driven)
    assert list(known) == ["first", "second"]
    for body in ("second", "first"):
        ask(driven, "queues.deliver", queue="q", id=known[body])
    assert driven.bodies() == ["first", "second"]


@pytest.mark.parametrize("number", [0, 1, 1 << 44])
def test_what_does_not_wait_is_not_found(driven: Timed, number: int) -> None:
    driven.queue()
    with pytest.raises(NotFound, match=f"no delayed message '{number}' in queue 'q'$"):
        driven.operations.cancel_delayed("q", number)
    driven.publish("other", {"x-delay": 1_000})
    with pytest.raises(NotFound):
        driven.operations.deliver_delayed("q", number)


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "9" * 40, "", "²"])
def test_what_is_no_id_is_not_found(driven: Timed, text: str) -> None:
    driven.queue()
    found = ask(driven, "queues.cancel", queue="q", id=text)
    assert found["ok"] is False
    assert "no delayed message" in str(found["error"])


def test_a_disk_that_fails_is_told_and_nothing_is_doubled(stored: Timed) -> None:
    stored.queue()
    stored.publish("once", {"x-delay": 60_000})
    stored.settle()
    (known,) = ids(stored).values()
    assert stored.operations.deliver_delayed("q", int(known))
    stored.fail()
    stored.attempt()
    stored.settle()
    stored.crash()
    assert stored.bodies() == ["once"]


def test_without_the_right_to_write_nothing_is_cancelled(driven: Timed) -> None:
    driven.queue()
    driven.publish("safe", {"x-delay": 60_000})
    driven.settle()
    (known,) = ids(driven).values()
    with pytest.raises(AccessRefused):
        limited(driven, read=".*", write="^$").cancel_delayed("q", int(known))
    assert list(ids(driven)) == ["safe"]
