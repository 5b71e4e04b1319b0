"""Tells another process which of its settlements are written, so that it need not repeat them to the next owner."""

from __future__ import annotations

from batonmq.engines.embedded.core import Core
from batonmq.engines.shared.guest_answers import GuestAnswers

__all__ = ["SettledNotices"]


class SettledNotices:
    """One notice for all settlements of a batch. Works in a turn of the core."""

    def __init__(self, core: Core, says: GuestAnswers) -> None:
        self._core = core
        self._says = says
        # The batch with the last settlement, and that settlement's number.
        self._batch = 0
        self._last: list[int] = []

    def note(self, number: int) -> None:
        """Note a settlement in the batch that is being collected."""
        store = self._core.store
        if not store.has_work():
            # There is nothing to write: the message was only in memory.
            self._says.say_settled(number)
        elif self._batch == store.batch:
            self._last[0] = number
        else:
            self._batch = store.batch
            self._last = [number]
            self._announce(self._last)

    def _announce(self, last: list[int]) -> None:
        future = self._core.future(None, sync=False)

        def then() -> None:
            if future.failed:
                # It is tried again, with a later batch.
                self._announce(last)
            else:
                self._says.say_settled(last[0])

        future.when_done(then)
