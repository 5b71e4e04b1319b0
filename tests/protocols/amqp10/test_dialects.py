"""What each dialect of AMQP 1.0 says and has; what it does is in the tests of what it is about."""

from __future__ import annotations

from dataclasses import fields

import pytest

from batonmq.protocols.amqp10.dialects import DIALECTS, Dialect
from batonmq.protocols.sessions.customs import NO_CUSTOMS, OF_ACTIVEMQ, OF_ARTEMIS

NAMES = ("spec", "rabbitmq", "activemq", "artemis")

TABLE: dict[str, tuple[object, object, object, object]] = {
    "product": ("RabbitMQ", "RabbitMQ", "ActiveMQ", "apache-activemq-artemis"),
    "version": ("4.2.0", "4.2.0", "6.1.0", "2.40.0"),
    "queue_prefix": ("", "", "queue://", ""),
    "topic_prefix": ("topic://", "", "topic://", "topic://"),
    "has_rabbitmq_addresses": (True, True, False, False),
    "has_schemes": (True, False, True, True),
    "has_escaped_names": (False, True, False, False),
    "has_qualified_names": (True, False, False, True),
    "has_undecided_names": (False, False, False, True),
    "has_composites": (False, False, True, False),
    "subscribes_to_exchanges": (True, False, True, True),
    "is_durable_unsaid": (False, True, False, False),
    "encodes_values": (False, True, False, False),
    "has_capabilities": (True, False, True, True),
    "customs": (NO_CUSTOMS, NO_CUSTOMS, OF_ACTIVEMQ, OF_ARTEMIS),
    "temporary_queue": ("/queues/", "/queues/", "temp-queue://", ""),
    "temporary_topic": ("topic://", "-", "temp-topic://", ""),
    "has_rabbitmq_to": (False, True, False, False),
}


@pytest.mark.parametrize("field", [field.name for field in fields(Dialect) if field.name != "name"])
def test_the_table_of_dialects(field: str) -> None:
    assert tuple(getattr(DIALECTS[name], field) for name in NAMES) == TABLE[field]
