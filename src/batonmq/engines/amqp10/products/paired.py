"""Brokers managed over the pair of links to ``/management``, as in RabbitMQ 4: HTTP in messages."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from batonmq.engines.amqp10.products.base import Product
from batonmq.engines.amqp10.products.desk import Answer
from batonmq.engines.figures import QueueStats
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import QueueOptions
from batonmq.errors import (
    AccessRefused,
    BatonError,
    BrokerError,
    NotFound,
    PreconditionFailed,
    ResourceError,
    Unsupported,
)
from batonmq.fields import FieldValue
from batonmq.protocols.amqp10.codec.performatives import Source, Target
from batonmq.protocols.amqp10.messages.field_values import from_field

__all__ = ["PairedProduct", "check_answer"]

_PREFIX: Final = "/queues/"
_KINDS: Final[dict[int, type[BrokerError]]] = {
    400: PreconditionFailed,
    401: AccessRefused,
    403: AccessRefused,
    404: NotFound,
    409: PreconditionFailed,
    501: Unsupported,
    503: ResourceError,
}


class PairedProduct(Product):
    """Addresses are ``/queues/NAME``, %-escaped."""

    queue_prefix = _PREFIX

    def target(self, queue: str) -> Target:
        return Target(address=address_of(queue))

    def source(self, queue: str) -> Source:
        return Source(address=address_of(queue))

    def reply_target(self, reply_to: str) -> Target:
        return Target(address=reply_to if reply_to.startswith("/") else address_of(reply_to))

    def queue_of(self, address: str) -> str:
        return unquote(address.removeprefix(_PREFIX)) if address.startswith(_PREFIX) else address

    # ------------------------------------------------------------------ queues

    def arguments(self, options: QueueOptions) -> dict[str, FieldValue]:
        """The arguments for declaring a queue. Raises UnsupportedFeature."""
        return options.arguments()

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        self.arguments(options)

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        arguments = self.arguments(options)
        dead = options.dead_letter
        is_new = False
        if dead is not None:
            # The dead letter queue may exist with options of its own.
            is_new = (yield from self._look_up(dead)) is None
            if is_new:
                yield from self._put(dead, self.arguments(QueueOptions(durable=options.durable)), options.durable)
        try:
            yield from self._put(queue, arguments, options.durable)
        except BatonError:
            if is_new and dead is not None:
                # It was created for nothing; delete it unless somebody uses it already.
                there = yield from self._look_up(dead)
                if there is not None and not there.get("message_count") and not there.get("consumer_count"):
                    yield from self.delete(dead)
            raise

    def _put(self, queue: str, arguments: dict[str, FieldValue], durable: bool) -> Steps[None]:
        body = {
            "durable": durable,
            "exclusive": False,
            "auto_delete": False,
            "arguments": {name: from_field(value) for name, value in arguments.items()},
        }
        answer = yield from wait_for(self.desk.ask_pair("PUT", address_of(queue), body))
        check_answer(answer, queue)

    def _look_up(self, queue: str) -> Steps[dict[str, object] | None]:
        """The broker's description of a queue; None: there is none."""
        answer = yield from wait_for(self.desk.ask_pair("GET", address_of(queue)))
        if answer.status == 404:
            return None
        check_answer(answer, queue)
        body = answer.body
        return {str(name): value for name, value in body.items()} if isinstance(body, dict) else {}

    def delete(self, queue: str) -> Steps[None]:
        answer = yield from wait_for(self.desk.ask_pair("DELETE", address_of(queue)))
        if answer.status != 404:
            check_answer(answer, queue)

    def count(self, queue: str) -> Steps[int]:
        # Not from ``stats``: a product may get that from requests that need more rights.
        return (yield from self._found(queue)).ready

    def stats(self, queue: str) -> Steps[QueueStats]:
        return self._found(queue)

    def _found(self, queue: str) -> Steps[QueueStats]:
        found = yield from self._look_up(queue)
        if found is None:
            raise NotFound(f"no queue '{queue}'")
        return QueueStats(ready=_number(found.get("message_count")), consumers=_number(found.get("consumer_count")))

    def purge(self, queue: str) -> Steps[int] | None:
        return self._purge(queue)

    def _purge(self, queue: str) -> Steps[int]:
        answer = yield from wait_for(self.desk.ask_pair("DELETE", f"{address_of(queue)}/messages"))
        check_answer(answer, queue)
        body = answer.body
        return _number(body.get("message_count")) if isinstance(body, dict) else 0


def address_of(queue: str) -> str:
    """The address of a queue."""
    return _PREFIX + quote(queue, safe="")


def check_answer(answer: Answer, queue: str) -> None:
    """Raises the error in a management answer; ``queue`` is for an answer without a text."""
    if 200 <= answer.status < 300:
        return
    text = answer.body if isinstance(answer.body, str) and answer.body else f"status {answer.status} for '{queue}'"
    raise _KINDS.get(answer.status, BrokerError)(text)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
