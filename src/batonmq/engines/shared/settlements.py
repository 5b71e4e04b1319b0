"""The settlements of one connection that are not known to be written: the next owner is told of them.

A caller that settles does not wait as long as there is an owner. What the answer of that owner, or the next, leads to:

    answer              | nobody waits for it                  | the caller waits: there was no owner
    --------------------+--------------------------------------+-----------------------------------------------------
    settled             | nothing to do                        | resolved
    not available       | logged, if it was given to others    | LeaseLost; or resolved, if an earlier owner may have
                        |                                      | done it, and nobody else had the message
    no owner is found   | told to the next one, if any         | the error
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
    """The outcomes of settlements. ``tell`` resolves futures, and is called without any lock."""

    __slots__ = ("_tell",)

    def __init__(self) -> None:
        self._tell: list[Callable[[], None]] = []

    def is_kept(self, future: Future[None]) -> None:
        """An owner has made the settlement."""
        self._tell.append(lambda: future.resolve(None))

    def failed(self, future: Future[None], error: BaseException) -> None:
        """The settlement was not made, or that is unknown."""
        self._tell.append(lambda: future.fail(error))

    def was_late(self, queue: str, how: str) -> None:
        """The settlement came too late, and its caller has gone on: log it."""
        self._tell.append(
            lambda: log.warning(
                "%s of a message of queue %r came too late: it was back in its queue, and others may have had it",
                how,
                queue,
            )
        )

    def tell(self) -> None:
        """Resolve the futures, and write the log."""
        for tell in self._tell:
            tell()


class _Waited:
    """A settlement that its caller waits for."""

    __slots__ = ("future", "owners")

    def __init__(self, future: Future[None]) -> None:
        self.future = future
        # How many owners were told of it.
        self.owners = 0


class Settlements:
    """The settlements by number, in order. To be used under the lock of the calls."""

    __slots__ = ("_told", "_waited")

    def __init__(self) -> None:
        # The command, and the form in which the next owner is told of it.
        self._told: dict[int, tuple[commands.Settle, commands.Settlement]] = {}
        self._waited: dict[int, _Waited] = {}

    def __bool__(self) -> bool:
        return bool(self._told)

    def add(self, command: commands.Settle, queue: str, row: int, count: int, outcome: Future[None] | None) -> None:
        """Add a numbered settlement of a message that the next owner can find: in this row, delivered so often.

        ``outcome``: the caller's future, if no owner was told.
        """
        number = command.number
        self._told[number] = (command, (number, queue, row, count, command.how, command.reason, command.delay))
        if outcome is not None:
            self._waited[number] = _Waited(outcome)

    def to_tell(self) -> list[commands.Settlement]:
        """All settlements, for an owner that is told of them now."""
        for waited in self._waited.values():
            waited.owners += 1
        return [told for _, told in self._told.values()]

    def since(self, number: int) -> dict[int, commands.Settle]:
        """The settlements with greater numbers."""
        return {each: command for each, (command, _) in self._told.items() if each > number}

    # ------------------------------------------------------------------ what an owner says

    def settled(self, last: int) -> Outcomes:
        """The settlements up to this number are written."""
        told, outcomes = self._told, Outcomes()
        while told and (number := next(iter(told))) <= last:
            del told[number]
            if self._waited and (waited := self._waited.pop(number, None)) is not None:
                outcomes.is_kept(waited.future)
        return outcomes

    def unsettled(self, answer: answers.Unsettled) -> Outcomes:
        """The message of a settlement was not held any more."""
        outcomes = Outcomes()
        told, waited = self._told.pop(answer.number, None), self._waited.pop(answer.number, None)
        if waited is not None:
            outcomes.failed(waited.future, lost())
        else:
            outcomes.was_late(answer.queue, "the settlement" if told is None else told[0].how)
        return outcomes

    def resumed(self, last: int, passed: Sequence[tuple[int, bool]]) -> Outcomes:
        """An owner was told of those up to ``last``, and could not make ``passed``, each with whether others had it."""
        outcomes = Outcomes()
        for number, was_given in passed:
            told, waited = self._told.pop(number, None), self._waited.pop(number, None)
            if waited is not None and (was_given or waited.owners == 1):
                outcomes.failed(waited.future, lost())
            elif waited is not None:
                outcomes.is_kept(waited.future)
            elif told is not None and was_given:
                outcomes.was_late(told[1][1], told[0].how)
        # Settlements that it has made but not written stay; their callers need not wait for that.
        for number in [number for number in self._waited if number <= last]:
            outcomes.is_kept(self._waited.pop(number).future)
        return outcomes

    def give_up(self, error: BaseException) -> Outcomes:
        """No owner is sought: fail the waiting ones. A later owner is told all the same."""
        outcomes = Outcomes()
        for waited in self._waited.values():
            outcomes.failed(waited.future, error)
        self._waited.clear()
        return outcomes
