"""Finds out whether a link would be attached."""

from __future__ import annotations

from batonmq.engines.amqp10.client.receiver import Receiver, ReceiverUser
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import Attach, DeliveryState, Source, Target

__all__ = ["probe"]


class _Probe(SenderUser, ReceiverUser):
    def __init__(self) -> None:
        self.future: Future[None] = Future()
        self._link: Sender | Receiver | None = None

    def use(self, link: Sender | Receiver) -> None:
        """Set the link."""
        self._link = link

    def attached(self, attach: Attach) -> None:
        assert self._link is not None
        self._link.close()

    def detached(self, error: BatonError | None) -> None:
        # Closed from here, so it had been attached.
        if error is None:
            self.future.resolve(None)
        else:
            self.future.fail(error)

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        """Do nothing: there is no credit."""

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """Do nothing: there are no deliveries."""

    def drained(self) -> None:
        """Do nothing: there is no credit."""

    def settled(self, token: object, state: DeliveryState | None) -> None:
        """Do nothing: nothing is sent."""


def probe(uplink: Uplink, terminus: Source | Target) -> Future[None]:
    """In the loop's thread, when there is a connection: attach, and detach again."""
    user = _Probe()
    name = uplink.link_name("probe")
    link = Receiver(name, terminus, user) if isinstance(terminus, Source) else Sender(name, terminus, user)
    user.use(link)
    try:
        uplink.attach(link, receives=isinstance(terminus, Source))
    except ConnectionLost as error:
        user.future.fail(error)
    return user.future
