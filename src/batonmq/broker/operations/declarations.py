"""Declares and deletes in a virtual host on behalf of a client: checks first, then acts."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batonmq.broker.model.arguments import ARGUMENTS
from batonmq.broker.model.declared import are_equivalent, check_changes, check_new, require_equivalent
from batonmq.broker.model.events import QUEUE_CHANGED, SWEEP_DONE
from batonmq.broker.model.settings import CLASSIC
from batonmq.broker.operations.bindings import Bindings
from batonmq.broker.operations.checks import MANAGEMENT, clean, locked
from batonmq.broker.routing.exchanges import ALTERNATE_EXCHANGE, EXCHANGE_TYPES, Exchange, ExchangeOptions
from batonmq.broker.routing.exchanges.delayed import TYPE_ARGUMENT
from batonmq.errors import AccessRefused, BrokerError, PreconditionFailed
from batonmq.field_encoding import type_name
from batonmq.fields import NAME_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batonmq.broker.queues.queue import Queue
    from batonmq.fields import FieldValue


# An internal argument that lists the defaults among a queue's arguments.
BY_DEFAULT = "x-by-default"


class Declarations(Bindings):
    """exchange.* and queue.* of AMQP 0-9-1, for every protocol."""

    __slots__ = ()

    # ------------------------------------------------------------------ exchanges

    def declare_exchange(
        self,
        name: str,
        kind: str,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, FieldValue] | None = None,
    ) -> Exchange:
        """exchange.declare. Raises AccessRefused, and PreconditionFailed if it exists with other options."""
        arguments = arguments or {}
        name = clean(name)
        self._not_default(name)
        if kind not in EXCHANGE_TYPES:
            raise PreconditionFailed(f"unknown exchange type '{kind}'")
        self._require("configure", "exchange", name)
        existing = self.vhost.router.exchange(name)
        if existing is not None:
            described = self._described("exchange", name)
            _require_same_exchange(existing, described, kind, durable, auto_delete, internal, arguments)
            return existing
        _may_be_new("exchange", name)
        alternate = arguments.get(ALTERNATE_EXCHANGE)
        if ALTERNATE_EXCHANGE in arguments:
            if not isinstance(alternate, str):
                raise PreconditionFailed(
                    f"invalid type '{type_name(alternate)}' for arg '{ALTERNATE_EXCHANGE}'"
                    f" in {self._described('exchange', name)}"
                )
            self._require("read", "exchange", name)
            self._require("write", "exchange", str(alternate))
        options = ExchangeOptions(name, durable, auto_delete, internal, arguments)
        return self.vhost.add_exchange(kind, options)

    def find_exchange(self, name: str) -> Exchange:
        """The exchange of that name. Raises NotFound, and AccessRefused for the default exchange or without a right."""
        self._not_default(name)
        self._require_sight("exchange", name)
        return self._exchange(clean(name))

    def delete_exchange(self, name: str, *, if_unused: bool = False) -> None:
        """exchange.delete; a missing exchange is no error. Raises AccessRefused, and PreconditionFailed if in use."""
        self._not_default(name)
        if name.startswith("amq.") or name == MANAGEMENT:
            raise AccessRefused(f"deletion of system {self._described('exchange', name)} not allowed")
        self._require("configure", "exchange", name)
        exchange = self.vhost.router.exchange(name)
        if exchange is None:
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{self._described('exchange', name)} in use")
        self.vhost.router.remove_exchange(exchange)

    # ------------------------------------------------------------------ queues

    def declare_queue(
        self,
        name: str,
        *,
        durable: bool = False,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, FieldValue] | None = None,
        defaults: Mapping[str, FieldValue] | None = None,
    ) -> Queue:
        """queue.declare; "": generate a name. Raises AccessRefused, PreconditionFailed, ResourceLocked, StoreError.

        ``defaults`` are arguments that a protocol adds for a new queue. The user did not ask for them, so they need no
        permission, and a later declaration without them, in any protocol, is equivalent.
        """
        arguments = arguments or {}
        defaults = defaults or {}
        # It goes with its connection, so there is nothing to keep; RabbitMQ takes it in the same way.
        asked_durable, durable = durable, durable and not exclusive
        name = clean(name)
        is_named = bool(name)
        if is_named:
            existing = self.vhost.queues.get(name)
            if existing is not None:
                self._require("configure", "queue", name)
                self._require_same_queue(existing, durable, exclusive, auto_delete, arguments)
                self.vhost.directory.clients.churn.queue_declared()
                existing.used()
                return existing
            _may_be_new("queue", name)
        else:
            if arguments.get("x-queue-type") == "quorum":
                raise PreconditionFailed("server-named queues cannot be of type quorum")
            name = "amq.gen-" + secrets.token_urlsafe(16)
        made = self.require_new_queue(
            name,
            durable=asked_durable,
            exclusive=exclusive,
            auto_delete=auto_delete,
            arguments=arguments,
            defaults={
                **defaults,
                **self._default_type(is_named=is_named, shares=durable and not (exclusive or auto_delete)),
            },
        )
        queue = self.vhost.add_queue(
            name,
            durable=durable,
            auto_delete=auto_delete,
            owner=self.owner if exclusive else None,
            arguments=made,
        )
        self.vhost.directory.clients.churn.queue_declared()
        if exclusive:
            self.owned[name] = queue
        return queue

    def require_new_queue(
        self,
        name: str,
        *,
        durable: bool,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, FieldValue],
        defaults: Mapping[str, FieldValue],
    ) -> Mapping[str, FieldValue]:
        """The arguments of a new queue of this name, with the defaults, if the user may declare it so.

        For who has to give up something else before. Raises AccessRefused, PreconditionFailed.
        """
        self._require("configure", "queue", name)
        dead_letters = arguments.get("x-dead-letter-exchange")
        if "x-dead-letter-exchange" in arguments and not isinstance(dead_letters, str):
            raise PreconditionFailed(
                f"invalid type '{type_name(dead_letters)}' for arg 'x-dead-letter-exchange'"
                f" in {self._described('queue', name)}"
            )
        if dead_letters is not None:
            self._require("read", "queue", name)
            self._require("write", "exchange", str(dead_letters))
        made = _with_defaults(arguments, defaults)
        described = self._described("queue", name)
        check_new(made, described, durable=durable, exclusive=exclusive, auto_delete=auto_delete)
        return made

    def _default_type(self, *, is_named: bool, shares: bool) -> dict[str, FieldValue]:
        """The virtual host's default type, if the queue can have it: a quorum queue is durable, named and shared."""
        default = self.vhost.metadata.default_queue_type
        return {"x-queue-type": default} if default != CLASSIC and is_named and shares else {}

    def _require_same_queue(
        self, queue: Queue, durable: bool, exclusive: bool, auto_delete: bool, arguments: Mapping[str, FieldValue]
    ) -> None:
        self._not_locked(queue)
        if queue.exclusive != exclusive:
            raise locked(queue, self.vhost.name)
        described = self._described("queue", queue.name)
        _require_flags(
            described, (("durable", durable, queue.durable), ("auto_delete", auto_delete, queue.auto_delete))
        )
        unasked = queue.arguments.get(BY_DEFAULT)
        names = tuple(ARGUMENTS)
        if isinstance(unasked, list):
            names = tuple(name for name in ARGUMENTS if name in arguments or name not in unasked)
        if "x-queue-type" not in arguments and queue.settings.queue_type == self.vhost.metadata.default_queue_type:
            # As RabbitMQ has it: the type that it would get now, whoever asked for it.
            names = tuple(name for name in names if name != "x-queue-type")
        # An argument changed in place may be declared with its current or its original value.
        declared = queue.changed_arguments
        changed = {name for name in declared if are_equivalent(declared[name], arguments.get(name))}
        require_equivalent(queue.arguments, arguments, described, tuple(name for name in names if name not in changed))

    def change_queue(self, name: str, changes: Mapping[str, FieldValue]) -> Queue:
        """Change a queue's arguments, at once and permanently: those that a policy can set, too. None removes one.

        Raises NotFound, AccessRefused, ResourceLocked, and PreconditionFailed, and then changes nothing.
        """
        self._require("configure", "queue", name)
        queue = self.find_queue(name)
        check_changes(changes, self._described("queue", queue.name))
        dead_letters = changes.get("x-dead-letter-exchange")
        if dead_letters is not None:
            self._require("read", "queue", name)
            self._require("write", "exchange", str(dead_letters))
        merged = {**queue.arguments, **changes}
        self.vhost.change_queue(queue, {name: value for name, value in merged.items() if value is not None})
        self.vhost.scheduler.events.tell(
            QUEUE_CHANGED, vhost=self.vhost.name, user=self.user.name, queue=queue.name, arguments=sorted(changes)
        )
        return queue

    def purge_queue(self, name: str) -> int:
        """queue.purge; returns how many messages were dropped. Raises NotFound, AccessRefused, ResourceLocked."""
        self._require("read", "queue", name)
        queue = self.find_queue(name)
        count = queue.purge()
        self.vhost.scheduler.events.tell(
            SWEEP_DONE, vhost=self.vhost.name, user=self.user.name, operation="purge", queue=queue.name, count=count
        )
        return count

    def look_up_queue(self, name: str) -> Queue:
        """queue.declare (passive): return the queue if it exists. Raises NotFound, AccessRefused, ResourceLocked."""
        self._require_sight("queue", name)
        return self.find_queue(name)

    def see_queue(self, name: str) -> Queue | None:
        """The queue of that name, even an exclusive one of another connection. Raises AccessRefused."""
        self._require_sight("queue", name)
        return self.vhost.queues.get(name)

    def delete_queue(
        self, name: str, *, if_unused: bool = False, if_empty: bool = False, must_exist: bool = False
    ) -> int:
        """queue.delete; a missing queue is no error. Returns how many messages were ready.

        Raises AccessRefused, PreconditionFailed, ResourceLocked, and NotFound if it ``must_exist``.
        """
        self._require("configure", "queue", name)
        queue = self.find_queue(name) if must_exist else self.vhost.queues.get(name)
        if queue is None:
            return 0
        self._not_locked(queue)
        if if_unused and queue.consumers:
            raise PreconditionFailed(f"{self._described('queue', name)} in use")
        if if_empty:
            queue.finish_returns()
        if if_empty and (queue.ready_count or queue.delayed_count):
            raise PreconditionFailed(f"{self._described('queue', name)} not empty")
        self.owned.pop(name, None)
        return self.vhost.remove_queue(queue)

    def take_back(self, queue: Queue) -> None:
        """Delete a queue that this connection created for itself, whatever the user's rights."""
        self.owned.pop(queue.name, None)
        self.vhost.remove_queue(queue)

    @contextmanager
    def taken_back_if_refused(self, queue: Queue) -> Iterator[None]:
        """Delete a queue that this connection just declared if what it was declared for is refused."""
        try:
            yield
        except BrokerError:
            self.take_back(queue)
            raise

    def forget_owned(self, name: str) -> None:
        """Forget an exclusive queue of the connection that is deleted already."""
        self.owned.pop(name, None)

    def release_owned(self) -> None:
        """Delete the exclusive queues of the connection, which has ended."""
        self.vhost.let_go(self.owned.values())
        self.owned.clear()


def shown_arguments(arguments: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """The arguments of a queue, exchange or binding for listings, without internal ones."""
    return {name: value for name, value in arguments.items() if name != BY_DEFAULT}


def _with_defaults(arguments: Mapping[str, FieldValue], defaults: Mapping[str, FieldValue]) -> Mapping[str, FieldValue]:
    unasked: list[FieldValue] = [name for name in defaults if name not in arguments]
    return {**defaults, **arguments, BY_DEFAULT: unasked} if unasked else arguments


def _may_be_new(kind: str, name: str) -> None:
    if name.startswith("amq."):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")
    if name == MANAGEMENT and kind == "exchange":
        raise AccessRefused(f"{kind} name '{name}' is reserved for requests about the broker")
    # Protocols without short strings could send longer names.
    if len(name) > NAME_MAX // 4 and len(name.encode(errors="surrogateescape")) > NAME_MAX:
        raise PreconditionFailed(f"{kind} name '{name[:64]}...' has more than {NAME_MAX} octets")


def _require_flags(described: str, flags: tuple[tuple[str, bool, bool], ...]) -> None:
    for flag, received, current in flags:
        if received != current:
            raise PreconditionFailed(
                f"inequivalent arg '{flag}' for {described}: received '{str(received).lower()}'"
                f" but current is '{str(current).lower()}'"
            )


def _require_same_exchange(
    exchange: Exchange,
    described: str,
    kind: str,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: Mapping[str, FieldValue],
) -> None:
    if exchange.kind != kind:
        raise PreconditionFailed(
            f"inequivalent arg 'type' for {described}: received '{kind}' but current is '{exchange.kind}'"
        )
    _require_flags(
        described,
        (
            ("durable", durable, exchange.durable),
            ("auto_delete", auto_delete, exchange.auto_delete),
            ("internal", internal, exchange.internal),
        ),
    )
    require_equivalent(exchange.arguments, arguments, described, (ALTERNATE_EXCHANGE, TYPE_ARGUMENT))
