"""RabbitMQ's x-expires: a queue that nobody uses is deleted."""

from __future__ import annotations

import time

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.waiting import in_time
from tests.support.wire import WAIT, Channel, ChannelClosed, Wire, channel_error


def lives(wire: Wire, queue: str) -> bool:
    """Looks at the queue by deleting it under a condition that fails: a passive declaration would be use."""
    ch = wire.channel(77)
    try:
        ch.delete(queue, if_empty=True)
    except ChannelClosed as closed:
        if closed.code != 406:
            raise
        return True
    ch.close()
    return False


def await_gone(wire: Wire, queue: str) -> None:
    deadline = time.monotonic() + WAIT
    while lives(wire, queue):
        assert time.monotonic() < deadline, f"{queue} is still there"
        time.sleep(0.02)


def unused(ch: Channel, name: str, milliseconds: int) -> None:
    ch.queue(name, {"x-expires": milliseconds})
    ch.publish(name)
    ch.barrier()


def test_an_unused_queue_is_deleted(ch: Channel, name: str) -> None:
    def deleted(milliseconds: int) -> None:
        queue = f"{name}-{milliseconds}"
        unused(ch, queue, milliseconds)
        assert lives(ch.wire, queue)
        await_gone(ch.wire, queue)

    in_time(deleted, 300, 3_000)
    with channel_error(404):
        ch.queue(f"{name}-300", passive=True)


@pytest.mark.parametrize("use", ["declare", "passive", "get"])
def test_use_begins_the_time_anew(connect: Connect, name: str, use: str) -> None:
    def kept(milliseconds: int) -> None:
        wire = connect()
        ch, queue = wire.channel(), f"{name}-{milliseconds}"
        unused(ch, queue, milliseconds)
        until = time.monotonic() + 2 * milliseconds / 1_000
        while time.monotonic() < until:
            if use == "declare":
                ch.queue(queue, {"x-expires": milliseconds})
            elif use == "passive":
                ch.queue(queue, passive=True)
            else:
                ch.nack(ch.get_one(queue).tag)
            time.sleep(0.05)
        assert lives(wire, queue)
        await_gone(wire, queue)

    in_time(kept, 400, 4_000)


def test_a_consumer_keeps_the_queue(connect: Connect, name: str) -> None:
    def kept(milliseconds: int) -> None:
        wire = connect()
        ch, queue = wire.channel(), f"{name}-{milliseconds}"
        unused(ch, queue, milliseconds)
        tag = ch.consume(queue)
        time.sleep(3 * milliseconds / 1_000)
        ch.cancel(tag)
        ch.queue(queue, passive=True)
        ch.close()
        await_gone(wire, queue)

    in_time(kept, 100, 3_000)


def test_publishing_is_no_use(ch: Channel, name: str) -> None:
    unused(ch, name, 200)
    for _ in range(15):
        ch.publish(name)
        time.sleep(0.02)
    await_gone(ch.wire, name)


def test_a_durable_queue_is_deleted_too(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-expires": 50}, durable=True)
    ch.publish(name)
    await_gone(ch.wire, name)


@pytest.mark.parametrize(
    ("value", "reason"), [(0, "{value_zero,0}"), (-1, "{value_negative,-1}"), ("60", '"expected integer, got longstr"')]
)
def test_a_wrong_time_is_refused_with_its_reason(ch: Channel, name: str, value: int | str, reason: str) -> None:
    text = f"PRECONDITION_FAILED - invalid arg 'x-expires' for queue '{name}' in vhost '/': {reason}"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, {"x-expires": value})
