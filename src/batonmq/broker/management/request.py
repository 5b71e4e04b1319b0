"""A management request: its fields, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batonmq.broker.selectors.parser import parse_selector
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.operations.operations import Operations
    from batonmq.broker.selectors.parser import MessageSelector
    from batonmq.errors import BrokerError, StoreError

Answer = dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """A request, with the rights of its sender and a way to answer later."""

    operations: Operations
    fields: Mapping[str, object]
    reply: Callable[[Answer], None]
    reply_when_kept: Callable[[Answer], None]
    """Answers when what was changed until now is on the disk."""
    refuse: Callable[[BrokerError | StoreError], None]

    def wait_for_read(self, again: Callable[[], None]) -> None:
        """Call ``again`` once the store has been read further. The client's other requests wait meanwhile."""
        barrier = self.operations.barrier
        if barrier is None:
            self.operations.vhost.scheduler.call(again)
        else:
            barrier.wait_for_read(again)

    def text(self, name: str) -> str:
        """A required text. Raises PreconditionFailed if it is missing or not a text."""
        value = self.optional_text(name)
        if value is None:
            raise PreconditionFailed(f'the request needs "{name}": a text')
        return value

    def optional_text(self, name: str) -> str | None:
        """An optional text; None: absent. Raises PreconditionFailed if it is not a text."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise PreconditionFailed(f'"{name}" is to be a text')
        return value

    def number(self, name: str, least: int = 0, most: int = 2**63 - 1) -> int | None:
        """An optional integer from ``least`` to ``most``; None: absent. Raises PreconditionFailed for anything else."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise PreconditionFailed(f'"{name}" is to be a number from {least} to {most}')
        return value

    def flag(self, name: str) -> bool:
        """An optional truth value; False: absent. Raises PreconditionFailed for anything else."""
        value = self.fields.get(name, False)
        if not isinstance(value, bool):
            raise PreconditionFailed(f'"{name}" is to be true or false')
        return value

    def selector(self) -> MessageSelector | None:
        """The selector in the field "where"; None: absent. Names may contain hyphens, as header names do.

        Raises SelectorError, PreconditionFailed.
        """
        text = self.optional_text("where")
        return parse_selector(text, hyphenated=True) if text is not None else None

    def table(self, name: str) -> dict[str, object]:
        """A required table. Raises PreconditionFailed if it is missing or not a table."""
        value = self.fields.get(name)
        if not isinstance(value, dict):
            raise PreconditionFailed(f'the request needs "{name}": a table')
        return value
