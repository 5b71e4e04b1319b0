"""The parts of one session, as its links see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.deliveries.channel import Channel
    from batonmq.protocols.amqp10.deliveries.deliveries import Deliveries
    from batonmq.protocols.amqp10.deliveries.late import LateDeliveries
    from batonmq.protocols.amqp10.deliveries.receipts import Receipts
    from batonmq.protocols.amqp10.deliveries.settling import Settling
    from batonmq.protocols.amqp10.deliveries.transactions import Transactions
    from batonmq.protocols.amqp10.deliveries.windows import Windows
    from batonmq.protocols.amqp10.links.link_state import Detaching
    from batonmq.protocols.amqp10.links.open_connection import OpenConnection
    from batonmq.protocols.amqp10.links.pairs import LinkPairs
    from batonmq.protocols.amqp10.links.publisher import Publisher
    from batonmq.protocols.sessions.counts import MessageCounts


class SessionParts:
    """The parts of a session, created once for it."""

    __slots__ = (
        "channel",
        "connection",
        "counts",
        "deliveries",
        "late",
        "links",
        "pairs",
        "publisher",
        "receipts",
        "settling",
        "transactions",
        "windows",
    )

    def __init__(
        self,
        connection: OpenConnection,
        channel: Channel,
        windows: Windows,
        receipts: Receipts,
        deliveries: Deliveries,
        late: LateDeliveries,
        transactions: Transactions,
        settling: Settling,
        publisher: Publisher,
        pairs: LinkPairs,
        links: Detaching,
        counts: MessageCounts,
    ) -> None:
        self.connection = connection
        self.channel = channel
        self.windows = windows
        self.receipts = receipts
        """Sends the outcomes of received deliveries."""
        self.deliveries = deliveries
        """Sends messages, and knows the unsettled ones."""
        self.late = late
        """Those of them that were taken back."""
        self.transactions = transactions
        self.settling = settling
        self.publisher = publisher
        self.pairs = pairs
        self.links = links
        self.counts = counts
        """The counters of the session."""
