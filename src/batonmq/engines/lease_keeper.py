"""Keeps the leases of messages that have arrived and were not requested yet.

A receiver gets the full lease of each: so it is renewed while it waits here, and once more when it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable

from batonmq.engines.prefetched import Handle, Prefetched
from batonmq.engines.values import Incoming

__all__ = ["LeaseKeeper"]


class LeaseKeeper:
    """The lease keeper of one subscription."""

    __slots__ = ("_is_current", "_later", "_lease", "_messages", "_release", "_renew")

    def __init__(
        self,
        lease: float,
        messages: Prefetched,
        later: Callable[[float, Callable[[], None]], object],
        renew: Callable[[list[Handle]], None],
        release: Callable[[Handle], None],
        is_current: Callable[[int], bool],
    ) -> None:
        """``lease``: seconds. ``later`` calls a function after that many seconds, in the connection's thread.

        ``renew`` asks the broker for a new lease on messages, from any thread; ``release`` tells it that a message was
        not requested in time. ``is_current``: does the generation still belong to the subscription?
        """
        self._lease = lease
        self._messages = messages
        self._later = later
        self._renew = renew
        self._release = release
        self._is_current = is_current

    def begin(self, generation: int) -> None:
        """Keep renewing until another generation begins."""
        self._later(self._lease / 3, lambda: self._keep(generation))

    def _keep(self, generation: int) -> None:
        if not self._is_current(generation):
            return
        self.begin(generation)
        # The process was stopped, or too slow: these are in the queue again.
        late, arrived = self._messages.drop_late()
        for handle in late:
            self._release(handle)
        self.renew_all(arrived)

    def renew_all(self, arrived: list[Incoming]) -> None:
        """Renew the lease of each, in full from now on. From any thread."""
        handles = self._messages.prolong_all(arrived)
        if handles:
            self._renew(handles)
