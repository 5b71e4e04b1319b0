"""Queues in a broker that speaks AMQP 1.0: BatonMQ's server, RabbitMQ 4, Artemis, ActiveMQ Classic, and others.

``client`` is the protocol, without sockets; ``products`` what each broker does its own way. One thread of ours has the
socket and the loop, so that one implementation serves threads and event loops alike.
"""

from __future__ import annotations
