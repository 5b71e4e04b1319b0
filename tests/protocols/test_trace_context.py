"""W3C's trace context goes through the broker untouched, whatever protocol it came by and whatever it leaves by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from batonmq.protocols.amqp10.codec.sections import Sections
from tests.protocols.amqp10 import client as amqp10
from tests.protocols.amqp10.client import Delivery, one
from tests.support import stomp
from tests.support.amqp10_messages import build
from tests.support.driven import Driven

CONTEXT = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    # Commas, equals signs and spaces are W3C's own; a colon is escaped in STOMP.
    "tracestate": "congo=t61rcWkgMzE, rojo@two=00f067aa0ba902b7:1",
    "baggage": "customer=4;ttl=1,shop=n%C3%BC",
}


def by_amqp091(driven: Driven) -> None:
    driven.publish("m", CONTEXT)


def by_amqp10(driven: Driven) -> None:
    client = amqp10.Client(driven).start()
    client.transfer(client.sender("/queues/q"), build(application=CONTEXT))


def by_stomp(driven: Driven) -> None:
    stomp.connected(driven).send("/queue/q", "m", **CONTEXT)


def from_amqp091(driven: Driven) -> dict[str, object]:
    taker = driven.consume()
    driven.turn()
    headers = taker.held[0].message.properties.headers or {}
    return {name: headers.get(name) for name in CONTEXT}


def from_amqp10(driven: Driven) -> dict[str, object]:
    client = amqp10.Client(driven).start()
    client.receiver("/queues/q", 1)
    properties = Sections(one(client.read(), Delivery).payload).application_properties()
    return {name: properties.get(name) for name in CONTEXT}


def from_stomp(driven: Driven) -> dict[str, object]:
    client = stomp.connected(driven)
    frame = stomp.only(client.subscribe("/queue/q"), "MESSAGE")
    return {name: frame.get(name) for name in CONTEXT}


@pytest.mark.parametrize("taken", [from_amqp091, from_amqp10, from_stomp])
@pytest.mark.parametrize("sent", [by_amqp091, by_amqp10, by_stomp])
def test_a_trace_context_passes(sent: Callable[[Driven], None], taken: Callable[[Driven], dict[str, object]]) -> None:
    driven = Driven()
    driven.queue("q")
    sent(driven)
    driven.turn()
    assert taken(driven) == CONTEXT
