"""Local transactions (part 4): a link to the coordinator, one transaction after the other.

declare --> declared(txn-id) --> messages and outcomes in it --> discharge --> accepted, or rejected
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from batonmq.engines.amqp10.client.failures import error_of
from batonmq.engines.amqp10.client.sender import Sender, SenderUser
from batonmq.engines.amqp10.uplink import Uplink
from batonmq.engines.futures import Future
from batonmq.errors import BatonError, BrokerError, Unsupported
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Attach,
    Coordinator,
    Declare,
    Declared,
    DeliveryState,
    Discharge,
    Rejected,
)
from batonmq.protocols.amqp10.codec.values import Symbol, encode

__all__ = ["TransactionLink"]

# The longest id that fits into a transfer as encoded here, in octets.
ID_MAX = 128
_VALUE = b"\x00Sw"


class TransactionLink(SenderUser):
    """The link to the coordinator of the shared session. All in the loop's thread."""

    __slots__ = ("_attaching", "_pending", "_sender", "_uplink")

    def __init__(self, uplink: Uplink) -> None:
        self._uplink = uplink
        self._sender: Sender | None = None
        self._attaching: deque[tuple[bytes, Future[DeliveryState | None]]] = deque()
        self._pending: dict[Future[DeliveryState | None], None] = {}

    def attach(self) -> Future[None]:
        """Find out whether there is a coordinator. Fails with the broker's error."""
        future: Future[None] = Future()
        asked = self._say(b"")
        asked.when_done(lambda: future.fail(asked.error) if asked.error else future.resolve(None), owed=future)
        return future

    def declare(self) -> Future[bytes]:
        """Begin a transaction; its id."""
        future: Future[bytes] = Future()

        def read(state: DeliveryState | None) -> None:
            if isinstance(state, Declared) and len(state.txn_id) <= ID_MAX:
                future.resolve(state.txn_id)
            else:
                future.fail(_refusal(state, "the broker begins no transaction"))

        self._ask(_VALUE + encode(Declare()), future.fail, read)
        return future

    def discharge(self, txn_id: bytes, *, fail: bool) -> Future[None]:
        """End it: commit, or roll back. Fails when the broker rolled it back."""
        future: Future[None] = Future()

        def read(state: DeliveryState | None) -> None:
            if isinstance(state, Accepted):
                future.resolve(None)
            else:
                future.fail(_refusal(state, "the broker rolled the transaction back"))

        # Send its pending dispositions in other sessions first; after the discharge they would be invalid.
        self._uplink.say_settled()
        self._ask(_VALUE + encode(Discharge(txn_id=txn_id, fail=fail)), future.fail, read)
        return future

    def _ask(
        self,
        payload: bytes,
        failed: Callable[[BaseException], None],
        read: Callable[[DeliveryState | None], None],
    ) -> None:
        asked = self._say(payload)

        def answered() -> None:
            if asked.error is not None:
                failed(asked.error)
            else:
                read(asked.result())

        asked.when_done(answered)

    def _say(self, payload: bytes) -> Future[DeliveryState | None]:
        asked: Future[DeliveryState | None] = Future()
        sender = self._sender
        if sender is None:
            target = Coordinator(capabilities=[Symbol("amqp:local-transactions")])
            try:
                made = Sender(self._uplink.link_name("transactions"), target, self, settle_mode=0)
                self._uplink.attach(made, receives=False)
            except BatonError as error:
                asked.fail(error)
                return asked
            sender = self._sender = made
        if sender.is_attached:
            self._put(payload, asked)
        else:
            self._attaching.append((payload, asked))
        return asked

    def _put(self, payload: bytes, asked: Future[DeliveryState | None]) -> None:
        if not payload:
            asked.resolve(None)
            return
        assert self._sender is not None
        self._pending[asked] = None
        self._sender.send((payload,), asked)

    # ------------------------------------------------------------------ of the link

    def attached(self, attach: Attach) -> None:
        if self._sender is not None and not isinstance(attach.target, Coordinator):
            # Some brokers accept any target, and may refuse it with a later detach, or not at all.
            self._sender.close()
            return
        while self._attaching:
            self._put(*self._attaching.popleft())

    def detached(self, error: BatonError | None) -> None:
        self._sender = None
        waiting = [asked for _, asked in self._attaching]
        self._attaching.clear()
        pending, self._pending = self._pending, {}
        for asked in (*waiting, *pending):
            asked.fail(error or Unsupported("the broker has no transactions"))

    def settled(self, token: object, state: DeliveryState | None) -> None:
        assert isinstance(token, Future)
        self._pending.pop(token, None)
        token.resolve(state)


def _refusal(state: DeliveryState | None, otherwise: str) -> BatonError:
    if isinstance(state, Rejected) and state.error is not None:
        return error_of(state.error, otherwise)
    return BrokerError(otherwise)
