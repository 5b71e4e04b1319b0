"""A channel in transactional mode (tx.select, AMQP 0-9-1, 1.9.2.1), and a receiver whose channel may become one.

All of it runs in the connection's thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from pika import spec
from pika.channel import Channel

from batonmq.engines.amqp.content_headers import WireProperties
from batonmq.engines.amqp.failures import told_to_sender
from batonmq.engines.futures import Future
from batonmq.engines.leases import lost_by_transaction
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, NotFound, PreconditionFailed, ResourceError

__all__ = ["Acceptor", "Outgoing", "TxChannel"]

Outgoing = tuple[str, bytes, WireProperties]
"""A message to send: its queue, its body and its properties."""


class TxChannel:
    """Transactions on a channel, each sent in one go, so that they stay separate."""

    def __init__(self, channel: Channel, reason: Callable[[BaseException], BatonError]) -> None:
        """``reason``: why a channel was closed, as an error of the API."""
        self.channel = channel
        self.ready: Future[TxChannel] = Future()
        """Resolved when the channel is transactional."""
        self._under_way: dict[Future[None], int] = {}
        self._returned: NotFound | None = None
        channel.add_on_return_callback(self._came_back)
        channel.add_on_close_callback(lambda _channel, error: self._closed(reason(error)))
        channel.tx_select(lambda _frame: self.ready.resolve(self))

    @property
    def is_committing(self) -> bool:
        """Is there a transaction without an answer?"""
        return bool(self._under_way)

    def commit(self, sends: Sequence[Outgoing], accept: Callable[[Channel], None]) -> Future[None]:
        """Send, accept, commit. NotFound, ResourceError, LeaseLost, ConnectionLost."""
        future: Future[None] = Future()
        self._under_way[future] = max((len(body) for _, body, _ in sends), default=0)
        for queue, body, wired in sends:
            self.channel.basic_publish("", queue, body, wired, mandatory=True)
        accept(self.channel)
        self.channel.tx_commit(lambda _frame: self._committed(future))
        return future

    def commit_alone(self) -> None:
        """Commit settlements made outside of a transaction. Nobody waits for this."""
        self.channel.tx_commit()

    def _came_back(self, _channel: object, method: spec.Basic.Return, _properties: object, _body: object) -> None:
        self._returned = NotFound(f"no queue '{method.routing_key}'")

    def _committed(self, future: Future[None]) -> None:
        returned, self._returned = self._returned, None
        self._under_way.pop(future, None)
        if returned is None:
            future.resolve(None)
        else:
            future.fail(returned)

    def _closed(self, error: BatonError) -> None:
        self.ready.fail(error)
        under_way, self._under_way = self._under_way, {}
        for future, largest in under_way.items():
            future.fail(_told(error, largest))


def _told(error: BatonError, largest: int) -> BatonError:
    """Why a transaction failed, derived from why its channel was closed."""
    text = str(error)
    if isinstance(error, PreconditionFailed) and text.startswith("the transaction cannot be kept"):
        return ResourceError(text)
    if isinstance(error, NotFound) and text.startswith("no delivery"):
        return lost_by_transaction()
    return told_to_sender(error, largest)


class Acceptor(ABC):
    """A receiver whose deliveries a transaction may accept."""

    _tx: TxChannel | None = None

    @abstractmethod
    def delivery(self, incoming: Incoming) -> tuple[Channel, int]:
        """The channel that it came on, and its tag. Raises LeaseLost when it is not held any more."""

    @abstractmethod
    def accepted(self, incoming: Incoming) -> None:
        """Note that a transaction has accepted the delivery."""

    def transactional(self, channel: Channel, reason: Callable[[BaseException], BatonError]) -> TxChannel:
        """Make the receiver's channel transactional: from now on each settlement needs a commit."""
        if self._tx is None or self._tx.channel is not channel:
            self._tx = TxChannel(channel, reason)
        return self._tx

    def _settled_on(self, channel: Channel) -> None:
        """Note a settlement outside of a transaction."""
        if self._tx is not None and self._tx.channel is channel:
            self._tx.commit_alone()
