"""A connection that is open: what it has come to, for all its sessions and links."""

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

# Of a connection's links: some 8,000, if their attaches say no more than most do.
LINKS_OCTETS = 64 << 20
# Beyond one message of the largest size, for messages that come over several links at the same time.
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
        """Where addresses lead, and the queues that the connection has made for itself."""
        self.containers = containers
        self.identity = identity
        """Under which it stands among the containers."""
        self.routes = Routes(operations)
        self.deaf = DeafQueues()
        self.link_quota = Quota(LINKS_OCTETS)
        """What all links together may take, with what their attaches say."""
        self.partial_quota = Quota(terms.settings.max_message_size + PARTIAL_SPARE)
        """What messages of which more is to come may take together."""
        self.transaction_quota = Quota(terms.settings.max_transaction_size)
        """What the transactions of all sessions together may hold."""
