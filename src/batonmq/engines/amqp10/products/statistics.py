"""The figures of ActiveMQ Classic's statisticsBrokerPlugin: a message to a special name is answered with a map."""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.steps import Steps, wait_for
from batonmq.errors import ConnectionLost, NotFound
from batonmq.protocols.amqp10.codec.performatives import Target
from batonmq.protocols.amqp10.codec.sections import Sections

__all__ = ["Statistics"]

# A topic, so that without the plugin requests leave nothing behind.
_BROKER: Final = "topic://ActiveMQ.Statistics.Broker"
_QUEUE: Final = "queue://ActiveMQ.Statistics.Destination"
# Seconds in which a broker with the plugin answers, and in which it has to.
AT_ONCE: Final = 1.0
PATIENCE: Final = 10.0
# Sent without a target address, since a link to an address would create a queue.
_ANYWHERE: Final = Target()


class Statistics:
    """Statistics over a product's desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def is_there(self) -> Steps[bool]:
        """Has the broker the plugin?"""
        try:
            yield from wait_for(self._desk.ask(_ANYWHERE, "", properties={"to": _BROKER}, within=AT_ONCE))
        except NotFound:
            return False
        return True

    def ready(self, queue: str) -> Steps[int]:
        """How many messages of a queue no receiver holds. NotFound."""
        asked = self._desk.ask(_ANYWHERE, "", properties={"to": _QUEUE + queue}, within=PATIENCE)
        # For a missing queue there is no answer. Answers come in order, so once this one is here, none will follow.
        control = self._desk.ask(_ANYWHERE, "", properties={"to": _BROKER}, within=PATIENCE)
        try:
            yield from wait_for(control)
        except NotFound:
            raise ConnectionLost(f"the broker gives no statistics within {PATIENCE:g} s") from None
        if not asked.done:
            raise NotFound(f"no queue '{queue}'")
        told = _map_of(asked.result())
        size, held = told.get("size"), told.get("inflightCount")
        return max(0, size - held) if isinstance(size, int) and isinstance(held, int) else 0


def _map_of(answer: Sections) -> dict[object, object]:
    values = answer.body_values()
    return values[0] if values and isinstance(values[0], dict) else {}
