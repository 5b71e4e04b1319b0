"""Management requests, sent as messages.

A request is published to the exchange ``batonmq.management`` as JSON with an operation and a reply-to. The answer is
published to the default exchange with the reply-to as the routing key, once the change is on disk. This works through
every protocol, with the rights of the user who asks: queues that the user may not read are not shown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batonmq.broker.management.answering import OPERATIONS, carry_out
from batonmq.broker.management.deliveries import ACCEPTANCE, delivery_in
from batonmq.broker.model.outcomes import KEPT
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.errors import PreconditionFailed, StoreError, Unsupported, condition_of
from batonmq.field_encoding import encode_name
from batonmq.fields import FieldError
from batonmq.json_text import JsonError, read_json
from batonmq.message import Message
from batonmq.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batonmq.broker.management.request import Answer
    from batonmq.broker.operations.operations import Operations
    from batonmq.broker.routing.router import Router
    from batonmq.errors import BrokerError

# The largest request in bytes: parsing blocks the loop.
REQUEST_MAX = 1 << 20


class ManagementTarget:
    """Receives the requests of one connection."""

    __slots__ = ("_operations", "_router", "name", "survives_restart")

    def __init__(self, operations: Operations) -> None:
        self.name = MANAGEMENT
        self.survives_restart = False
        self._operations = operations
        self._router = operations.vhost.router

    def expect(self, message: Message) -> None:
        """Does nothing: a request is not kept."""

    def has_room_for(self, size: int) -> bool:
        """Always."""
        return True

    def has_room_for_all(self, messages: Sequence[Message]) -> bool:
        """Always."""
        return True

    def publish(self, message: Message) -> int:
        """Carry out the request in a message, with or without a reply-to. Raises AccessRefused."""
        if message.properties.reply_to:
            self._operations.require_answerable(message.properties.reply_to)
        reply = _Reply(self._router, message)
        try:
            operation, fields = _read(message.body)
        except PreconditionFailed as error:
            reply.refuse(error)
            return KEPT
        carry_out(self._operations, operation, fields, reply, reply.refuse)
        return KEPT


def _read(body: bytes) -> tuple[str, dict[str, object]]:
    """The operation and the fields of a request. Raises PreconditionFailed."""
    if len(body) > REQUEST_MAX:
        raise PreconditionFailed(f"the request has {len(body)} bytes, more than {REQUEST_MAX}")
    try:
        fields = read_json(body)
        operation = fields["operation"]
        if operation not in OPERATIONS:
            raise KeyError(operation)
        if b"\\u" in body or not body.isascii():
            # A lone surrogate cannot be delivered; surrogates that stand for bytes are allowed.
            encode_name(json.dumps(fields, ensure_ascii=False))
    except FieldError:
        raise PreconditionFailed("the request has half a pair of surrogates in it, which is no text") from None
    except (JsonError, KeyError, TypeError) as error:
        what = f"the request is {error}; " if isinstance(error, JsonError) else ""
        known = ", ".join(sorted(OPERATIONS))
        raise PreconditionFailed(f'{what}a request is JSON with an "operation", one of: {known}') from None
    return operation, fields


def refuse_requests(targets: Sequence[object]) -> None:
    """Raises Unsupported if a target takes requests: a request cannot wait for the commit of a transaction."""
    if any(isinstance(target, ManagementTarget) for target in targets):
        raise Unsupported(f"a request to '{MANAGEMENT}' cannot be part of a transaction")


def accepted_in(targets: Sequence[object], message: Message) -> tuple[int, int] | None:
    """The channel and the delivery tag that a request of a transaction accepts; None: it is not a request.

    Only this one can be part of a transaction. Raises Unsupported for any other, PreconditionFailed for anything else.
    """
    if not any(isinstance(target, ManagementTarget) for target in targets):
        return None
    operation, fields = _read(message.body)
    if operation != ACCEPTANCE or message.properties.reply_to:
        refuse_requests(targets)
    return delivery_in(fields)


def refusal(error: BrokerError | StoreError) -> Answer:
    """The answer to a request that is refused."""
    text = error.reason if isinstance(error, StoreError) else str(error)
    condition = condition_of(error)
    return {"ok": False, "error": text, **({"condition": condition} if condition else {})}


class _Reply:
    """Sends the answer to the sender of a request."""

    __slots__ = ("_correlation_id", "_reply_to", "_router")

    def __init__(self, router: Router, request: Message) -> None:
        self._router = router
        self._reply_to = request.properties.reply_to
        self._correlation_id = request.properties.correlation_id

    def __call__(self, answer: Answer) -> None:
        self._send({"ok": True, **answer})

    def refuse(self, error: BrokerError | StoreError) -> None:
        """Answer with an error."""
        self._send(refusal(error))

    def _send(self, answer: Answer) -> None:
        if self._reply_to:
            router = self._router
            properties = Properties.make(content_type="application/json", correlation_id=self._correlation_id)
            message = Message("", self._reply_to, properties, json.dumps(answer).encode())
            router.publish(message, router.route(router.default, [self._reply_to], {}))
