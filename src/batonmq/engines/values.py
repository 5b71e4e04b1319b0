"""The values of the engine interface beside messages: the options of queues, the capabilities of engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from batonmq.engines.checks import check_flag, check_number, check_queue, check_seconds
from batonmq.engines.messages import Message
from batonmq.engines.queue_arguments import ARGUMENTS
from batonmq.fields import FieldValue

__all__ = ["Capabilities", "Fate", "Incoming", "Overflow", "QueueOptions"]

Overflow = Literal["drop-oldest", "refuse"]


class Incoming:
    """A message that was delivered to a receiver. ``handle`` is the engine's own."""

    __slots__ = ("delivery_count", "handle", "is_counted", "message", "origin", "redelivered")

    message: Message
    delivery_count: int
    redelivered: bool
    handle: object
    is_counted: bool
    """Is the count exact? If the queue does not count, 2 means 2 or more."""
    origin: tuple[str, str] | None
    """The exchange and the routing key that it was published with; None: unknown."""

    def __init__(
        self,
        message: Message,
        delivery_count: int,
        redelivered: bool,
        handle: object,
        *,
        is_counted: bool = True,
        origin: tuple[str, str] | None = None,
    ) -> None:
        self.message = message
        self.delivery_count = delivery_count
        self.redelivered = redelivered
        self.handle = handle
        self.is_counted = is_counted
        self.origin = origin


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to messages of a queue that are not accepted."""

    dead_letter: str | None
    """Where messages go that are given up, in words for people; None: they are dropped."""
    max_deliveries: int | None
    """The most deliveries of each message; None: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """The options of a queue; None: the engine's default. Times are in seconds."""

    durable: bool = True
    """Does it outlive a restart of what holds it?"""
    max_deliveries: int | None = None
    """The most deliveries of a message (1 or more) before it goes to the dead letters, or is dropped."""
    dead_letter: str | None = None
    """The queue for rejected, expired, displaced and too often delivered messages; declared along with this one."""
    ttl: float | None = None
    """The time after which a message expires unless a receiver takes it."""
    max_length: int | None = None
    """The most ready messages."""
    max_bytes: int | None = None
    """The most bytes of ready messages' bodies."""
    overflow: Overflow = "drop-oldest"
    """What happens when it is full: the oldest message is dropped, or the new one is refused (ResourceError)."""
    max_priority: int = 0
    """The highest priority that counts, up to 255; 0: first in, first out."""
    expires: float | None = None
    """The time without use after which the queue is deleted."""
    single_consumer: bool = False
    """Only one receiver is served at a time; the next one when it goes."""
    retry_delay: float | None = None
    """How long a message that was given back waits; the n-th time n times as long. None: not at all."""
    retry_delay_max: float | None = None
    """The longest such wait, not less than ``retry_delay``; None: it is the same each time."""
    deduplication: float | None = None
    """How long the queue remembers the key of a message, and drops others with the same key; None: not at all."""

    def __post_init__(self) -> None:
        check_flag("durable", self.durable)
        check_flag("single_consumer", self.single_consumer)
        if self.dead_letter is not None:
            check_queue(self.dead_letter, "dead_letter")
        for name, least in (("max_deliveries", 1), ("max_length", 0), ("max_bytes", 0)):
            if (number := getattr(self, name)) is not None:
                check_number(name, number, least)
        for name in ("ttl", "expires", "retry_delay", "retry_delay_max", "deduplication"):
            if (seconds := getattr(self, name)) is not None:
                check_seconds(name, seconds)
        if self.retry_delay_max is not None and (self.retry_delay is None or self.retry_delay > self.retry_delay_max):
            raise ValueError(f"retry_delay_max is {self.retry_delay_max}, which needs a retry_delay that is not longer")
        check_number("max_priority", self.max_priority, 0, 255)
        if self.overflow not in ("drop-oldest", "refuse"):
            raise ValueError(f"overflow is 'drop-oldest' or 'refuse': {self.overflow!r}")

    @property
    def fate(self) -> Fate:
        """What happens to messages that are not accepted."""
        return Fate(self.dead_letter, self.max_deliveries)

    def arguments(self) -> dict[str, FieldValue]:
        """The options as arguments of AMQP 0-9-1's queue.declare, by RabbitMQ's names."""
        found: dict[str, FieldValue] = {}
        for argument in ARGUMENTS:
            option = getattr(self, argument.option)
            value = None if option is None else argument.of_option(option)
            if value is not None:
                found[argument.name] = value
        return found

    @classmethod
    def of_arguments(cls, arguments: Mapping[str, object], *, durable: bool) -> QueueOptions | None:
        """The options for which ``arguments`` returns these; None: some argument has no option."""
        options: dict[str, object] = {}
        for argument in ARGUMENTS:
            if argument.name in arguments:
                value = arguments[argument.name]
                if isinstance(value, int) and not isinstance(value, bool):
                    value = argument.to_option(value)
                options[argument.option] = value
        options["overflow"] = "refuse" if options.get("overflow") == "reject-publish" else "drop-oldest"
        # Fixed values mean nothing alone: the arguments beside them do.
        for name in ("dead_letter", "retry_delay"):
            if options.get(name) in ("", "failed"):
                del options[name]
        try:
            found = cls(durable=durable, **options)  # type: ignore[arg-type]  # it checks them
        except (TypeError, ValueError):
            return None
        return found if found.arguments() == dict(arguments) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The features of an engine beyond declaring, sending, receiving and settling. True: the engine has the feature."""

    engine: str
    """The name of the engine: 'embedded', 'amqp', 'artemis' ..."""
    durable: bool
    """Does anything survive a restart?"""
    delay: bool = False
    """``send(delay=)``."""
    release_delay: bool = False
    """``release(delay=)``."""
    ttl: bool = False
    """``send(ttl=)``, ``declare(ttl=)``."""
    priority: bool = False
    """``send(priority=)``, ``declare(max_priority=)``."""
    group: bool = False
    """``send(group=)``."""
    lease: bool = False
    """``receiver(lease=)``, ``delivery.renew()``."""
    delivery_count: bool = False
    """Is ``delivery_count`` exact for every queue? If not, 2 may mean 2 or more."""
    max_deliveries: bool = False
    """``declare(max_deliveries=)``."""
    dead_letter: bool = False
    """``declare(dead_letter=)``."""
    max_length: bool = False
    """``declare(max_length=, max_bytes=, overflow=)``."""
    expires: bool = False
    """``declare(expires=)``."""
    single_consumer: bool = False
    """``declare(single_consumer=)``."""
    retry_delay: bool = False
    """``declare(retry_delay=)``."""
    deduplication: bool = False
    """``declare(deduplication=)``."""
    reject_reason: bool = False
    """``reject(reason=)``."""
    request: bool = False
    """``request()`` and ``reply()``."""
    transactions: bool = False
    """``transaction()``: all or nothing, on disk when its block ends."""
    peek: bool = False
    """``peek()``."""
    count: bool = False
    """``count()``."""
    purge: bool = False
    """``purge()``."""
    replay: bool = False
    """``replay()``."""
    schedule: bool = False
    """``handler(schedule=)``: messages that come again and again by a cron expression."""
    replay_home: bool = False
    """``replay()`` without a target: each dead letter goes back to the queue where it died."""
    queues: bool = False
    """``queues()``."""
    stats: bool = False
    """``stats()``. What of it an engine does not know is None."""
    until_empty: bool = False
    """``receiver(until_empty=True)``."""
    progress: bool = False
    """Is ``delivery.progress()`` shown to people who look at the queues? If not, only ``batonmq run`` shows it."""
    atomic_replay: bool = False
    """Does ``replay`` move each message in one commit? If not, a crash may leave a message in both queues."""
