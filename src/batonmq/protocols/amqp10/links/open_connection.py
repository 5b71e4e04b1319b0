"""An open connection: the result of its handshake, for all its sessions and links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.protocols.amqp10.links.deaf import DeafQueues
from batonmq.protocols.sessions.quota import Quota
from batonmq.protocols.sessions.routes import Routes

if TYPE_CHECKING:
    from batonmq.broker import Operations
    from batonmq.protocols.amqp10.codec.frames import Event
    from batonmq.protocols.amqp10.containers import Containers, Identity
    from batonmq.protocols.amqp10.nodes.nodes import Nodes
    from batonmq.protocols.amqp10.terms import Terms
    from batonmq.protocols.sessions.link import Link

# The memory of a connection's links in octets: about 8,000 links with usual attaches.
LINKS_OCTETS = 64 << 20
# The octets beyond one message of the largest size, for incomplete messages over several links.
PARTIAL_SPARE = 1 << 20


class OpenConnection:
    """The terms, and what the client may do in its virtual host (``operations``, with its user)."""

    __slots__ = (
        "containers",
        "deaf",
        "identity",
        "link",
        "link_quota",
        "nodes",
        "operations",
        "partial_quota",
        "routes",
        "terms",
        "transaction_quota",
    )

    def __init__(
        self,
        link: Link[Event],
        terms: Terms,
        operations: Operations,
        nodes: Nodes,
        containers: Containers,
        identity: Identity,
    ) -> None:
        self.link = link
        self.terms = terms
        self.operations = operations
        self.nodes = nodes
        """Resolves addresses, and knows the connection's own queues."""
        self.containers = containers
        self.identity = identity
        """Its identity among the containers."""
        self.routes = Routes(operations)
        self.deaf = DeafQueues()
        self.link_quota = Quota(LINKS_OCTETS)
        """The memory of all links together, with their attaches."""
        self.partial_quota = Quota(terms.settings.max_message_size + PARTIAL_SPARE)
        """The memory of all incomplete messages together."""
        self.transaction_quota = Quota(terms.settings.max_transaction_size)
        """The messages in the transactions of all sessions together."""
