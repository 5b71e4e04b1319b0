"""A link for replies, and the requests that wait for them."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

from batonmq.engines.amqp10.client.receiver import ACCEPTED, Receiver, ReceiverUser
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, ConnectionLost
from batonmq.protocols.amqp10.codec.performatives import Attach, DeliveryState, Source
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import DecodeError

__all__ = ["Inbox", "ReplyFuture"]

CREDIT = 200


class ReplyFuture(Future[Sections]):
    """Resolved with the reply, which is matched by its correlation id."""

    __slots__ = ("correlation_id",)

    def __init__(self) -> None:
        super().__init__()
        # Our own id: replies must be told apart even if the application reuses ids.
        self.correlation_id = secrets.token_hex(12)


class Inbox(ReceiverUser):
    """A dynamic node for all replies to this connection. All in the loop's thread."""

    __slots__ = ("_address", "_asked", "_make_source", "_receiver", "_settle_modes", "_uplink", "_waiting")

    def __init__(self, uplink: Uplink, make_source: Callable[[], Source]) -> None:
        self._uplink = uplink
        self._settle_modes = (0, 0)
        self._make_source = make_source
        self._receiver: Receiver | None = None
        self._address = ""
        self._waiting: deque[tuple[Callable[[str], None], ReplyFuture]] = deque()
        self._asked: dict[str, ReplyFuture] = {}

    def ask(self, send: Callable[[str], None], future: ReplyFuture) -> None:
        """``send`` sends the request, given the address for the reply."""
        self._asked[future.correlation_id] = future
        if self._receiver is None:
            try:
                made = Receiver(
                    self._uplink.link_name("replies"), self._make_source(), self, settle_modes=self._settle_modes
                )
                self._uplink.attach(made, receives=True)
            except BatonError as error:
                self.forget(future)
                future.fail(error)
                return
            self._receiver = made
        if self._address:
            send(self._address)
        else:
            self._waiting.append((send, future))

    def want_settled(self) -> None:
        """Ask for settled replies when the link is attached."""
        self._settle_modes = (1, 0)

    def forget(self, future: ReplyFuture) -> None:
        """Forget a request: nobody waits for its reply any more."""
        self._asked.pop(future.correlation_id, None)

    # ------------------------------------------------------------------ of the link

    def attached(self, attach: Attach) -> None:
        assert self._receiver is not None
        address = attach.source.address if attach.source is not None else None
        if not address:
            self._receiver.close()
            return
        self._address = address
        self._receiver.give_credit(CREDIT)
        while self._waiting:
            send, future = self._waiting.popleft()
            if future.correlation_id in self._asked:
                send(address)

    def detached(self, error: BatonError | None) -> None:
        self._receiver = None
        self._address = ""
        self._waiting.clear()
        asked, self._asked = self._asked, {}
        for future in asked.values():
            future.fail(error or ConnectionLost("the broker gives no address for replies"))

    def delivered(self, delivery_id: int, payload: bytes, *, settled: bool) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        if not settled:
            receiver.settle(delivery_id, ACCEPTED)
        if receiver.credit < CREDIT // 2:
            receiver.give_credit(CREDIT)
        try:
            sections = Sections(payload)
            properties = sections.properties()
        except DecodeError:
            return
        found = self._asked.pop(str(properties.correlation_id), None) if properties is not None else None
        if found is not None:
            found.resolve(sections)

    def changed(self, delivery_id: int, state: DeliveryState | None) -> None:
        """Do nothing: replies arrive settled."""

    def drained(self) -> None:
        """Do nothing: the link is never drained."""
