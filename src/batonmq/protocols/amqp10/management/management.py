"""Finds the operation of a request, and sends its answer once the store has the change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import (
    AccessRefused,
    BrokerError,
    NotFound,
    PreconditionFailed,
    ResourceError,
    StoreError,
)
from batonmq.fields import FieldError
from batonmq.protocols.amqp10.management.bindings import BindingRequests
from batonmq.protocols.amqp10.management.exchanges import ExchangeRequests
from batonmq.protocols.amqp10.management.queues import QueueRequests
from batonmq.protocols.amqp10.management.requests import (
    Answer,
    BadRequest,
    Request,
    read_request,
    unescaped,
    write_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker import Operations
    from batonmq.protocols.sessions.commit_barrier import CommitBarrier

_STATUS: dict[type[BrokerError], int] = {
    AccessRefused: 403,
    NotFound: 404,
    PreconditionFailed: 409,
    ResourceError: 503,
}


class Management:
    """The management of one connection, with the rights of its user."""

    __slots__ = ("_barrier", "_bindings", "_exchanges", "_queues")

    def __init__(self, operations: Operations, barrier: CommitBarrier, node: str) -> None:
        """``node`` is the broker's name."""
        self._barrier = barrier
        self._queues = QueueRequests(operations, node)
        self._exchanges = ExchangeRequests(operations)
        self._bindings = BindingRequests(operations)

    def handle(self, data: bytes, reply: Callable[[bytes], None]) -> None:
        """Handle the request in a message; ``reply`` gets the encoded answer once the store has the change.

        Raises LinkFailure for a message that is not a request.
        """
        request = read_request(data)
        before = self._barrier.changes
        answer = self._answer(request)

        def done() -> None:
            reply(write_answer(request.id, answer))

        def failed(reason: str) -> None:
            reply(write_answer(request.id, Answer(503, reason)))

        self._barrier.wait_for_change(before, done, failed)

    def _answer(self, request: Request) -> Answer:
        try:
            return self._do(request)
        except BadRequest as error:
            return Answer(error.status, str(error))
        except FieldError as error:
            return Answer(400, str(error))
        except StoreError as error:
            return Answer(503, error.reason)
        except BrokerError as error:
            return Answer(_STATUS.get(type(error), 400), str(error))

    def _do(self, request: Request) -> Answer:
        """Raises BadRequest, BrokerError, StoreError, FieldError."""
        match (request.method, *request.path):
            case ("GET", "", "queues", name):
                return self._queues.get(unescaped(name))
            case ("PUT", "", "queues", name):
                return self._queues.put(unescaped(name), request)
            case ("DELETE", "", "queues", name):
                return self._queues.delete(unescaped(name))
            case ("DELETE", "", "queues", name, "messages"):
                return self._queues.purge(unescaped(name))
            case ("PUT", "", "exchanges", name):
                return self._exchanges.put(unescaped(name), request)
            case ("DELETE", "", "exchanges", name):
                return self._exchanges.delete(unescaped(name))
            case ("GET", "", "bindings"):
                return self._bindings.get(request)
            case ("POST", "", "bindings"):
                return self._bindings.post(request)
            case ("DELETE", "", "bindings", segment):
                return self._bindings.delete(segment)
            case ("PUT", "", "auth", "tokens"):
                return _renew(request)
        raise _unknown(request)


def _renew(request: Request) -> Answer:
    """A new token of OAuth 2.0 changes nothing for a user of a password, whose log-in does not end, as in RabbitMQ.

    Raises BadRequest.
    """
    if not isinstance(request.body, bytes):
        raise BadRequest(400, "no binary, which the body with a token is")
    return Answer(204)


def _unknown(request: Request) -> BadRequest:
    shown = f"'{'/'.join(request.path)[:200]}'"
    match request.path:
        case (
            ["", "queues" | "exchanges", _]
            | ["", "queues", _, "messages"]
            | ["", "bindings"]
            | ["", "bindings", _]
            | ["", "auth", "tokens"]
        ):
            return BadRequest(405, f"{request.method[:32]} is no method of {shown}")
        case _:
            return BadRequest(404, f"there is nothing at {shown}")
