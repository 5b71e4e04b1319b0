"""Calls and settlements that are not known to be done, and so have to go to the next owner of a file."""

from __future__ import annotations

from collections.abc import Sequence

from batonmq.engines.shared import commands
from batonmq.engines.shared.calls import AnyCall
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.settlements import Outcomes, Settlements

__all__ = ["Ledger"]


class Ledger:
    """The calls and settlements of one connection, by number. To be used under the lock of the calls."""

    __slots__ = ("_asked", "_number", "_once", "_resumed_at", "settlements")

    def __init__(self) -> None:
        self._number = 0
        # Unanswered calls by number; and those of them that must not be done twice.
        self._asked: dict[int, AnyCall] = {}
        self._once: dict[int, None] = {}
        self.settlements = Settlements()
        """The settlements that are not known to be written."""
        # The last number at the time of the last Resume.
        self._resumed_at = 0

    @property
    def has_to_tell(self) -> bool:
        """Would anything be lost if there were no next owner?"""
        return bool(self.settlements or self._once)

    def number(self, command: Numbered) -> None:
        """Give a command the next number; a ``Once`` also says which earlier answers have arrived."""
        self._number += 1
        command.take_number(self._number)
        if isinstance(command, commands.Once):
            command.know(next(iter(self._once), self._number) - 1)

    def add(self, call: AnyCall) -> None:
        """Add a numbered call that waits for its answer."""
        number = call.command.number
        self._asked[number] = call
        if call.when_lost == "once":
            self._once[number] = None

    def take(self, number: int) -> AnyCall | None:
        """Remove the call of that number, and return it; None: there is none."""
        self._once.pop(number, None)
        return self._asked.pop(number, None)

    def resume(self) -> list[commands.Settlement]:
        """The settlements to tell an owner that has just been reached."""
        self._resumed_at = self._number
        return self.settlements.to_tell()

    def resumed(self, passed: Sequence[tuple[int, bool]]) -> Outcomes:
        """That owner has answered, and could not make the settlements in ``passed``."""
        return self.settlements.resumed(self._resumed_at, passed)

    def unsent(self) -> list[Numbered]:
        """The commands to send that owner once it has answered, in the order of their numbers."""
        found: dict[int, Numbered] = {number: call.command for number, call in self._asked.items()}
        found |= self.settlements.since(self._resumed_at)
        return [found[number] for number in sorted(found)]

    def lose(self, last: int, *, is_leaving: bool) -> list[AnyCall]:
        """The owner went, and has not begun commands after ``last``; returns the calls that no next owner gets.

        ``is_leaving``: this end is closing.
        """
        lost: list[AnyCall] = []
        for number, call in list(self._asked.items()):
            is_over = call.when_lost == "over" and not (is_leaving and self.has_to_tell)
            if is_over or (call.when_lost == "fail" and number <= last):
                self.take(number)
                lost.append(call)
        return lost

    def clear(self) -> list[AnyCall]:
        """No other owner is sought: remove all waiting calls, and return them. Settlements stay, for a later owner."""
        calls = list(self._asked.values())
        self._asked, self._once = {}, {}
        return calls
