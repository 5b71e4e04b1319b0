"""Converts the API's messages to sections and back, as one product wants them."""

from __future__ import annotations

from batonmq.clock import Clock
from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.messages import Message, received_message
from batonmq.fields import FieldError
from batonmq.properties import Properties
from batonmq.protocols.amqp10.messages.carried import Carried, CarriedReader, CarriedWriter, reply_to_of

__all__ = ["Conversion"]


class Conversion:
    """The converter of one engine. Call it in the loop's thread, as it caches parts of the last message."""

    __slots__ = ("_product", "_reader", "_writer")

    def __init__(self, product: Product) -> None:
        self._product = product
        self._writer = CarriedWriter(product.queue_prefix)
        self._reader = CarriedReader(Clock())

    def write(self, message: Message, properties: Properties | None = None) -> bytes:
        """All sections of a message. ``properties`` replace its own. Raises ValueError."""
        self._product.check(message)
        annotations = self._product.delay_annotations(message.delay) if message.delay else {}
        try:
            return self._writer.sections(properties or message.properties, message.body, annotations)
        except FieldError as error:
            raise ValueError(f"the message cannot be sent over AMQP 1.0: {error}") from None

    def read(self, payload: bytes) -> tuple[Message, Carried]:
        """A received message, and the fields of its header. Raises FieldError."""
        carried = self._reader.read(payload)
        properties = carried.properties
        if properties.reply_to is not None:
            address = reply_to_of(payload)
            shown = self._product.queue_of(address) if address is not None else None
            if shown != properties.reply_to:
                properties = properties.replace(reply_to=shown)
        return received_message(carried.body, properties), carried
