"""The product and version that a broker announces (AMQP 0-9-1, section 1.4.2.1: server-properties)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Product", "product_of"]


@dataclass(frozen=True, slots=True)
class Product:
    """A broker by its name and version."""

    name: str = ""
    version: tuple[int, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Is it BatonMQ? Other brokers do not know its headers, arguments and requests."""
        return self.name == "BatonMQ"

    def is_rabbitmq(self, *least: int) -> bool:
        """Is it RabbitMQ, of this version, such as (4, 3), or later?"""
        return self.name == "RabbitMQ" and self.version >= least


def product_of(announced: Mapping[str, object] | None) -> Product:
    """The product and version that a broker names in its server-properties: "4.3.6" is version 4, 3, 6."""
    properties = announced or {}
    version: list[int] = []
    for piece in str(properties.get("version", "")).split("."):
        if not (piece.isascii() and piece.isdigit() and len(piece) < 10):
            break
        version.append(int(piece))
    return Product(str(properties.get("product", "")), tuple(version))
