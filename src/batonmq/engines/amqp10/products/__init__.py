"""Kinds of brokers: what each does its own way, where AMQP 1.0 leaves it open.

``base`` is what an engine asks of a product; ``desk`` what a product may ask of the engine.
"""

from __future__ import annotations
