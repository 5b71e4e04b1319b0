"""What a queue counts: each message that comes, goes, comes back or is dropped, once."""

from __future__ import annotations

from dataclasses import asdict

from tests.support.driven import Driven

from batonmq.broker.model.counters import Counters
from batonmq.message import Message
from batonmq.properties import Properties


def counted(driven: Driven, name: str = "q") -> dict[str, int]:
    """What is not 0."""
    return {name: count for name, count in asdict(driven.operations.find_queue(name).counts()).items() if count}


def test_a_message_that_is_accepted(driven: Driven) -> None:
    driven.queue(durable=True)
    taker = driven.consume(prefetch=10)
    for number in range(5):
        driven.publish(str(number))
    driven.turn()
    assert counted(driven) == {"enqueued": 5, "delivered": 5}
    taker.accept(3)
    assert counted(driven) == {"enqueued": 5, "delivered": 5, "accepted": 3}


def test_runs_of_messages_are_counted_as_single_ones_are(driven: Driven) -> None:
    queue = driven.queue()
    queue.publish_all([Message("", "q", Properties.make(), b"") for _ in range(7)])
    driven.consume(prefetch=10, no_ack=True)
    driven.turn()
    assert counted(driven) == {"enqueued": 7, "delivered": 7, "delivered_no_ack": 7, "accepted": 7}


def test_a_message_that_comes_back(driven: Driven) -> None:
    driven.queue()
    taker = driven.consume(prefetch=1)
    driven.publish("m")
    driven.turn()
    taker.release()
    driven.turn()
    assert counted(driven) == {"enqueued": 1, "delivered": 2, "redelivered": 1, "returned": 1}
    taker.accept()
    assert counted(driven)["accepted"] == 1


def test_messages_that_are_not_wanted(driven: Driven) -> None:
    driven.queue("dead")
    queue = driven.queue(x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_delivery_limit=0)
    for number in range(2):
        driven.publish(str(number))
    first, second = queue.get(), queue.get()
    assert first is not None
    assert second is not None
    queue.reject(first, "no")
    queue.release([second])
    driven.turn()
    assert counted(driven) == {
        "enqueued": 2,
        "delivered": 2,
        "fetched": 2,
        "returned": 1,
        "rejected": 1,
        "given_up": 1,
        "dead_lettered": 2,
    }
    assert counted(driven, "dead") == {"enqueued": 2}


def test_limits_and_time(driven: Driven) -> None:
    driven.queue(x_max_length=1, x_message_ttl=1_000)
    driven.queue("full", x_max_length=1, x_overflow="reject-publish")
    for name in ("q", "full"):
        driven.publish("1", queue=name)
        driven.publish("2", queue=name)
    driven.wait(2)
    assert counted(driven) == {"enqueued": 2, "dropped": 1, "expired": 1}
    assert counted(driven, "full") == {"enqueued": 1, "refused": 1}


def test_purges_and_the_end_of_a_queue(driven: Driven) -> None:
    queue = driven.queue()
    for number in range(3):
        driven.publish(str(number))
    queue.purge()
    driven.publish("last")
    assert counted(driven) == {"enqueued": 4, "purged": 3}
    driven.operations.delete_queue("q")
    assert asdict(queue.counts()) == asdict(Counters(enqueued=4, purged=4))


def test_a_virtual_host_counts_what_its_deleted_queues_had(driven: Driven) -> None:
    driven.queue()
    driven.queue("other")
    driven.publish("m")
    driven.publish("n", queue="other")
    driven.operations.delete_queue("q")
    assert asdict(driven.operations.vhost.of_deleted) == asdict(Counters(enqueued=1, purged=1))


class Everything:
    def matches(self, message: Message) -> bool:
        return True


def test_a_purge_by_selection_counts_as_any_other(driven: Driven) -> None:
    driven.queue()
    for number in range(3):
        driven.publish(str(number))
    driven.operations.purge_messages("q", Everything(), lambda _: None)
    driven.settle()
    assert counted(driven) == {"enqueued": 3, "purged": 3}


def test_what_is_refused_and_goes_to_the_dead_letters_counts_as_both(driven: Driven) -> None:
    driven.queue("dead")
    driven.queue(
        x_max_length=1,
        x_overflow="reject-publish-dlx",
        x_dead_letter_exchange="",
        x_dead_letter_routing_key="dead",
    )
    driven.publish("1")
    driven.publish("2")
    assert counted(driven) == {"enqueued": 1, "refused": 1, "dead_lettered": 1}


def test_what_comes_back_after_a_purge_is_no_other_message(driven: Driven) -> None:
    queue = driven.queue(x_retry_delay=1_000)
    for number in range(300):
        driven.publish(str(number), size=1_000)
    driven.settle()
    queued = queue.get()
    assert queued is not None
    queue.release([queued])
    driven.settle()
    assert queue.purge() == 299
    driven.wait(2)
    assert queue.ready_count == 1
    assert counted(driven)["enqueued"] == 300
