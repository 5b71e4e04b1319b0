"""What one connection has settled, and is not known to be written: the next owner is told of it.

Whoever settles waits for nothing as long as there is an owner. What that one, or the next, then says to it:

    said                | nobody waits for it                  | somebody does: there was no owner
    --------------------+--------------------------------------+-----------------------------------------------------
    settled             | nothing to tell                      | resolved
    not to be had       | logged, if it was given to others    | LeaseLost; or resolved, if an owner before may have
                        |                                      | done it, and no other had the message
    no owner is found   | told to the next one, if one comes   | the error
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from batonmq.engines.futures import Future
from batonmq.engines.leases import lost
from batonmq.engines.shared import answers, commands

__all__ = ["Outcomes", "Settlements"]

log = logging.getLogger("batonmq.embedded")


class Outcomes:
    """What has become known of settlements. ``tell`` resolves futures: it is called without any lock."""

    __slots__ = ("_tell",)

    def __init__(self) -> None:
        self._tell: list[Callable[[], None]] = []

    def is_kept(self, future: Future[None]) -> None:
        """Its owner has it."""
        self._tell.append(lambda: future.resolve(None))

    def failed(self, future: Future[None], error: BaseException) -> None:
        """It has come to nothing, or nobody knows."""
        self._tell.append(lambda: future.fail(error))

    def was_late(self, queue: str, how: str) -> None:
        """Nobody told the one who settled it, and that one has gone on."""
        self._tell.append(
            lambda: log.warning(
                "%s of a message of queue %r came too late: it was back in its queue, and others may have had it",
                how,
                queue,
            )
        )

    def tell(self) -> None:
        """Tell those who wait."""
        for tell in self._tell:
            tell()


class _Waited:
    """A settlement whose caller waits."""

    __slots__ = ("future", "owners")

    def __init__(self, future: Future[None]) -> None:
        self.future = future
        # How many owners were told of it.
        self.owners = 0


class Settlements:
    """By number, in their order. Whoever uses it has the lock of the calls."""

    __slots__ = ("_told", "_waited")

    def __init__(self) -> None:
        # The settlement, and what the next owner is to be told.
        self._told: dict[int, tuple[commands.Settle, commands.Settlement]] = {}
        self._waited: dict[int, _Waited] = {}

    def __bool__(self) -> bool:
        return bool(self._told)

    def add(self, command: commands.Settle, queue: str, row: int, count: int, outcome: Future[None] | None) -> None:
        """It has a number, and is of a message that the next owner can find: in this row, delivered so often.

        ``outcome``: who waits for it, when no owner was told.
        """
        number = command.number
        self._told[number] = (command, (number, queue, row, count, command.how, command.reason, command.delay))
        if outcome is not None:
            self._waited[number] = _Waited(outcome)

    def to_tell(self) -> list[commands.Settlement]:
        """An owner is told of all of them."""
        for waited in self._waited.values():
            waited.owners += 1
        return [told for _, told in self._told.values()]

    def since(self, number: int) -> dict[int, commands.Settle]:
        """Those with greater numbers."""
        return {each: command for each, (command, _) in self._told.items() if each > number}

    # ------------------------------------------------------------------ what an owner says

    def settled(self, last: int) -> Outcomes:
        """Up to this number they are written."""
        told, outcomes = self._told, Outcomes()
        while told and (number := next(iter(told))) <= last:
            del told[number]
            if self._waited and (waited := self._waited.pop(number, None)) is not None:
                outcomes.is_kept(waited.future)
        return outcomes

    def unsettled(self, answer: answers.Unsettled) -> Outcomes:
        """The owner does not have the message there any more."""
        outcomes = Outcomes()
        told, waited = self._told.pop(answer.number, None), self._waited.pop(answer.number, None)
        if waited is not None:
            outcomes.failed(waited.future, lost())
        else:
            outcomes.was_late(answer.queue, "the settlement" if told is None else told[0].how)
        return outcomes

    def resumed(self, last: int, passed: Sequence[tuple[int, bool]]) -> Outcomes:
        """An owner has heard of those up to ``last``, and could not do some: with whether others had the message."""
        outcomes = Outcomes()
        for number, was_given in passed:
            told, waited = self._told.pop(number, None), self._waited.pop(number, None)
            if waited is not None and (was_given or waited.owners == 1):
                outcomes.failed(waited.future, lost())
            elif waited is not None:
                outcomes.is_kept(waited.future)
            elif told is not None and was_given:
                outcomes.was_late(told[1][1], told[0].how)
        # Those stay that it has done, and has not written: their callers need not wait for that.
        for number in [number for number in self._waited if number <= last]:
            outcomes.is_kept(self._waited.pop(number).future)
        return outcomes

    def give_up(self, error: BaseException) -> Outcomes:
        """No owner is sought: nobody waits any more. A later one is told all the same."""
        outcomes = Outcomes()
        for waited in self._waited.values():
            outcomes.failed(waited.future, error)
        self._waited.clear()
        return outcomes
