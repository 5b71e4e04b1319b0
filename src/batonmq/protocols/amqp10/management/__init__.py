"""Management over a pair of links: queues, exchanges and bindings by requests in the manner of HTTP (RabbitMQ 4).

requests ..... a request as a message, and the answer to it
queues, exchanges, bindings ... the operations
management ... finds the operation of a request, and answers once the store has the change
"""

from __future__ import annotations

from batonmq.protocols.amqp10.management.management import Management

__all__ = ["Management"]
