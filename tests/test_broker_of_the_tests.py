"""The broker that most tests share."""

from __future__ import annotations

from tests.support.broker import Broker


def test_it_tells_where_it_stands(own_broker: Broker) -> None:
    said = own_broker.stands()
    assert " amqp://" in said
    assert said.count("Thread 0x") + said.count("Current thread 0x") >= 2
    assert "in serve\n" in said
