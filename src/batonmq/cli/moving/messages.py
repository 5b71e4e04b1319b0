"""Moves the messages of one queue to another place: each is accepted here when it is confirmed there."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batonmq.cli.failure import Failure
from batonmq.cli.moving.places import Place
from batonmq.clock import Clock
from batonmq.engines.messages import Message, received_message
from batonmq.engines.values import Incoming
from batonmq.errors import ConnectionLost
from batonmq.properties import Properties
from batonmq.shovels.carrying import WAYS, Carrier
from batonmq.shovels.ends import Destination, Source
from batonmq.shovels.progress import Progress
from batonmq.shovels.rules import Rules
from batonmq.shovels.settings import End

__all__ = ["Later", "Moved", "move_delayed", "move_ready"]

# Messages that are sent and confirmed together: a crash may leave this many in both places.
BATCH = 200
# How long to wait for a queue that gives nothing, in seconds, and for one that claims to have messages.
EMPTY_SECONDS = 0.2
HIDDEN_SECONDS = 3.0
# How long the other side may take nothing before a move without --follow gives up, in seconds.
FULL_SECONDS = 30.0
# A message due within this many seconds is moved only once it is ready: if it fell due on the way, it would be moved
# twice.
SOON_SECONDS = 5.0
# A move goes one way, so messages need no hop count.
RULES = Rules(rounds=None)


class Moved(Progress):
    """Counts what has been moved, and reports it as it goes."""

    def __init__(self, advance: Callable[[int], None], tell: Callable[[str], None], *, waits: bool) -> None:
        """``waits``: wait for a target that takes nothing, however long."""
        super().__init__()
        self._advance = advance
        self._tell = tell
        self._waits = waits
        self._full_since: float | None = None

    def moved(self, number: int, octets: int) -> None:
        """Count messages that were confirmed and accepted."""
        super().moved(number, octets)
        self._full_since = None
        self._advance(number)

    def blocked(self, reason: str) -> None:
        """Note that the other side takes nothing. Raises Failure when this has lasted too long."""
        super().blocked(reason)
        now = time.monotonic()
        if self._full_since is None:
            self._full_since = now
            self._tell(f"the other side takes nothing now: {reason}")
        elif not self._waits and now - self._full_since > FULL_SECONDS:
            raise Failure(f"the other side takes nothing: {reason}; run it again when it does, and it goes on")


class _Emptied(Source):
    """A queue to be emptied, which may have messages and not give them at once."""

    def __init__(self, place: Place, queue: str) -> None:
        super().__init__(place.engine, queue, place.shown)
        self._has_count = place.engine.capabilities.count

    def receive(self, most: int, seconds: float) -> list[Incoming]:
        return super().receive(most, seconds) or ([] if self.is_empty() else super().receive(most, HIDDEN_SECONDS))

    def is_empty(self) -> bool:
        """Is nothing ready? False if unknown. Raises BatonError."""
        return self._has_count and not self.count()


def move_ready(source: Place, target: Place, queue: str, moved: Moved, stopping: threading.Event) -> None:
    """Move ready messages until none is left, or until told to stop.

    Messages that the other side refuses are set aside.

    Raises BatonError, Failure.
    """
    emptied = _Emptied(source, queue)
    into = Destination(target.engine, End("", (), queue), target.shown)
    try:
        emptied.subscribe(BATCH)
        Carrier("", emptied, into, RULES, Clock(), stopping, moved).carry(None, EMPTY_SECONDS, finishes=True)
    except ConnectionLost as error:
        raise Failure(f"a connection was lost ({error}): run it again, and it goes on") from None
    finally:
        emptied.finish()


@dataclass(slots=True)
class Later:
    """The delayed messages of a queue that were not moved."""

    stay: int = 0
    """Messages that the other side cannot delay, or refuses: they become ready here when their time comes."""
    soon: int = 0
    """Messages that are due in a moment, and are moved then."""
    until: float = 0.0
    """The time at which the last of these is due, in seconds since 1970."""


def move_delayed(source: Place, target: Place, queue: str, moved: Moved, stopping: threading.Event) -> Later:
    """Move the delayed messages, with the rest of their delay. Raises BatonError, Failure."""
    later = Later()
    if not target.engine.capabilities.delay:
        listed = source.ask("queues.delayed", queue=queue, count=1) or {}
        later.stay = int(listed.get("total", 0))
        return later
    into = Destination(target.engine, End("", (), queue), target.shown)
    after: str | None = None
    while True:
        fields: dict[str, object] = {} if after is None else {"after": after}
        answer = source.ask("queues.delayed", queue=queue, count=BATCH, raw=True, **fields)
        if answer is None:
            return later
        now = time.time()
        taken: list[dict[str, Any]] = []
        for one in answer["messages"]:
            due = one["due_at"] / 1000
            if due - now < SOON_SECONDS:
                later.soon += 1
                later.until = max(later.until, due)
            elif "raw_properties" in one:
                taken.append(one)
            else:
                later.stay += 1
        later.stay += _move_taken(source, into, queue, taken, moved)
        after = answer.get("next")
        if after is None or stopping.is_set():
            return later


def _move_taken(source: Place, into: Destination, queue: str, taken: list[dict[str, Any]], moved: Moved) -> int:
    """Move these messages; returns how many the other side refuses."""
    now = time.time()
    outcomes = into.send([Incoming(_message(one, now), 0, False, None) for one in taken])
    for one, error in zip(taken, outcomes, strict=False):
        if error is None:
            _cancel(source, queue, str(one["id"]))
            moved.moved(1, 0)
    for error in outcomes:
        if isinstance(error, WAYS):
            raise error
    return len(taken) - outcomes.count(None)


def _cancel(source: Place, queue: str, number: str) -> None:
    try:
        source.ask("queues.cancel", queue=queue, id=number)
    except Failure as error:
        if "no delayed message" not in str(error):
            raise


def _message(described: dict[str, Any], now: float) -> Message:
    body = described.get("body")
    content = body.encode() if isinstance(body, str) else base64.b64decode(described["body_base64"])
    properties = Properties.decode(base64.b64decode(described["raw_properties"]))
    if described["why"] == "schedule":
        # Its headers delay it there as they did here.
        return received_message(content, properties)
    headers = {name: value for name, value in (properties.headers or {}).items() if name != "x-delay"}
    return received_message(
        content, properties.replace(headers=headers or None), max(described["due_at"] / 1000 - now, 0.0)
    )
