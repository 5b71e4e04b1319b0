"""Transactions: messages sent and messages accepted, both or neither; and copies sent in place of messages.

All of this runs in the connection's thread, but for ``run`` and ``send_copy``, which any thread may call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.engines.amqp10.settling import Copying, Settling
from batonmq.engines.futures import Future
from batonmq.engines.steps import Steps, run_steps, wait_for
from batonmq.errors import BatonError, ResourceError
from batonmq.protocols.amqp10.codec.performatives import Accepted, TransactionalState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batonmq.engines.amqp10.desk import EngineDesk
    from batonmq.engines.amqp10.products.base import Copy
    from batonmq.engines.amqp10.uplink import Uplink
    from batonmq.engines.values import Incoming

__all__ = ["Transacting"]

# The text of BatonMQ's broker for a transaction for which a queue has no room.
_FULL = "the transaction cannot be kept"


class Transacting(Copying):
    """The transactions of one engine."""

    __slots__ = ("_desk", "_uplink")

    def __init__(self, uplink: Uplink, desk: EngineDesk) -> None:
        self._uplink = uplink
        self._desk = desk

    def run(
        self, send: Callable[[bytes], list[Future[None]]], accepts: Sequence[tuple[Settling, Incoming]]
    ) -> Future[None]:
        """Accept these deliveries, and call ``send`` with the transaction's id to send messages; all or nothing.

        Fails with LeaseLost for a message that cannot be accepted any more, and otherwise with the broker's error.
        """
        future: Future[None] = Future()

        def begin() -> None:
            steps = run_steps(self._steps(send, accepts))

            def pass_on() -> None:
                if steps.error is not None:
                    future.fail(steps.error)
                else:
                    future.resolve(None)

            steps.when_done(pass_on, owed=future)

        self._uplink.when_open(begin, future)
        return future

    def _steps(
        self, send: Callable[[bytes], list[Future[None]]], accepts: Sequence[tuple[Settling, Incoming]]
    ) -> Steps[None]:
        for settling, incoming in accepts:
            settling.check_held(incoming)
        transactions = self._desk.transactions
        txn = yield from wait_for(transactions.declare())
        failure: BatonError | None = None
        state = TransactionalState(txn_id=txn, outcome=Accepted())
        try:
            for settling, incoming in accepts:
                settling.accept_in(incoming, state)
            for sent in send(txn):
                yield from wait_for(sent)
        except BatonError as error:
            failure = error
        try:
            yield from wait_for(transactions.discharge(txn, fail=failure is not None))
        except BatonError as error:
            failure = failure or (ResourceError(str(error)) if _FULL in str(error) else error)
        for settling, incoming in accepts:
            settling.transaction_over(incoming, committed=failure is None)
        if failure is not None:
            raise failure

    # ------------------------------------------------------------------ copies

    def send_copy(self, copy: Copy, settling: Settling, incoming: Incoming) -> Future[None]:
        def send(txn: bytes) -> list[Future[None]]:
            future: Future[None] = Future()
            outlet = self._desk.publisher.open(copy.target, copy.queue)
            outlet.send((copy.payload,), future, TransactionalState(txn_id=txn))
            return [future]

        if copy.is_before:
            return self._send_before(copy, settling, incoming)
        return self.run(send, [(settling, incoming)])

    def _send_before(self, copy: Copy, settling: Settling, incoming: Incoming) -> Future[None]:
        """Send a copy, and accept the original once the copy is confirmed: the broker has no transactions."""
        future: Future[None] = Future()
        sent: Future[None] = Future()

        def begin() -> None:
            try:
                settling.check_held(incoming)
                self._desk.publisher.open(copy.target, copy.queue).send((copy.payload,), sent)
            except BatonError as error:
                sent.fail(error)

        def done() -> None:
            if sent.error is not None:
                future.fail(sent.error)
                return
            settling.transaction_over(incoming, committed=True)
            future.resolve(None)

        sent.when_done(done, owed=future)
        self._uplink.when_open(begin, sent)
        return future
