"""Keeps the leases of messages that have arrived and were not asked for yet.

Each has the whole of its lease in the hands that it was asked for: so it is renewed while it waits here, and once more
when it is handed out.
"""

from __future__ import annotations

from collections.abc import Callable

from batonmq.engines.prefetched import Handle, Prefetched
from batonmq.engines.values import Incoming

__all__ = ["LeaseKeeper"]


class LeaseKeeper:
    """Of one subscription."""

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

        ``renew`` asks the broker to leave these here for a whole lease, from any thread; ``release`` tells it that one
        was not asked for in time. ``is_current``: is this still the generation of the subscription?
        """
        self._lease = lease
        self._messages = messages
        self._later = later
        self._renew = renew
        self._release = release
        self._is_current = is_current

    def begin(self, generation: int) -> None:
        """Renew again and again, until another generation begins."""
        self._later(self._lease / 3, lambda: self._keep(generation))

    def _keep(self, generation: int) -> None:
        if not self._is_current(generation):
            return
        self.begin(generation)
        # The process was stopped for a while, or had no time: these are in the queue again.
        late, arrived = self._messages.drop_late()
        for handle in late:
            self._release(handle)
        self.renew_all(arrived)

    def renew_all(self, arrived: list[Incoming]) -> None:
        """Each has the whole lease from now on. From any thread."""
        handles = self._messages.prolong_all(arrived)
        if handles:
            self._renew(handles)
