"""A broker of an unknown kind: only what the AMQP 1.0 specification gives."""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.steps import Steps
from batonmq.engines.values import Capabilities, QueueOptions
from batonmq.protocols.amqp10.codec.performatives import Source, Target

__all__ = ["PlainProduct"]

_BY_OTHERS: Final = ": the specification has no words for that; use the broker's own tools"


class PlainProduct(Product):
    """Queues have to exist already: the specification has no way to create one."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            engine=self.engine_name,
            durable=True,
            ttl=True,
            priority=True,
            group=True,
            request=True,
            transactions=self.desk.has_coordinator,
            peek=True,
            purge=True,
            replay=True,
            replay_home=True,
            until_empty=True,
        )

    def target(self, queue: str) -> Target:
        return Target(address=queue)

    def source(self, queue: str) -> Source:
        return Source(address=queue)

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        raise self._cannot(f"declare{_BY_OTHERS}")

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        yield from ()
        raise self._cannot(f"declare{_BY_OTHERS}")

    def delete(self, queue: str) -> Steps[None]:
        yield from ()
        raise self._cannot(f"delete{_BY_OTHERS}")
