"""What a queue was declared with, in a message."""

from __future__ import annotations

import pytest

from batonmq.engines.amqp10.products.declared import NOTHING, Declared, first_declared
from batonmq.engines.messages import Message
from batonmq.engines.values import QueueOptions
from batonmq.protocols.amqp10.codec.sections import Sections


def test_it_is_read_as_it_was_written() -> None:
    declared = Declared.of(QueueOptions(max_deliveries=3, dead_letter="d", retry_delay=0.5, retry_delay_max=2.0))
    sections = Sections(declared.payload)
    header = sections.header()
    assert header is not None
    assert header.durable
    (body,) = sections.body_values()
    assert isinstance(body, bytes)
    assert first_declared([Message(body), Message(b"{}")]) == declared


def test_what_somebody_else_has_put_there_is_passed_over() -> None:
    assert first_declared([Message(b"\xff"), Message(b'{"max_deliveries": "x"}')]) is None
    assert first_declared([Message(b"?"), Message(b"{}")]) == NOTHING


@pytest.mark.parametrize(("deliveries", "wait"), [(1, 0.5), (3, 1.5), (9, 2.0)])
def test_each_time_it_waits_longer(deliveries: int, wait: float) -> None:
    assert Declared(retry_delay=0.5, retry_delay_max=2.0).wait(deliveries) == wait
    assert Declared(retry_delay=0.5).wait(deliveries) == 0.5
    assert NOTHING.wait(deliveries) is None
