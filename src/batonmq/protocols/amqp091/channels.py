"""The channels of one connection, by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.admission import require_channel
from batonmq.errors import NotAllowed
from batonmq.protocols.amqp091 import methods
from batonmq.protocols.amqp091.channel import Channel
from batonmq.protocols.amqp091.encoder import method_frame
from batonmq.protocols.amqp091.failures import ProtocolFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.broker.model.churn import Churn
    from batonmq.errors import StoreError
    from batonmq.protocols.amqp091.open_connection import OpenConnection
    from batonmq.queued import QueuedMessage


class Channels:
    """The open channels. A channel that the broker closes stays until the client has answered (§1.5.2.6)."""

    __slots__ = ("_by_number", "_churn")

    def __init__(self, churn: Churn) -> None:
        self._by_number: dict[int, Channel] = {}
        self._churn = churn

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Channel]:
        # An error may close a channel during the loop.
        return iter(list(self._by_number.values()))

    def numbers(self) -> list[int]:
        """The numbers of the channels, in the order in which they were opened."""
        return list(self._by_number)

    def find(self, number: int) -> Channel | None:
        """The channel of that number."""
        return self._by_number.get(number)

    def handle(self, number: int, method: methods.Method, connection: OpenConnection) -> None:
        """A method on a channel, which may open or close it. Raises ProtocolFailure, BrokerError."""
        channel = self._by_number.get(number)
        if isinstance(method, methods.ChannelOpen):
            self._open(number, connection)
        elif channel is None:
            # The answer to a close of ours may cross a close of the client's.
            if not isinstance(method, methods.ChannelCloseOk):
                raise ProtocolFailure(504, "expected 'channel.open'")
        elif isinstance(method, methods.ChannelClose):
            if not channel.is_closing:
                channel.release()
            self._remove(number)
            connection.link.output.send(method_frame(number, methods.ChannelCloseOk()))
        elif isinstance(method, methods.ChannelCloseOk):
            if channel.is_closing:
                self._remove(number)
        elif channel.is_open:
            channel.handle(method)

    def _open(self, number: int, connection: OpenConnection) -> None:
        if number in self._by_number:
            raise ProtocolFailure(504, "second 'channel.open' seen")
        most = connection.terms.channel_max
        if len(self._by_number) >= most:
            raise NotAllowed(
                f"number of channels opened ({len(self._by_number)}) has reached the negotiated channel_max ({most})"
            )
        require_channel(connection.link.broker.clients, connection.operations.user)
        self._by_number[number] = Channel(number, connection)
        self._churn.channel_opened()
        connection.link.output.send(method_frame(number, methods.ChannelOpenOk()))

    def _remove(self, number: int) -> None:
        del self._by_number[number]
        self._churn.channel_closed()

    # ------------------------------------------------------------------ what all are told

    def offer(self) -> None:
        """There is room for deliveries again."""
        for channel in self:
            channel.offer()

    def withdraw(self) -> None:
        """There is no room for deliveries: the client does not read."""
        for channel in self:
            channel.withdraw()

    def batch_committed(self, batch: int) -> None:
        """All batches of the store up to this number are durable."""
        for channel in list(self._by_number.values()):
            channel.batch_committed(batch)

    def batch_failed(self, batch: int, error: StoreError) -> None:
        """The batches up to this number that were not committed before are not kept."""
        for channel in self:
            channel.batch_failed(batch, error)

    def release(self) -> None:
        """The connection ends: give back everything that its channels hold."""
        for channel in self:
            if not channel.is_closing:
                channel.release()
            self._churn.channel_closed()
        self._by_number.clear()

    # ------------------------------------------------------------------ for requests about what is held

    def find_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """The unsettled delivery of that tag on a channel; None: there is none."""
        found = self._by_number.get(channel)
        return found.deliveries.find(tag) if found is not None else None

    def take_delivery(self, channel: int, tag: int) -> QueuedMessage | None:
        """Take the unsettled delivery of that tag from a channel, to be settled; its consumer may have another."""
        found = self._by_number.get(channel)
        return found.settling.take_one(tag) if found is not None else None
