"""A link to the coordinator: transactions are declared and discharged over it (part 4 §4.1 to §4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.composites import as_composite
from batonmq.protocols.amqp10.codec.performatives import (
    Accepted,
    Coordinator,
    Declare,
    Declared,
    Discharge,
    Rejected,
)
from batonmq.protocols.amqp10.codec.sections import VALUE, Sections
from batonmq.protocols.amqp10.codec.values import DecodeError, Described, Symbol
from batonmq.protocols.amqp10.failures import LinkFailure
from batonmq.protocols.amqp10.links.request_link import RequestLink

if TYPE_CHECKING:
    from batonmq.broker.model.channels import LinkStatus
    from batonmq.protocols.amqp10.codec.performatives import Attach
    from batonmq.protocols.amqp10.links.partial import Partial
    from batonmq.protocols.amqp10.links.session_parts import SessionParts

# Several transactions may be open in one session (part 4 §4.5.3).
CAPABILITIES: Final = (Symbol("amqp:local-transactions"), Symbol("amqp:multi-txns-per-ssn"))
REJECTED: Final = "amqp:rejected:list"
# The largest request in octets: it holds little more than an id.
REQUEST_MAX: Final = 4_096


class CoordinatorLink(RequestLink):
    """Controls transactions. Those that it has declared and not discharged are rolled back when it ends."""

    __slots__ = ("_declared", "_is_over", "_takes_rejections")

    def __init__(self, parts: SessionParts, handle: int, attach: Attach) -> None:
        """``handle`` is ours. Raises LinkFailure."""
        super().__init__(parts, handle, attach)
        self._declared: set[bytes] = set()
        self._is_over = False
        source = attach.source
        # A client that does not support rejected learns of a refusal by the end of its link (part 4 §4.2, §4.3).
        self._takes_rejections = source is None or source.outcomes is None or REJECTED in source.outcomes

    def status(self) -> LinkStatus:
        """The state of the link, for listings."""
        return self._inflow.status(None)

    def answer(self) -> Attach:
        """Our attach."""
        return self._inflow.answer(self._attach.source, Coordinator(capabilities=list(CAPABILITIES)))

    # ------------------------------------------------------------------ requests

    def _receive(self, request: Partial) -> None:
        data = request.whole()
        if len(data) > REQUEST_MAX:
            text = f"a request to the coordinator has at most {REQUEST_MAX} bytes"
            raise LinkFailure(conditions.MESSAGE_SIZE_EXCEEDED, text)
        try:
            asked = _asked(data)
        except DecodeError as error:
            raise LinkFailure(conditions.DECODE_ERROR, f"the request cannot be read: {error}") from None
        try:
            if isinstance(asked, Declare):
                self._declare(asked, request)
            elif isinstance(asked, Discharge):
                self._discharge(asked, request)
            else:
                raise LinkFailure(conditions.NOT_IMPLEMENTED, "a coordinator takes declare and discharge")
        except LinkFailure as failure:
            if request.is_settled or not self._takes_rejections:
                raise
            self._tell(Rejected(error=failure.error()), request)

    def _declare(self, asked: Declare, request: Partial) -> None:
        if asked.global_id is not None:
            raise LinkFailure(conditions.NOT_IMPLEMENTED, "transactions are local")
        if request.is_settled:
            raise LinkFailure(conditions.NOT_ALLOWED, "a declare that comes settled has no answer, and so no id")
        txn_id = self._parts.transactions.declare()
        self._declared.add(txn_id)
        self._tell(Declared(txn_id=txn_id), request)

    def _discharge(self, asked: Discharge, request: Partial) -> None:
        txn_id = asked.txn_id
        if txn_id not in self._declared:
            raise LinkFailure(conditions.UNKNOWN_TRANSACTION, "no transaction of that id was declared over this link")

        def done() -> None:
            if not request.is_settled:
                self._tell(Accepted(), request)

        def failed(reason: str) -> None:
            failure = LinkFailure(conditions.TRANSACTION_ROLLBACK, reason)
            if not request.is_settled and self._takes_rejections:
                self._tell(Rejected(error=failure.error()), request)
            elif not self._is_over:
                self._parts.links.detach(self, failure)

        self._declared.discard(txn_id)
        self._parts.transactions.discharge(txn_id, fail=bool(asked.fail), done=done, failed=failed)

    # ------------------------------------------------------------------ its end

    def detached(self, *, closed: bool, by_client: bool) -> None:
        """The link ends: roll back its transactions."""
        self._is_over = True
        super().detached(closed=closed, by_client=by_client)
        for txn_id in self._declared:
            self._parts.transactions.roll_back(txn_id)
        self._declared.clear()


def _asked(data: bytes) -> object:
    """The one value that a request has as its body (§4.2, §4.3). Raises DecodeError."""
    sections = Sections(data)
    if sections.body_kind != VALUE:
        raise DecodeError("its body is no amqp-value")
    (value,) = sections.body_values()
    return as_composite(value) if isinstance(value, Described) else value
