"""A channel of kombu over the queues of a file."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable
from itertools import count
from threading import RLock
from typing import Any, Protocol

from amqp.exceptions import ConsumerCancelled, NoConsumers
from kombu.transport.base import StdChannel

from batonmq.contrib.kombu.consumption import Consumption
from batonmq.contrib.kombu.declaring import Declaring
from batonmq.contrib.kombu.errors import translated
from batonmq.contrib.kombu.messages import Outgoing, Received, incoming_arguments, outgoing_message
from batonmq.engines.exchanges import DeleteQueue
from batonmq.engines.interface import Engine, How
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, Closed, NotFound

__all__ = ["Channel"]

# The most messages that are asked for at once, even without a prefetch count: there may be millions.
BATCH = 100


class Owner(Protocol):
    """The connection of a channel."""

    path: str
    engine: Engine
    lock: RLock

    def notify(self, channel: Channel) -> Callable[[Consumption], None]:
        """What the channel's consumers call, in any thread, when messages have arrived for them."""

    def forget(self, channel: Channel) -> None:
        """The channel was closed."""


class Channel(Declaring, StdChannel):
    """Stands in for py-amqp's channel. Any thread may settle; the one that drains events gets the messages."""

    Message = Received

    def __init__(self, connection: Owner, channel_id: int) -> None:
        super().__init__(connection.engine.exchanges, set())
        self.connection: Owner | None = connection
        self.channel_id = channel_id
        self.no_ack_consumers: set[str] = set()
        self.events: defaultdict[str, set[Callable[..., object]]] = defaultdict(set)
        """Called with messages that could not be routed: ``basic_return``."""
        self._lock = connection.lock
        self._engine = connection.engine
        self._path = connection.path
        self._prefetch = 0
        self._tags = count(1)
        self._consumers: dict[str, Consumption] = {}
        self._getters: dict[str, Consumption] = {}
        # Messages that the application holds unsettled, by delivery tag.
        self._held: dict[int, tuple[Consumption, Incoming]] = {}

    @property
    def is_open(self) -> bool:
        """Is the channel open?"""
        return self.connection is not None

    def _require_open(self) -> Owner:
        if self.connection is None:
            raise Closed(f"channel {self.channel_id} of the connection to {self._path} was closed; open another one")
        return self.connection

    # ------------------------------------------------------------------ publishing

    def prepare_message(
        self,
        body: str | bytes,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
    ) -> Outgoing:
        """The message for ``basic_publish``."""
        return Outgoing(body, priority, content_type, content_encoding, headers or {}, properties or {})

    def basic_publish(
        self,
        message: Outgoing,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        **_: Any,
    ) -> None:
        """basic.publish; on the disk when it returns, unless the message is transient. Raises NotFound, ResourceError.

        A task with an ``eta`` waits for it in the queue.
        """
        self._require_open()
        made = outgoing_message(message)
        flushed = not message.is_transient
        with translated():
            reached = self._exchanges.publish(exchange or "", routing_key or "", made, flushed=flushed).get()
        if mandatory and not reached:
            for tell in list(self.events["basic_return"]):
                tell(NoConsumers("NO_ROUTE"), exchange, routing_key, message)

    # ------------------------------------------------------------------ consuming

    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, a_global: bool = False, **_: Any) -> None:
        """basic.qos: how many messages all consumers of the channel may have unsettled together; 0: any number."""
        with self._lock:
            self._prefetch = prefetch_count or 0
            self._ask()

    def basic_consume(
        self,
        queue: str,
        consumer_tag: str = "",
        no_local: bool = False,
        no_ack: bool = False,
        exclusive: bool = False,
        nowait: bool = False,
        callback: Callable[[Any], object] | None = None,
        **_: Any,
    ) -> str:
        """basic.consume. Raises NotFound."""
        connection = self._require_open()
        with self._lock, translated():
            tag = consumer_tag or f"{self.channel_id}.{next(self._tags)}"
            self._consumers[tag] = Consumption(
                self._engine, queue, tag, callback, connection.notify(self), no_ack=bool(no_ack)
            )
            if no_ack:
                self.no_ack_consumers.add(tag)
            self._ask()
        return tag

    def basic_cancel(self, consumer_tag: str, nowait: bool = False, **_: Any) -> None:
        """basic.cancel. Messages that the application holds stay there until they are settled."""
        with self._lock:
            consumption = self._consumers.pop(consumer_tag, None)
            self.no_ack_consumers.discard(consumer_tag)
            if consumption is None:
                return
            consumption.cancel()
            self._ask()
        self._leave(consumption.queue)

    def _leave(self, queue: str) -> None:
        """Delete a temporary queue that has lost its last consumer."""
        if queue in self._temporary:
            self._temporary.discard(queue)
            # Others may still consume from the queue, or it is gone already.
            with contextlib.suppress(BatonError):
                self._exchanges.change(DeleteQueue(queue, if_unused=True), flushed=False).get()

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Received | None:
        """basic.get: a message that is ready now; None: there is none. Raises NotFound."""
        self._require_open()
        with self._lock, translated():
            getter = self._getters.get(queue)
            try:
                if getter is None:
                    getter = Consumption(self._engine, queue, None, None, lambda _: None, no_ack=no_ack)
                    self._getters[queue] = getter
                incoming = getter.get()
            except NotFound:
                self._getters.pop(queue, None)
                raise
            return None if incoming is None else self._hand(getter, incoming, no_ack=no_ack)

    def _hand(self, consumption: Consumption, incoming: Incoming, *, no_ack: bool) -> Received:
        tag = next(self._tags)
        if no_ack:
            consumption.settle(incoming, "accept")
        else:
            self._held[tag] = (consumption, incoming)
            consumption.hold()
        made = incoming_arguments(incoming, consumption.queue, tag, consumption.name)
        return self.Message(channel=self, **made)

    def message_to_python(self, message: Received) -> Received:
        """Return the message as it is: it needs no conversion."""
        return message

    # ------------------------------------------------------------------ what is asked for

    def _room(self) -> int:
        """How many more messages the application may have."""
        return BATCH if not self._prefetch else self._prefetch - len(self._held)

    def _ask(self) -> None:
        """Ask for as many messages as there is room for. Call it under the lock."""
        room = self._room()
        if room <= 0 or not self._consumers:
            return
        most = min(BATCH, max(1, room // len(self._consumers)))
        for consumption in list(self._consumers.values()):
            if consumption.is_idle:
                consumption.ask(most)

    def deliver(self, consumption: Consumption) -> int:
        """Give the application a consumer's messages; returns how many. Exceptions of its callback pass through.

        Raises ConsumerCancelled when the queue is gone, ConnectionLost.
        """
        with self._lock:
            try:
                consumption.arrive()
            except NotFound as error:
                self._consumers.pop(consumption.name or "", None)
                raise ConsumerCancelled(str(error)) from error
        given = 0
        while (message := self._next(consumption)) is not None:
            given += 1
            if consumption.callback is not None:
                consumption.callback(message)
        return given

    def _next(self, consumption: Consumption) -> Received | None:
        with self._lock:
            ready = consumption.ready
            while ready and self._room() <= 0:
                # Several queues were asked at once, so there may be too many: give back the last first, to keep order.
                consumption.settle(ready.pop(), "release")
            if ready:
                return self._hand(consumption, ready.popleft(), no_ack=consumption.no_ack)
            if self._room() <= 0:
                for other in self._consumers.values():
                    other.withdraw()
            self._ask()
            return None

    # ------------------------------------------------------------------ settling

    def basic_ack(self, delivery_tag: int, multiple: bool = False) -> None:
        """basic.ack: accept the delivery."""
        self._settle(delivery_tag, "accept", multiple=multiple)

    def basic_reject(self, delivery_tag: int, requeue: bool = False) -> None:
        """basic.reject: the message goes back to its place, or to the queue's dead letters."""
        self._settle(delivery_tag, "release" if requeue else "reject")

    def basic_nack(self, delivery_tag: int, multiple: bool = False, requeue: bool = True, **_: Any) -> None:
        """basic.nack of RabbitMQ."""
        self._settle(delivery_tag, "release" if requeue else "reject", multiple=multiple)

    def basic_recover(self, requeue: bool = True) -> None:
        """basic.recover: all unsettled messages go back to their queues."""
        with self._lock:
            for tag in sorted(self._held, reverse=True):
                self._settle(tag, "release")

    basic_recover_async = basic_recover

    def _settle(self, delivery_tag: int, how: How, *, multiple: bool = False) -> None:
        self._require_open()
        with self._lock:
            tags = [tag for tag in self._held if tag <= delivery_tag] if multiple else [delivery_tag]
            for tag in tags:
                found = self._held.pop(tag, None)
                if found is not None:
                    consumption, incoming = found
                    consumption.settle(incoming, how)
                    consumption.let_go()
            self._ask()

    # ------------------------------------------------------------------ queues as a whole

    def queue_purge(self, queue: str, nowait: bool = False, **_: Any) -> int:
        """queue.purge; returns how many messages were dropped. Raises NotFound."""
        self._require_open()
        with translated():
            return self._engine.purge(queue).get()

    def flow(self, active: bool) -> None:
        """channel.flow: nothing is delivered while it is not active."""
        with self._lock:
            if active:
                self._ask()
            else:
                for consumption in self._consumers.values():
                    consumption.withdraw()

    def confirm_select(self, nowait: bool = False) -> None:
        """confirm.select: has no effect, since a publish returns only when it is confirmed."""

    # ------------------------------------------------------------------ the end

    def collect(self) -> None:
        """Drop the channel silently, in a process forked from its owner."""
        self.connection = None
        self._consumers = {}
        self._getters = {}
        self._held = {}

    def close(self) -> None:
        """Give back unsettled messages, and delete the temporary queues that nobody else consumes from."""
        with self._lock:
            connection, self.connection = self.connection, None
            if connection is None:
                return
            consumers = list(self._consumers.values())
            ended = {*consumers, *self._getters.values(), *(consumption for consumption, _ in self._held.values())}
            self._consumers, self._getters, self._held = {}, {}, {}
            # The file's owner cannot be reached, and so holds nothing for us.
            with contextlib.suppress(BatonError):
                for consumption in ended:
                    consumption.close()
                for consumption in consumers:
                    self._leave(consumption.queue)
        connection.forget(self)
