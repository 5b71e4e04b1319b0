"""What was asked of the owner of a file, or told it, and is not known to be done: the next owner is asked and told."""

from __future__ import annotations

from collections.abc import Sequence

from batonmq.engines.shared import commands
from batonmq.engines.shared.calls import AnyCall
from batonmq.engines.shared.numbered import Numbered
from batonmq.engines.shared.settlements import Outcomes, Settlements

__all__ = ["Ledger"]


class Ledger:
    """The calls and settlements of one connection, by number. Whoever uses it has the lock of the calls."""

    __slots__ = ("_asked", "_number", "_once", "_resumed_at", "settlements")

    def __init__(self) -> None:
        self._number = 0
        # Asked and not answered, by the number; of these, what must not be done twice.
        self._asked: dict[int, AnyCall] = {}
        self._once: dict[int, None] = {}
        self.settlements = Settlements()
        """Those that are not known to be written."""
        # The last number when the owner was told of what is held.
        self._resumed_at = 0

    @property
    def has_to_tell(self) -> bool:
        """Would something be lost if no other owner were told?"""
        return bool(self.settlements or self._once)

    def number(self, command: Numbered) -> None:
        """Give a command the next number; one that must not be done twice says what is known of earlier ones."""
        self._number += 1
        command.take_number(self._number)
        if isinstance(command, commands.Once):
            command.know(next(iter(self._once), self._number) - 1)

    def add(self, call: AnyCall) -> None:
        """It has a number, and waits for its answer."""
        number = call.command.number
        self._asked[number] = call
        if call.when_lost == "once":
            self._once[number] = None

    def take(self, number: int) -> AnyCall | None:
        """The call of that number, which waits no longer; None: there is none."""
        self._once.pop(number, None)
        return self._asked.pop(number, None)

    def resume(self) -> list[commands.Settlement]:
        """The settlements that an owner is to be told of, which has just been reached."""
        self._resumed_at = self._number
        return self.settlements.to_tell()

    def resumed(self, passed: Sequence[tuple[int, bool]]) -> Outcomes:
        """That owner has heard of them, and could not do some."""
        return self.settlements.resumed(self._resumed_at, passed)

    def unsent(self) -> list[Numbered]:
        """What that owner is to be sent when it has heard this, in the order of the numbers."""
        found: dict[int, Numbered] = {number: call.command for number, call in self._asked.items()}
        found |= self.settlements.since(self._resumed_at)
        return [found[number] for number in sorted(found)]

    def lose(self, last: int, *, is_leaving: bool) -> list[AnyCall]:
        """The owner went, and has not begun what is after that number; returns the calls that no next one is asked.

        ``is_leaving``: this end closes.
        """
        lost: list[AnyCall] = []
        for number, call in list(self._asked.items()):
            is_over = call.when_lost == "over" and not (is_leaving and self.has_to_tell)
            if is_over or (call.when_lost == "fail" and number <= last):
                self.take(number)
                lost.append(call)
        return lost

    def clear(self) -> list[AnyCall]:
        """No other owner is sought: returns all that waits for an answer. Settlements stay, for a later owner."""
        calls = list(self._asked.values())
        self._asked, self._once = {}, {}
        return calls
