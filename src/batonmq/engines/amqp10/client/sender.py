"""A sending link (§2.6.7, §2.6.12)."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Final

from batonmq.engines.amqp10.client.failures import PeerFault
from batonmq.engines.amqp10.client.link import ATTACHED, Link, LinkUser
from batonmq.protocols.amqp10.codec.encoder import PartedTransfer, append_transfers, transfer_prefix
from batonmq.protocols.amqp10.codec.performatives import Attach, Source
from batonmq.protocols.amqp10.conditions import NOT_ALLOWED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.engines.amqp10.client.channel import Channel
    from batonmq.protocols.amqp10.codec.composites import Fields
    from batonmq.protocols.amqp10.codec.encoder import TransferPrefix
    from batonmq.protocols.amqp10.codec.performatives import Coordinator, DeliveryState, Flow, Target, Transfer

__all__ = ["Sender", "SenderUser"]

_MASK: Final = 0xFFFF_FFFF


class SenderUser(LinkUser):
    """The user of a sending link, told of outcomes."""

    __slots__ = ()

    @abstractmethod
    def settled(self, token: object, state: DeliveryState | None) -> None:
        """The outcome of a message; ``token`` was passed with it. None: the broker gave no outcome."""


class _Batch:
    """Pending messages with common options."""

    __slots__ = ("at", "payloads", "prefix", "settled", "token")

    def __init__(self, payloads: Sequence[bytes], token: object, prefix: TransferPrefix, *, settled: bool) -> None:
        self.payloads = payloads
        self.token = token
        self.prefix = prefix
        self.settled = settled
        self.at = 0

    def take(self, count: int) -> Sequence[bytes]:
        """Take the next messages."""
        before = self.at
        self.at += count
        if not before and count == len(self.payloads):
            return self.payloads
        return self.payloads[before : self.at]

    @property
    def left(self) -> int:
        """How many have not been sent."""
        return len(self.payloads) - self.at


class Sender(Link):
    """Messages wait here until the broker gives credit, and the session's window has room."""

    __slots__ = (
        "_count",
        "_credit",
        "_link_properties",
        "_parted",
        "_prefixes",
        "_settle_mode",
        "_source",
        "_target",
        "_user_of",
        "_waiting",
        "max_message_size",
    )

    def __init__(
        self,
        name: str,
        target: Target | Coordinator,
        user: SenderUser,
        *,
        source: Source | None = None,
        properties: Fields | None = None,
        settle_mode: int = 2,
    ) -> None:
        """``settle_mode``: 0 unsettled, 1 settled, 2 mixed (§2.8.2)."""
        super().__init__(name, user)
        self._user_of = user
        self._target = target
        self._source = source or Source()
        self._link_properties = properties
        self._settle_mode = settle_mode
        self._count = 0
        self._credit = 0
        self._waiting: deque[_Batch] = deque()
        self._parted: tuple[PartedTransfer, int, object, bool] | None = None
        self._prefixes: dict[bool, TransferPrefix] = {}
        self.max_message_size = 0
        """The largest message that the broker takes, in octets; 0: unknown."""

    # ------------------------------------------------------------------ from here

    def send(
        self,
        payloads: Sequence[bytes],
        token: object,
        *,
        settled: bool = False,
        state: DeliveryState | None = None,
    ) -> None:
        """Send messages as soon as possible. The user is told the outcome of each that is not sent settled.

        ``state``: that of a transaction (part 4 §4.4.1).
        """
        channel = self._session
        if state is not None:
            prefix = transfer_prefix(channel.number, self._handle, settled=settled, state=state)
        else:
            prefix = self._prefixes.get(settled) or self._make_prefix(channel, settled=settled)
        self._waiting.append(_Batch(payloads, token, prefix, settled=settled))
        if self._state == ATTACHED:
            self.pump()

    def _make_prefix(self, channel: Channel, *, settled: bool) -> TransferPrefix:
        made = self._prefixes[settled] = transfer_prefix(channel.number, self._handle, settled=settled)
        return made

    @property
    def sent(self) -> int:
        """How many messages have gone out, modulo 2**32."""
        return self._count

    @property
    def is_idle(self) -> bool:
        """Is nothing pending?"""
        return not self._waiting and self._parted is None

    def pump(self) -> None:
        """Send as many messages as there is credit and window for."""
        channel = self._session
        waiting = self._waiting
        while channel.room > 0:
            if self._parted is not None:
                self._send_parts(channel)
                continue
            if not waiting or self._credit <= 0:
                return
            batch = waiting[0]
            count = min(batch.left, self._credit, channel.room)
            payloads = batch.take(count)
            if not batch.left:
                waiting.popleft()
            self._send(channel, batch, payloads)

    def _send(self, channel: Channel, batch: _Batch, payloads: Sequence[bytes]) -> None:
        """Send as many messages as there is credit for; one that needs several frames is sent separately."""
        prefix = batch.prefix
        room = channel.max_frame_size - prefix.overhead
        count = len(payloads)
        if count == 1 or max(map(len, payloads)) <= room:
            if len(payloads[0]) <= room:
                channel.flush()
                first = self._number(channel, batch, count)
                append_transfers(channel.output.parts, prefix, first, payloads, channel.max_frame_size)
                channel.sent(count)
                return
            first = self._number(channel, batch, 1)
            parted = PartedTransfer(prefix, first, payloads[0], channel.max_frame_size)
            self._parted = (parted, first, batch.token, batch.settled)
            return
        # Put them back, to be sent one by one.
        for payload in reversed(payloads):
            self._waiting.appendleft(_Batch((payload,), batch.token, prefix, settled=batch.settled))

    def _number(self, channel: Channel, batch: _Batch, count: int) -> int:
        """Number that many messages and await their outcomes; returns the first delivery-id."""
        self._count = self._count + count & _MASK
        self._credit -= count
        return channel.number_deliveries(count, None if batch.settled else (self._settled, batch.token))

    def _send_parts(self, channel: Channel) -> None:
        assert self._parted is not None
        parted = self._parted[0]
        channel.flush()
        parts = channel.output.parts
        sent = 0
        while sent < channel.room and not parted.is_complete:
            parts.append(parted.next_frame())
            sent += 1
        channel.sent(sent)
        if parted.is_complete:
            self._parted = None

    def _attach(self, handle: int) -> Attach:
        return Attach(
            name=self.name,
            handle=handle,
            role=False,
            snd_settle_mode=self._settle_mode,
            rcv_settle_mode=0,
            source=self._source,
            target=self._target,
            initial_delivery_count=0,
            properties=self._link_properties,
        )

    # ------------------------------------------------------------------ from the broker

    def _is_refusal(self, attach: Attach) -> bool:
        return attach.target is None

    def _begin(self, attach: Attach) -> None:
        self.max_message_size = attach.max_message_size or 0

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.forget(self._settled)
        self._waiting.clear()
        self._parted = None

    def flowed(self, flow: Flow) -> None:
        if flow.link_credit is not None:
            seen = flow.delivery_count if flow.delivery_count is not None else 0
            self._credit = (seen + flow.link_credit - self._count) & _MASK
            if self._credit >> 31:
                self._credit = 0
        if self._state == ATTACHED:
            self.pump()
        if flow.drain and self._credit > 0 and not self._waiting:
            # Credit without messages is used up (§2.6.7, drain).
            self._count = self._count + self._credit & _MASK
            self._credit = 0
            self._session.say_flow(self._handle, self._count, 0, drain=True)
        elif flow.echo:
            self._session.say_flow(self._handle, self._count, self._credit)

    def room_changed(self) -> None:
        if self._state == ATTACHED:
            self.pump()

    def take(self, shape: Transfer, delivery_id: int | None, payload: bytes) -> None:
        raise PeerFault(NOT_ALLOWED, f"a transfer came on link '{self.name}', on which we send")

    def _settled(self, token: object, state: DeliveryState | None) -> None:
        self._user_of.settled(token, state)
