"""Queues in a broker that speaks AMQP 1.0: BatonMQ's server, RabbitMQ 4, Artemis, ActiveMQ Classic, and others.

``client`` is the protocol, without sockets; ``products`` has what is specific to each broker. One thread of ours runs
the socket and the loop, so one implementation serves threads and event loops alike.
"""

from __future__ import annotations
