"""A shovel with both ends at one engine that has transactions: messages are sent and accepted in one."""

from __future__ import annotations

from collections.abc import Sequence

from batonmq.engines.values import Capabilities, Incoming
from batonmq.errors import BatonError, ConnectionLost, LeaseLost, PreconditionFailed
from batonmq.shovels.carrying import Into
from batonmq.shovels.ends import Source

__all__ = ["Within"]


class Within(Into):
    """Another queue of the source's engine: after a crash each message is in exactly one of the two."""

    def __init__(self, source: Source, queue: str) -> None:
        self._source = source
        self._queue = queue

    @property
    def can(self) -> Capabilities:
        return self._source.can

    @property
    def accepts(self) -> bool:
        return True

    def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
        try:
            self._source.pass_on(self._queue, messages)
        except LeaseLost as error:
            # They are back at the source, and come again.
            return [ConnectionLost(str(error))] * len(messages)
        except BatonError as error:
            return [error] * len(messages)
        except (ValueError, TypeError) as error:
            return [PreconditionFailed(str(error))] * len(messages)
        return [None] * len(messages)
