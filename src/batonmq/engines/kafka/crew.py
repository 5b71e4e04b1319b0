"""The share consumers of one receiver: which one takes the next batch, when another joins, and when one leaves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from batonmq.engines.kafka.hand import FAREWELL, Hand, Owner
from batonmq.engines.kafka.notices import LOG

__all__ = ["AHEAD", "Crew"]

HANDS_MAX: Final = 16
AHEAD: Final = 16
"""How many messages are fetched at once for a receiver that takes them one by one.

Each keeps its full lock only if those before it are done soon.
"""
# How long a request waits before another consumer joins the group.
STUCK: Final = 0.1
IDLE: Final = 5.0


class Crew:
    """All methods but ``join`` are called with the lock of their receiver."""

    def __init__(self, settings: Mapping[str, object], queue: str, topic: str, owner: Owner) -> None:
        self._settings = settings
        self._queue = queue
        self._topic = topic
        self._owner = owner
        self._hands: list[Hand] = []

    def take(self, room: int, most: int, since: float) -> bool:
        """A request waits, and no message is here: have a consumer fetch more. False: call this again soon.

        ``room``: how many messages may be taken; ``most``: how many it wants; ``since``: when it began to wait, in
        monotonic seconds.
        """
        size = min(room, max(AHEAD, most))
        if any(hand.state == "fetching" and hand.has_joined and hand.fetch() for hand in self._hands):
            return True
        resting = sorted((hand for hand in self._hands if hand.state == "resting"), key=lambda hand: hand.size)
        fitting = [hand for hand in resting if hand.size <= room]
        if any(hand.fetch() for hand in (*reversed(fitting), *resting)):
            if all(2 * hand.size <= size for hand in self._hands):
                # Seven batches of 16, with a commit each, take twice as long as one of a hundred.
                self._add(size)
            return True
        busy = [hand for hand in self._hands if hand.state == "busy"]
        if busy and (time.monotonic() - since < STUCK or any(hand.is_settled for hand in busy)):
            return False
        if not any(hand.state == "fetching" and hand.fetch() for hand in self._hands):
            self._add(size)
        return True

    def _add(self, size: int) -> None:
        """Add a consumer that fetches so many messages at once."""
        if len(self._hands) < HANDS_MAX:
            hand = Hand(self._settings, self._topic, size, self._owner)
            self._hands.append(hand)
            hand.fetch()

    def has_others(self) -> bool:
        """Is there one that is not about to leave?"""
        return any(hand.state != "leaving" for hand in self._hands)

    def retire(self, *, is_idle: bool) -> None:
        """Let consumers that fetch nothing leave; ``is_idle``: all of them, as there was no request for a while."""
        now = time.monotonic()
        for hand in list(self._hands):
            is_spare = hand.state == "resting" and now - hand.since > IDLE
            if hand.state == "ended":
                self._hands.remove(hand)
            elif is_spare or (is_idle and hand.state == "fetching"):
                hand.retire()

    def end(self) -> list[Hand]:
        """End all: they give back unsettled messages and leave. Returns those to wait for."""
        for hand in self._hands:
            hand.end()
        return list(self._hands)

    def forked(self) -> None:
        """In a forked child: forget them."""
        for hand in self._hands:
            hand.forked()

    def join(self, hands: list[Hand]) -> None:
        """Wait until these have ended; without the lock, as they want it meanwhile."""
        until = time.monotonic() + FAREWELL
        if not all(hand.join(max(until - time.monotonic(), 0.0)) for hand in hands):
            LOG.warning("queue '%s': a consumer has not ended after %.0f s", self._queue, FAREWELL)
