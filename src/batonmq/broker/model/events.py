"""Events: what happens in a broker apart from messages, reported one at a time to listeners.

Messages cause no events. The latest events are kept, so that a listener who was away for a moment misses nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from batonmq.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.clock import Clock

log = logging.getLogger("batonmq.broker")

# The most listeners: each is told of everything.
LISTENERS_MAX = 100
# The number of events kept for returning listeners, and the longest text in one: clients choose names.
KEPT = 1_000
TEXT_MAX = 1_000

QUEUE_DECLARED, QUEUE_DELETED = "queue.declared", "queue.deleted"
QUEUE_PAUSED, QUEUE_RESUMED, QUEUE_CHANGED = "queue.paused", "queue.resumed", "queue.changed"
SWEEP_BEGUN, SWEEP_PROGRESS, SWEEP_DONE = "messages.begun", "messages.progress", "messages.done"
POLICY_SET, POLICY_CLEARED = "policy.set", "policy.cleared"
USERS_CHANGED = "users.changed"
VHOST_CREATED, VHOST_DELETED = "vhost.created", "vhost.deleted"
CONNECTION_OPENED, CONNECTION_CLOSED = "connection.opened", "connection.closed"
ALARM_RAISED, ALARM_CLEARED = "alarm.raised", "alarm.cleared"

KINDS = (
    QUEUE_DECLARED,
    QUEUE_DELETED,
    QUEUE_PAUSED,
    QUEUE_RESUMED,
    QUEUE_CHANGED,
    SWEEP_BEGUN,
    SWEEP_PROGRESS,
    SWEEP_DONE,
    POLICY_SET,
    POLICY_CLEARED,
    USERS_CHANGED,
    VHOST_CREATED,
    VHOST_DELETED,
    CONNECTION_OPENED,
    CONNECTION_CLOSED,
    ALARM_RAISED,
    ALARM_CLEARED,
)


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One event."""

    number: int
    """Its number, which always rises, over restarts too."""
    kind: str
    """Its kind, one of KINDS."""
    at: int
    """Its time, in milliseconds since the epoch."""
    vhost: str
    """The virtual host concerned; "": the broker as a whole."""
    user: str
    """The user concerned; "": none in particular."""
    details: Mapping[str, object]
    """Further details, as JSON values."""


Listener: TypeAlias = Callable[[Event], None]


class Events:
    """The events of one broker."""

    __slots__ = ("_clock", "_kept", "_last", "_listeners")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._listeners: dict[Listener, None] = {}
        # A later start begins with a higher number, unless there were a thousand events a second.
        self._last = int(clock.time() * 1000)

    @property
    def last(self) -> int:
        """The number of the last event; before the first event, a number lower than any."""
        return self._last

    def tell(self, kind: str, *, vhost: str = "", user: str = "", **details: object) -> None:
        """Report an event. Texts that are too long are cut off."""
        for name, value in details.items():
            if isinstance(value, str) and len(value) > TEXT_MAX:
                details[name] = value[:TEXT_MAX] + "..."
        self._last += 1
        event = Event(self._last, kind, int(self._clock.time() * 1000), vhost, user, details)
        self._kept.append(event)
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                # A listener must not disturb the broker.
                self.forget(listener)
                log.exception("a fault of the broker's own: a listener failed at %s and hears no more", kind)

    def after(self, number: int) -> tuple[list[Event], bool]:
        """The kept events after that number, and whether these are all."""
        kept = [event for event in self._kept if event.number > number]
        is_known = number >= self._last - len(self._kept) and number <= self._last
        return kept, is_known

    def listen(self, listener: Listener) -> None:
        """Call the listener with each event from now on.

        It must return at once. Raises ResourceError if there are too many listeners.
        """
        if len(self._listeners) >= LISTENERS_MAX:
            raise ResourceError(f"{LISTENERS_MAX} listen to events already")
        self._listeners[listener] = None

    def forget(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.pop(listener, None)
