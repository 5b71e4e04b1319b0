"""Management over a pair of links: queues, exchanges and bindings by requests in the manner of HTTP (RabbitMQ 4).

requests ..... a request as a message, and the answer to it
queues, exchanges, bindings ... what is done
management ... which of these a request means, and the answer once the store has what was changed
"""

from __future__ import annotations

from batonmq.protocols.amqp10.management.management import Management

__all__ = ["Management"]
