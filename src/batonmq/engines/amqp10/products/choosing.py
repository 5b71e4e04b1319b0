"""Chooses the product by what a broker announces in its open."""

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

# The first of these with which the property ``product`` in the broker's open begins, in lower case.
_KNOWN: Final[tuple[tuple[str, type[Product]], ...]] = (
    ("apache-activemq-artemis", ArtemisProduct),
    ("activemq", ClassicProduct),
    ("apache qpid broker-j", QpidProduct),
    ("rabbitmq", RabbitmqProduct),
)


def product_of(announced: Announced) -> type[Product]:
    """The product; the plain one for an unknown broker."""
    # Ours calls itself RabbitMQ, or whatever it is configured to, for clients that refuse all others.
    if str(announced.properties.get("information", "")).startswith("BatonMQ"):
        return BatonmqProduct
    said = announced.product.lower()
    for name, product in _KNOWN:
        if said.startswith(name):
            return product
    return PlainProduct
