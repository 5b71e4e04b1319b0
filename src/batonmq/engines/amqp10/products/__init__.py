"""Kinds of brokers, and their own ways where AMQP 1.0 leaves things open.

``base`` defines what an engine asks of a product, ``desk`` what a product may ask of the engine.
"""

from __future__ import annotations
