"""Wrong arguments raise an error that names the argument and its range, before anything is sent, in every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import batonmq
from batonmq.testing.contract.hands import has_ready, is_not_there, needs, take
from batonmq.testing.contract.place import Place

LONG = "ü" * 128
# Type hints do not keep a program from using the API wrongly.
Call = Callable[[Any, str], object]


NO_NAMES: tuple[tuple[object, type[Exception], str], ...] = (
    (LONG, ValueError, "has at most 255 bytes in UTF-8, not 256"),
    ("", ValueError, "is empty"),
    ("\udcff", ValueError, "is not Unicode text"),
    (b"orders", TypeError, "is a str, not bytes"),
)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda mq, q: mq.declare(q, ttl="x"), TypeError, "ttl is a number of seconds, not str: 'x'"),
        (lambda mq, q: mq.declare(q, ttl=-1), ValueError, "ttl is 0 seconds to 100 years: -1"),
        (lambda mq, q: mq.declare(q, expires=True), TypeError, "expires is a number of seconds, not bool"),
        (lambda mq, q: mq.declare(q, max_length=-1), ValueError, "max_length is 0 or more: -1"),
        (lambda mq, q: mq.declare(q, max_length="9"), TypeError, "max_length is a whole number, not str: '9'"),
        (lambda mq, q: mq.declare(q, max_bytes=2**63), ValueError, "max_bytes is 0 to"),
        (lambda mq, q: mq.declare(q, max_bytes=1.5), TypeError, "max_bytes is a whole number, not float"),
        (lambda mq, q: mq.declare(q, max_deliveries=0), ValueError, "max_deliveries is 1 or more"),
        (lambda mq, q: mq.declare(q, max_priority=256), ValueError, "max_priority is 0 to 255"),
        (lambda mq, q: mq.declare(q, overflow="x"), ValueError, "overflow is 'drop-oldest' or 'refuse'"),
        (lambda mq, q: mq.declare(q, durable="no"), TypeError, "durable is True or False, not str"),
        (lambda mq, q: mq.declare(q, single_consumer=1), TypeError, "single_consumer is True or False"),
        (lambda mq, q: mq.declare(q, dead_letter=7), TypeError, "dead_letter is a str, not int"),
        (lambda mq, q: mq.declare(q, dead_letter=""), ValueError, "dead_letter is empty"),
        (lambda mq, q: mq.declare(q, dead_letter=q), ValueError, "cannot take its own dead letters"),
        (lambda mq, q: mq.send(q, "text"), TypeError, "a body is bytes"),
        (lambda mq, q: mq.send(q, b"", ttl="x"), TypeError, "ttl is a number of seconds"),
        (lambda mq, q: mq.send(q, b"", delay=None), TypeError, "delay is a number of seconds, not None"),
        (lambda mq, q: mq.send(q, b"", priority="high"), TypeError, "priority is a whole number"),
        (lambda mq, q: mq.send(q, b"", priority=256), ValueError, "priority is 0 to 255"),
        (lambda mq, q: mq.send(q, b"", id=5), TypeError, "id is a str, not int: 5"),
        (lambda mq, q: mq.send(q, b"", type=LONG), ValueError, "type has at most 255 bytes in UTF-8, not 256"),
        (lambda mq, q: mq.send(q, b"", reply_to="\udcff"), ValueError, "reply_to is not Unicode text"),
        (lambda mq, q: mq.send(q, b"", headers=[1]), TypeError, "headers is a mapping"),
        (lambda mq, q: mq.send(q, b"", headers={"a": 2**64}), ValueError, "out of the range"),
        (lambda mq, q: mq.send(q, b"", created_at=1.0), TypeError, "created_at is a datetime"),
        (lambda mq, q: mq.send(q, b"", group=1), TypeError, "group is a str"),
        (lambda mq, q: mq.send(q, b"", durable=0), TypeError, "durable is True or False"),
        (lambda mq, q: mq.send_json(q, object()), TypeError, "a body cannot hold a value of type object"),
        (lambda mq, q: mq.peek(q, 0), ValueError, "max is 1 or more"),
        (lambda mq, q: mq.replay(q, "other", max="all"), TypeError, "max is a whole number"),
        (lambda mq, q: mq.request(q, b"", timeout="5"), TypeError, "timeout is a number of seconds"),
        (lambda mq, q: mq.receiver(q, prefetch="1"), TypeError, "prefetch is a whole number"),
        (lambda mq, q: mq.receiver(q, wait="1"), TypeError, "wait is a number of seconds"),
        (lambda mq, q: mq.receiver(q).receive(max=0), ValueError, "max is 1 or more"),
        (lambda mq, q: mq.receiver(q).receive(wait=-1), ValueError, "wait is 0 seconds"),
        (lambda mq, q: mq.run(q, print, attempts=0), ValueError, "attempts is 1 or more"),
        (lambda mq, q: mq.run(q, print, backoff="1"), TypeError, "backoff is a number of seconds"),
        (lambda mq, q: mq.run(q, print, concurrency=1.5), TypeError, "concurrency is a whole number"),
        (lambda mq, q: mq.run(q, "print"), TypeError, "a handler is a function, not str"),
    ],
)
def test_an_error_names_the_argument_and_what_it_takes(
    place: Place, mq: batonmq.Connection, call: Call, error: type[Exception], text: str
) -> None:
    queue = place.queue()
    with pytest.raises(error) as raised:
        call(mq, queue)
    assert text in str(raised.value)
    is_not_there(mq, queue)


@pytest.mark.parametrize(
    "call",
    [
        lambda mq, name: mq.declare(name),
        lambda mq, name: mq.delete(name),
        lambda mq, name: mq.send(name, b""),
        lambda mq, name: mq.send_many(name, [b""]),
        lambda mq, name: mq.count(name),
        lambda mq, name: mq.peek(name),
        lambda mq, name: mq.purge(name),
        lambda mq, name: mq.replay(name, "q"),
        lambda mq, name: mq.request(name, b""),
        lambda mq, name: mq.receiver(name),
        lambda mq, name: mq.run(name, print),
    ],
)
def test_a_queue_has_a_name_of_1_to_255_bytes(mq: batonmq.Connection, call: Call) -> None:
    nothing: tuple[object, type[Exception], str] = (None, TypeError, "is a str, not None")
    for name, error, text in (*NO_NAMES, nothing):
        with pytest.raises(error, match=text):
            call(mq, name)  # type: ignore[arg-type]


def test_a_target_has_a_name_of_1_to_255_bytes(mq: batonmq.Connection) -> None:
    # None is valid: dead letters then go to where they died.
    for name, error, text in NO_NAMES:
        with pytest.raises(error, match=text):
            mq.replay("q", name)  # type: ignore[arg-type]


def test_a_task_as_handler_of_threads_is_refused(mq: batonmq.Connection, queue: str) -> None:
    async def handle(_: object) -> None: ...

    mq.send(queue, b"order")
    with pytest.raises(TypeError, match="async def"):
        mq.run(queue, handle)
    has_ready(mq, queue, 1)


def test_a_reason_is_text(mq: batonmq.Connection, queue: str) -> None:
    mq.send(queue, b"order")
    with mq.receiver(queue) as receiver:
        (held,) = take(receiver, 1)
        with pytest.raises(TypeError, match="reason is a str, not int"):
            held.reject(reason=1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="delay is a number of seconds"):
            held.release(delay="1")  # type: ignore[arg-type]
        held.accept()


def test_a_queue_that_is_there_otherwise_is_told_in_the_words_of_the_api(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "max_length")
    queue = place.queue()
    mq.declare(queue, max_length=3)
    with pytest.raises(batonmq.PreconditionFailed) as raised:
        mq.declare(queue, max_length=4)
    assert (
        str(raised.value) == f"queue '{queue}' is there, declared otherwise: max_length is 3 there, and 4 was asked for"
    )


def test_a_declaration_that_fails_leaves_nothing_behind(place: Place, mq: batonmq.Connection) -> None:
    needs(mq, "dead_letter")
    queue, dead = place.queue(), place.queue()
    mq.declare(queue)
    with pytest.raises(batonmq.PreconditionFailed):
        mq.declare(queue, dead_letter=dead)
    is_not_there(mq, dead)
