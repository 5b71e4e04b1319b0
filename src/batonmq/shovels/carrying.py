"""Moves messages: each is accepted at the source when the other side has confirmed it, and not before.

A message that the other side refuses for its own sake is set aside: a copy goes to the dead letters beside the source,
with the reason. A full target, or a lost connection, is no fault of the message: it is tried again.
"""

from __future__ import annotations

import json
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from batonmq.clock import Clock
from batonmq.engines.messages import Message, received_message
from batonmq.engines.values import Capabilities, Incoming
from batonmq.errors import (
    AccessRefused,
    BatonError,
    Closed,
    ConnectionLost,
    MessageTooLarge,
    NotFound,
    ResourceError,
    ResourceLocked,
    StoreError,
)
from batonmq.json_text import JsonError, read_json
from batonmq.shovels.pace import Pace
from batonmq.shovels.progress import Progress
from batonmq.shovels.rules import Rules
from batonmq.shovels.translation import losses, translated

__all__ = ["Carrier", "From", "Into"]

log = logging.getLogger("batonmq.shovels")

# Messages that are sent together.
BATCH = 200
# How soon a shovel without messages notices that it has to stop, in seconds.
LOOK_SECONDS = 0.2
# How long a shovel waits for room on the other side before it tries again, in seconds: at first, and at last.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# How often a message has passed each shovel, by the shovel's mark; as JSON, because not every broker takes tables.
ROUNDS_HEADER: Final = "x-shovel-rounds"
REASON_HEADER: Final = "x-shovel-reason"
# Errors of the connection, not of a message: the connections are opened again.
WAYS = (AccessRefused, Closed, ConnectionLost, NotFound, ResourceLocked, StoreError)


class From(ABC):
    """The side that messages come from."""

    queue: str

    @abstractmethod
    def receive(self, most: int, seconds: float) -> list[Incoming]:
        """Up to that many messages, as soon as there is one; an empty list after ``seconds``. Raises BatonError."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Is there nothing to receive, as far as can be known? Raises BatonError if it is out of reach."""

    @abstractmethod
    def accept(self, messages: Sequence[Incoming]) -> None:
        """Accept messages that are safe elsewhere. Raises BatonError."""

    @abstractmethod
    def set_aside(self, queue: str, message: Message) -> None:
        """Put a message into another queue beside this one, which is created if necessary.

        It is safe there on return. Raises BatonError.
        """


class Into(ABC):
    """The side that messages go to."""

    @property
    @abstractmethod
    def can(self) -> Capabilities:
        """The capabilities of the other side, which decide what it keeps of a message."""

    @property
    def accepts(self) -> bool:
        """Is a message that was sent accepted at its source already, in the same transaction?"""
        return False

    @abstractmethod
    def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
        """Send messages in order; returns for each its refusal, or None: the other side has confirmed it.

        If there are fewer outcomes than messages, the last one was refused, and those after it were not sent.
        """


class Carrier:
    """Carries messages from one side to the other. In a thread of its own."""

    def __init__(
        self,
        mark: str,
        source: From,
        target: Into,
        rules: Rules,
        clock: Clock,
        stopping: threading.Event,
        progress: Progress,
    ) -> None:
        """``mark``: the name of the shovel in messages that it has moved."""
        self._mark = mark
        self._source = source
        self._target = target
        self._rules = rules
        self._stopping = stopping
        self._progress = progress
        self._paces = Pace(rules.rate, clock), Pace(rules.byte_rate, clock)

    def carry(self, left: int | None, idle: float | None = None, *, finishes: bool = False) -> None:
        """Move messages until told to stop, or ``left`` are moved, or the source is empty.

        The source counts as empty when none has come for ``idle`` seconds and it reports none; without ``idle`` never.
        Messages that are here at the end and not begun go back, or are moved as well if it ``finishes``. Raises
        BatonError.
        """
        looked = 0.0
        while not self._stopping.is_set() and left != 0:
            most = self._paces[0].share(BATCH if left is None else min(BATCH, left))
            seconds = LOOK_SECONDS if idle is None else min(LOOK_SECONDS, max(idle - looked, 0.0))
            arrived = self._source.receive(most, seconds)
            if not arrived:
                looked += seconds
                if idle is None or looked < idle:
                    continue
                looked = 0.0
                # A source that is out of reach gives nothing either, and one that is slow has none left when all are on
                # their way.
                if not self._source.is_empty():
                    continue
                arrived = self._source.receive(most, 0.0)
                if not arrived:
                    break
            looked = 0.0
            if self._stopping.is_set() and not finishes:
                break
            self._carry(arrived)
            left = None if left is None else max(0, left - len(arrived))
            self._progress.left(left)
            self._rest(arrived)
        if finishes and (arrived := self._source.receive(BATCH if left is None else min(BATCH, left), 0.0)):
            self._carry(arrived)

    def _rest(self, moved: Sequence[Incoming]) -> None:
        pause = max(
            self._paces[0].spend(len(moved)),
            self._paces[1].spend(sum(len(incoming.message.body) for incoming in moved)),
        )
        if pause:
            self._stopping.wait(pause)

    def _carry(self, arrived: list[Incoming]) -> None:
        """Move all of these, or set them aside, even when told to stop.

        Messages that are refused then, and those behind them, go back with the subscription.
        """
        self._progress.arrived(len(arrived))
        waiting: list[Incoming] = []
        for incoming in arrived:
            reason = self._refusal(incoming)
            if reason is None:
                waiting.append(incoming)
                continue
            if not self._send(waiting):
                return
            waiting = []
            self._set_aside(incoming, reason)
        self._send(waiting)

    def _refusal(self, incoming: Incoming) -> str | None:
        """Why a message is not sent at all; None: it is."""
        most = self._rules.rounds
        if most is not None and (rounds := _rounds(incoming.message).get(self._mark, 0)) >= most:
            return f"it goes in a circle: it has come by {rounds} times"
        if self._rules.lossy == "set-aside" and (lost := losses(incoming.message, self._target.can)):
            return f"the other side keeps no {' and no '.join(lost)}"
        return None

    def _send(self, messages: list[Incoming]) -> bool:
        """Move these, or set them aside. False: it was told to stop, and the next one was refused.

        After a refusal each message is tried alone: the refusal of one may have hit its whole batch, and messages
        behind one that finds no room must not overtake it. The batch is doubled after each success.
        """
        pause = FIRST_PAUSE
        together = len(messages)
        while messages:
            tried = messages[:together]
            outcomes = self._target.send([self._marked(incoming) for incoming in tried])
            self._accept([one for one, refused in zip(tried, outcomes, strict=False) if refused is None])
            refused = [(one, error) for one, error in zip(tried, outcomes, strict=False) if error is not None]
            # Refused messages stay before those not sent yet, to keep the order.
            messages = [*(one for one, _ in refused), *tried[len(outcomes) :], *messages[together:]]
            if not refused:
                pause = FIRST_PAUSE
                together *= 2
                continue
            errors = [error for _, error in refused]
            ways = [error for error in errors if isinstance(error, WAYS)]
            if ways and (len(ways) == len(refused) or len(tried) == 1):
                raise ways[0]
            if self._stopping.is_set():
                return False
            together = 1
            full = [error for error in errors if _is_full(error)]
            if full:
                self._progress.blocked(str(full[0]))
                self._stopping.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            elif len(tried) == 1:
                self._set_aside(messages.pop(0), str(errors[0]) or type(errors[0]).__name__)
        self._progress.unblocked()
        return True

    def _accept(self, confirmed: list[Incoming]) -> None:
        if confirmed:
            if not self._target.accepts:
                self._source.accept(confirmed)
            self._progress.moved(len(confirmed), sum(len(one.message.body) for one in confirmed))

    def _marked(self, incoming: Incoming) -> Incoming:
        message = translated(incoming.message, self._target.can)
        if self._rules.rounds is not None:
            rounds = _rounds(message)
            counted = {**rounds, self._mark: rounds.get(self._mark, 0) + 1}
            message = _with_headers(message, {**message.headers, ROUNDS_HEADER: json.dumps(counted)})
        return Incoming(
            message,
            incoming.delivery_count,
            incoming.redelivered,
            incoming.handle,
            is_counted=incoming.is_counted,
            origin=incoming.origin,
        )

    def _set_aside(self, incoming: Incoming, reason: str) -> None:
        queue = self._rules.beside(self._source.queue)
        message = incoming.message
        # As with any dead letter, whoever sends it again starts over.
        headers = {name: value for name, value in message.headers.items() if name != ROUNDS_HEADER}
        self._source.set_aside(queue, _with_headers(message, {**headers, REASON_HEADER: reason}))
        self._source.accept([incoming])
        self._progress.set_aside()
        log.warning("a message cannot be moved and waits in queue '%s': %s", queue, reason)


def _is_full(error: BatonError) -> bool:
    return isinstance(error, ResourceError) and not isinstance(error, MessageTooLarge)


def _rounds(message: Message) -> dict[str, int]:
    """How often a message has passed each shovel; anything else in the header is ignored."""
    if message.properties.plain:
        return {}
    said = message.headers.get(ROUNDS_HEADER)
    try:
        found = read_json(said) if isinstance(said, str) else None
    except JsonError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(mark): number for mark, number in found.items() if type(number) is int}


def _with_headers(message: Message, headers: dict[str, Any]) -> Message:
    return received_message(message.body, message.properties.replace(headers=headers), message.delay)
