"""What ActiveMQ Classic's statisticsBrokerPlugin tells: a message to a name of its own is answered with a map."""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.steps import Steps, wait_for
from batonmq.errors import ConnectionLost, NotFound
from batonmq.protocols.amqp10.codec.performatives import Target
from batonmq.protocols.amqp10.codec.sections import Sections

__all__ = ["Statistics"]

# A topic: without the plugin nothing stays of what is sent there.
_BROKER: Final = "topic://ActiveMQ.Statistics.Broker"
_QUEUE: Final = "queue://ActiveMQ.Statistics.Destination"
# Seconds in which a broker answers that has the plugin, and in which it must.
AT_ONCE: Final = 1.0
PATIENCE: Final = 10.0
# To no address, so that no link to one makes a queue of it.
_ANYWHERE: Final = Target()


class Statistics:
    """Over the desk of a product."""

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
        """How many messages of a queue are in nobody's hands. NotFound."""
        asked = self._desk.ask(_ANYWHERE, "", properties={"to": _QUEUE + queue}, within=PATIENCE)
        # Of a queue that is not there it says nothing. It answers in order: when this one comes, nothing will.
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
