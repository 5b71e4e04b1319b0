"""RabbitMQ's x-expires: a queue that nobody uses is deleted."""

from __future__ import annotations

import time

import pytest
from pamqp import commands as spec

from tests.support.wire import Channel, ChannelClosed, Wire, channel_error


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
    deadline = time.monotonic() + 5
    while lives(wire, queue):
        assert time.monotonic() < deadline, f"{queue} is still there"
        time.sleep(0.02)


def unused(ch: Channel, name: str, milliseconds: int = 300) -> None:
    ch.queue(name, {"x-expires": milliseconds})
    ch.publish(name)
    ch.barrier()


def test_an_unused_queue_is_deleted(ch: Channel, name: str) -> None:
    unused(ch, name)
    assert lives(ch.wire, name)
    await_gone(ch.wire, name)
    with channel_error(404):
        ch.queue(name, passive=True)


@pytest.mark.parametrize("use", ["declare", "passive", "get"])
def test_use_begins_the_time_anew(ch: Channel, name: str, use: str) -> None:
    unused(ch, name, 400)
    ch.publish(name)
    until = time.monotonic() + 0.8
    while time.monotonic() < until:
        if use == "declare":
            ch.queue(name, {"x-expires": 400})
        elif use == "passive":
            ch.queue(name, passive=True)
        elif (content := ch.get(name)) is not None:
            ch.nack(content.tag)
        time.sleep(0.05)
    assert lives(ch.wire, name)
    await_gone(ch.wire, name)


def test_a_consumer_keeps_the_queue(ch: Channel, name: str) -> None:
    unused(ch, name, 100)
    tag = ch.consume(name)
    time.sleep(0.3)
    ch.cancel(tag)
    ch.queue(name, passive=True)
    ch.close()
    await_gone(ch.wire, name)


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
