"""ActiveMQ Classic over AMQP 1.0.

The broker's own limit of deliveries, and its count for a message that is given back, are those of its Java client: over
AMQP it enforces none, and a message that is released stays with the link that had it. So for a release, or a rejection
to a dead letter queue of ours, a copy is sent and the message accepted, in one transaction; a header carries the count.
The broker counts exactly when a connection is lost, or a session ends.

With ``jolokia=`` in the URL, queues are created, deleted and looked up over JMX. Without it they appear when they are
used. ``declared`` keeps what the broker cannot.
"""

from __future__ import annotations

from typing import Final

from batonmq.engines.amqp10.products.base import Copy, Count, Held, Product, Settlement
from batonmq.engines.amqp10.products.beans import ANY, broker_bean, queue_bean, scheduler_beans
from batonmq.engines.amqp10.products.copies import copied
from batonmq.engines.amqp10.products.declared import NOTHING, Declared, first_declared, place_of
from batonmq.engines.amqp10.products.desk import Desk
from batonmq.engines.amqp10.products.jolokia import Jolokia
from batonmq.engines.amqp10.products.statistics import Statistics
from batonmq.engines.death_headers import REASON
from batonmq.engines.figures import QueueInfo, QueueStats
from batonmq.engines.interface import How
from batonmq.engines.messages import Message, received_message
from batonmq.engines.steps import Steps, wait_for
from batonmq.engines.values import Capabilities, Fate, QueueOptions
from batonmq.errors import AccessRefused, BrokerError, NotFound, PreconditionFailed
from batonmq.fields import FieldValue, Timestamp
from batonmq.protocols.amqp10.codec.performatives import Source, Target
from batonmq.protocols.amqp10.codec.values import Long

__all__ = ["ClassicProduct"]

# The header with a message's deliveries before it was copied.
COUNT: Final = "BatonMQ-deliveries"
_COUNT_RAW: Final = COUNT.encode()
# Names that are the broker's own, or ours.
_RESERVED: Final = ("ActiveMQ.", "amq.", place_of(""))
# The figures of a queue.
_COUNTED: Final = ("QueueSize", "InFlightCount", "ConsumerCount", "EnqueueCount", "DequeueCount")
# Rules that an administrator may have configured, and that cannot be read without JMX.
OFFERS: Final = frozenset({"delay", "priority"})


class ClassicProduct(Product):
    """ActiveMQ Classic, managed over JMX if the URL says how."""

    engine_name = "activemq"
    names = ("ActiveMQ",)
    isolates_receivers = True
    delays_in_transactions = False
    tells_of_deletion = False
    keeps_payloads = True

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        terms = desk.terms
        offers = frozenset(filter(None, terms.options.get("offers", "").split(",")))
        if unknown := sorted(offers - OFFERS):
            raise ValueError(f"offers is delay or priority or both, with a comma between them, not {unknown[0]!r}")
        url = terms.options.get("jolokia")
        self._jolokia = Jolokia(url, terms.user, terms.password, terms.tls, desk.call) if url is not None else None
        self._statistics: Statistics | None = None
        self._broker = ""
        self._offers = offers
        self._declared: dict[str, Declared] = {}

    def prepare(self) -> Steps[None]:
        if self._jolokia is None:
            statistics = Statistics(self.desk)
            if (yield from statistics.is_there()):
                self._statistics = statistics
            return
        found = yield from wait_for(self._jolokia.search(broker_bean("*")))
        if len(found) != 1:
            raise BrokerError(f"Jolokia at {self._jolokia.where} knows {len(found)} brokers of ActiveMQ, not one")
        self._broker = found[0]
        if (yield from wait_for(self._jolokia.search(scheduler_beans(self._broker)))):
            self._offers |= {"delay"}
        else:
            self._offers -= {"delay"}
        # By queue; `declare` looks the rules up.
        self._offers |= {"priority"}

    def close(self) -> None:
        if self._jolokia is not None:
            self._jolokia.close()

    @property
    def capabilities(self) -> Capabilities:
        delays = "delay" in self._offers
        return Capabilities(
            engine=self.engine_name,
            durable=True,
            delay=delays,
            release_delay=delays,
            retry_delay=delays,
            ttl=True,
            priority="priority" in self._offers,
            group=True,
            delivery_count=True,
            max_deliveries=True,
            dead_letter=True,
            reject_reason=True,
            request=True,
            transactions=True,
            peek=True,
            count=self._jolokia is not None or self._statistics is not None,
            purge=True,
            replay=True,
            replay_home=True,
            queues=self._jolokia is not None,
            stats=self._jolokia is not None or self._statistics is not None,
            atomic_replay=True,
        )

    @property
    def system(self) -> str:
        return "activemq"

    # ------------------------------------------------------------------ addresses

    def target(self, queue: str) -> Target:
        return Target(address=f"queue://{queue}")

    def source(self, queue: str) -> Source:
        return Source(address=f"queue://{queue}")

    def reply_target(self, reply_to: str) -> Target:
        return Target(address=reply_to if "://" in reply_to else f"queue://{reply_to}")

    def queue_of(self, address: str) -> str:
        return address.removeprefix("queue://")

    # ------------------------------------------------------------------ queues

    def check_declare(self, queue: str, options: QueueOptions) -> None:
        for one in filter(None, (queue, options.dead_letter)):
            _check_name(one)
            if one.startswith(_RESERVED):
                raise AccessRefused(f"queue name '{one}' is reserved")
        self._check(options)

    def declare(self, queue: str, options: QueueOptions) -> Steps[None]:
        self.check_declare(queue, options)
        wanted = Declared.of(options)
        is_there = yield from self._exists(queue)
        known = yield from self._learn(queue)
        if (known or NOTHING) != wanted and (known is not None or is_there):
            raise PreconditionFailed(f"queue '{queue}' is there, declared otherwise")
        if options.max_priority:
            yield from self._check_priorities(queue, is_there=is_there)
        if options.dead_letter is not None:
            yield from self._make(options.dead_letter)
        if known is None and wanted != NOTHING:
            # Before the queue: an existing queue without a record counts as declared without options.
            place = place_of(queue)
            yield from self._make(place)
            yield from wait_for(self.desk.send(self.target(place), [wanted.payload], place))
            if (yield from self._learn(queue)) != wanted:
                raise PreconditionFailed(f"queue '{queue}' has just been declared otherwise")
        yield from self._make(queue)

    def _check_priorities(self, queue: str, *, is_there: bool | None) -> Steps[None]:
        """Raises PreconditionFailed for a queue without them, as far as the broker can be asked."""
        if self._jolokia is None:
            return
        yield from self._make(queue)
        bean = queue_bean(self._broker, queue)
        found = yield from wait_for(self._jolokia.read(bean, "PrioritizedMessages"))
        if found.get("PrioritizedMessages") is not True:
            if not is_there:
                yield from self._unmake(queue)
            raise PreconditionFailed(f"no policy of the broker has prioritizedMessages for queue '{queue}'")

    def _check(self, options: QueueOptions) -> None:
        """Raises UnsupportedFeature for options that neither the broker nor we can enforce."""
        for name in ("ttl", "max_length", "max_bytes", "expires", "single_consumer"):
            if getattr(options, name):
                raise self._cannot(f"declare({name}=), for which ActiveMQ has policies in its configuration")

    def _make(self, queue: str) -> Steps[None]:
        """Create the queue; an existing one stays."""
        if self._jolokia is None:
            yield from wait_for(self.desk.probe(self.target(queue)))
        else:
            yield from wait_for(self._jolokia.execute(self._broker, "addQueue(java.lang.String)", queue))

    def delete(self, queue: str) -> Steps[None]:
        _check_name(queue)
        if self._jolokia is None:
            raise self._cannot("delete, unless the URL has jolokia=")
        yield from self._unmake(queue)
        yield from self._unmake(place_of(queue))
        self._declared.pop(queue, None)

    def _unmake(self, queue: str) -> Steps[None]:
        assert self._jolokia is not None
        yield from wait_for(self._jolokia.execute(self._broker, "removeQueue(java.lang.String)", queue))

    def require(self, queue: str) -> Steps[None]:
        _check_name(queue)
        if (yield from self._exists(queue)) is False:
            raise NotFound(f"no queue '{queue}'")
        yield from self._learn(queue)

    def _exists(self, queue: str) -> Steps[bool | None]:
        """Does the queue exist? None: unknown."""
        try:
            if self._jolokia is not None:
                yield from wait_for(self._jolokia.read(queue_bean(self._broker, queue), "QueueSize"))
            elif self._statistics is not None:
                yield from self._statistics.ready(queue)
            else:
                return None
        except NotFound:
            return False
        return True

    def _learn(self, queue: str) -> Steps[Declared | None]:
        """The recorded options, whoever declared them; None: there is no record."""
        known = None
        place = place_of(queue)
        if (yield from self._exists(place)) is not False:
            known = first_declared((yield from wait_for(self.desk.look(self.browsing(place), 10))))
        if known is None:
            self._declared.pop(queue, None)
        else:
            self._declared[queue] = known
        return known

    def fate(self, queue: str) -> Fate | None:
        known = self._declared.get(queue)
        return known.fate if known is not None else None

    def count(self, queue: str) -> Steps[int]:
        return (yield from self.stats(queue)).ready

    def stats(self, queue: str) -> Steps[QueueStats]:
        _check_name(queue)
        if self._statistics is not None:
            return QueueStats(ready=(yield from self._statistics.ready(queue)))
        if self._jolokia is None:
            raise self._cannot("count, unless the URL has jolokia=, or the broker statisticsBrokerPlugin")
        # A round trip first: earlier settlements may still be on their way, and JMX would overtake them.
        yield from wait_for(self.desk.probe(Target()))
        bean = queue_bean(self._broker, queue)
        try:
            found = yield from wait_for(self._jolokia.read(bean, *_COUNTED))
        except NotFound:
            raise NotFound(f"no queue '{queue}'") from None
        figures = [value if isinstance(value, int) else 0 for value in map(found.get, _COUNTED)]
        size, held, consumers, entered, accepted = figures
        return QueueStats(ready=max(0, size - held), held=held, consumers=consumers, entered=entered, accepted=accepted)

    def queues(self) -> Steps[list[QueueInfo]]:
        assert self._jolokia is not None
        try:
            beans = yield from wait_for(self._jolokia.read(queue_bean(self._broker, ANY), "Name"))
        except NotFound:
            return []
        told = [bean.get("Name") for bean in beans.values() if isinstance(bean, dict)]
        names = sorted(name for name in told if isinstance(name, str))
        return [QueueInfo(name) for name in names if not name.startswith(_RESERVED)]

    # ------------------------------------------------------------------ messages

    def check(self, message: Message) -> None:
        for name, value in (message.properties.headers or {}).items():
            if not _is_taken(value):
                text = "neither tables nor, in lists, bytes and times"
                raise ValueError(f"ActiveMQ takes {text} as headers: {name!r} would cost the connection")

    def delay_annotations(self, seconds: float) -> dict[str, object]:
        return {"x-opt-delivery-delay": Long(round(seconds * 1000))}

    def is_delay_header(self, name: str) -> bool:
        return name.startswith(("x-opt-delivery-", "AMQ_SCHEDULED_"))

    def count_of(self, message: Message, failures: int, first_acquirer: bool) -> Count:
        deliveries = failures + 1
        properties = message.properties
        if _COUNT_RAW in properties.raw:
            before = (properties.headers or {}).get(COUNT)
            deliveries += before if isinstance(before, int) else 0
        # Its first-acquirer is always false.
        return Count(deliveries, deliveries > 1)

    def shown(self, message: Message) -> Message:
        properties = message.properties
        if _COUNT_RAW not in properties.raw:
            return message
        headers = {name: value for name, value in (properties.headers or {}).items() if name != COUNT}
        return received_message(message.body, properties.replace(headers=headers or None))

    def is_worn_out(self, queue: str, deliveries: int) -> bool:
        most = self._declared.get(queue, NOTHING).max_deliveries
        return most is not None and deliveries > most

    def settlement(self, held: Held, how: How, reason: str, delay: float | None) -> Settlement:
        if how == "accept":
            return Settlement()
        known = self._declared.get(held.queue, NOTHING)
        most = known.max_deliveries
        is_over = most is not None and held.deliveries >= most
        if how == "release" and not is_over:
            wait = known.wait(held.deliveries) if delay is None else delay
            annotations = self.delay_annotations(wait) if wait else {}
            again = copied(
                held.payload, annotations=annotations, headers={COUNT: held.deliveries}, is_kept=self._is_kept
            )
            # The broker's scheduler takes a delayed message only after the commit of its transaction.
            return Settlement(copy=Copy(self.target(held.queue), again, held.queue, is_before=bool(wait)))
        if known.dead_letter is None:
            # To where the broker's policy sends it: the queue ActiveMQ.DLQ, unless it is configured otherwise.
            return super().settlement(held, "reject", reason, None)
        death = "delivery_limit" if how == "release" or (most is not None and held.deliveries > most) else "rejected"
        headers: dict[str, object] = {
            "x-last-death-queue": held.queue,
            "x-last-death-reason": death,
        }
        if reason:
            headers[REASON] = reason
        letter = copied(held.payload, headers=headers, is_kept=self._is_kept)
        return Settlement(copy=Copy(self.target(known.dead_letter), letter, known.dead_letter))

    def _is_kept(self, name: str) -> bool:
        """Does a copy keep this annotation?"""
        return name not in (COUNT, REASON) and not self.is_delay_header(name)


def _is_taken(value: FieldValue, *, is_inside: bool = False) -> bool:
    """Can the broker store this value as a property of a message, or inside one? If not, it closes the connection."""
    if isinstance(value, dict):
        return not value
    if isinstance(value, list):
        return all(_is_taken(one, is_inside=True) for one in value)
    if not is_inside or value is None:
        return True
    return isinstance(value, str | int | float) and not isinstance(value, Timestamp)


def _check_name(queue: str) -> None:
    """Raises ValueError for a name that the broker would take for several queues, options or a pattern."""
    if queue != queue.strip() or any(one in queue for one in ",?") or not {"*", ">"}.isdisjoint(queue.split(".")):
        raise ValueError(f"ActiveMQ has no queue of the name {queue!r}: a comma, ?, .*. and .> have a meaning in names")
