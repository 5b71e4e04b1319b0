"""Queues in a broker that speaks AMQP 0-9-1: BatonMQ's server, RabbitMQ, LavinMQ.

It uses pika, whose callbacks run in a thread of ours: heartbeats go on while a handler blocks, and one implementation
serves threads and event loops alike.
"""

from __future__ import annotations
