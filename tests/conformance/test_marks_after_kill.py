"""A message that was seen comes again marked after kill -9, by whichever way it had come into its queue just before."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conformance.conftest import Again
from tests.support.management import MANAGEMENT
from tests.support.wire import Channel

pytestmark = pytest.mark.parametrize("again", ["kill"], indirect=True)

# The broker's work of a moment, after which the message is in `q`.
Cause = Callable[[Channel], None]


def send(ch: Channel, queue: str = "q", **fields: object) -> None:
    ch.publish(queue, b"m", delivery_mode=2, **fields)  # type: ignore[arg-type]


def confirmed(ch: Channel, queue: str, **fields: object) -> None:
    ch.select()
    send(ch, queue, **fields)
    ch.confirmed()


def ask(ch: Channel, **fields: object) -> None:
    """A request to the broker, whose answer nobody waits for."""
    ch.publish("", json.dumps(fields).encode(), exchange=MANAGEMENT)


def delayed(ch: Channel) -> None:
    confirmed(ch, "q", headers={"x-delay": 200})


def scheduled(ch: Channel) -> None:
    confirmed(ch, "q", headers={"AMQ_SCHEDULED_DELAY": 200, "AMQ_SCHEDULED_PERIOD": 600_000, "AMQ_SCHEDULED_REPEAT": 1})


def expired(ch: Channel) -> None:
    confirmed(ch, "dying", expiration="200")


def rejected(ch: Channel) -> None:
    confirmed(ch, "dying")
    ch.reject(ch.get_one("dying").tag, requeue=False)


def given_up(ch: Channel) -> None:
    confirmed(ch, "limited")
    ch.reject(ch.get_one("limited").tag, requeue=True)


def pushed_out(ch: Channel) -> None:
    confirmed(ch, "short")
    ch.publish("short", b"other", delivery_mode=2)


def died_twice(ch: Channel) -> None:
    """From queue to queue within one turn: what dies the second time is not in the store yet."""
    confirmed(ch, "twice")
    ch.reject(ch.get_one("twice").tag, requeue=False)


def refused_to_the_dead(ch: Channel) -> None:
    confirmed(ch, "to-full")
    ch.reject(ch.get_one("to-full").tag, requeue=False)


def moved(ch: Channel) -> None:
    confirmed(ch, "other")
    ask(ch, operation="queues.move", queue="other", to="q")


def replayed(ch: Channel) -> None:
    confirmed(ch, "other")
    ask(ch, operation="queues.replay", queue="other", to="q")


def declare(ch: Channel) -> None:
    to_q = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"}
    ch.queue("q", durable=True)
    ch.queue("other", durable=True)
    ch.queue("dying", to_q, durable=True)  # type: ignore[arg-type]
    ch.queue("limited", {"x-delivery-limit": 0, **to_q}, durable=True)
    ch.queue("short", {"x-max-length": 1, **to_q}, durable=True)
    ch.queue("none", {"x-message-ttl": 0, **to_q}, durable=True)
    ch.queue("twice", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "none"}, durable=True)
    ch.queue("full", {"x-max-length": 0, "x-overflow": "reject-publish-dlx", **to_q}, durable=True)
    ch.queue("to-full", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "full"}, durable=True)


CAUSES = [delayed, scheduled, expired, rejected, given_up, pushed_out, died_twice, refused_to_the_dead, moved, replayed]


@pytest.mark.parametrize("cause", CAUSES)
def test_it_comes_again_marked(first: Channel, enter: Again, again: Again, cause: Cause) -> None:
    declare(first)
    consumer = enter()
    consumer.consume("q")
    cause(first)
    seen = consumer.message()
    assert not seen.redelivered
    ch = again()
    ch.consume("q")
    assert ch.message().redelivered
    # The broker has brought it there once, not once more from where it was.
    assert ch.quiet(0)


@pytest.mark.parametrize("no_ack", [False, True])
def test_so_does_what_was_fetched(first: Channel, again: Again, no_ack: bool) -> None:
    declare(first)
    confirmed(first, "dying")
    first.reject(first.get_one("dying").tag, requeue=False)
    first.get_one("q", no_ack=no_ack)
    ch = again()
    found = ch.get("q")
    assert found is None if no_ack else found is not None and found.redelivered


@pytest.mark.parametrize("with_priorities", [False, True])
def test_what_nobody_acknowledges_comes_again_marked_if_it_does(
    first: Channel, enter: Again, again: Again, with_priorities: bool
) -> None:
    first.queue("q", {"x-max-priority": 3} if with_priorities else {}, durable=True)
    confirmed(first, "q")
    consumer = enter()
    consumer.consume("q", no_ack=True)
    consumer.message()
    found = again().get("q")
    assert found is None or found.redelivered


def test_a_message_that_waited_to_be_tried_again_is_counted_on(first: Channel, enter: Again, again: Again) -> None:
    first.queue("q", {"x-retry-delay": 200, "x-delivery-limit": 9}, durable=True)
    consumer = enter()
    consumer.consume("q")
    confirmed(first, "q")
    consumer.reject(consumer.message().tag, requeue=True)
    assert consumer.message().headers["x-delivery-count"] == 1
    ch = again()
    ch.consume("q")
    assert ch.message().headers["x-delivery-count"] == 2
