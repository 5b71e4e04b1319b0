"""Which product a broker is, by what it says of itself when it is connected to."""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.artemis import ArtemisProduct
from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.amqp10.products.batonmq import BatonmqProduct
from batonmq.engines.amqp10.products.classic import ClassicProduct
from batonmq.engines.amqp10.products.desk import Announced
from batonmq.engines.amqp10.products.plain import PlainProduct
from batonmq.engines.amqp10.products.qpid import QpidProduct
from batonmq.engines.amqp10.products.rabbitmq import RabbitmqProduct

__all__ = ["product_of"]

# The first of these that the broker's open begins its property ``product`` with, in lower case.
_KNOWN: Final[tuple[tuple[str, type[Product]], ...]] = (
    ("apache-activemq-artemis", ArtemisProduct),
    ("activemq", ClassicProduct),
    ("apache qpid broker-j", QpidProduct),
    ("rabbitmq", RabbitmqProduct),
)


def product_of(announced: Announced) -> type[Product]:
    """The product; the plain one for a broker that is none of those known here."""
    # Ours calls itself RabbitMQ, or what it is configured to, for the sake of clients that refuse all others.
    if str(announced.properties.get("information", "")).startswith("BatonMQ"):
        return BatonmqProduct
    said = announced.product.lower()
    for name, product in _KNOWN:
        if said.startswith(name):
            return product
    return PlainProduct
