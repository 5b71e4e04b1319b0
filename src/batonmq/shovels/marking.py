"""The headers and properties that RabbitMQ's shovels can add to the messages that they move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from batonmq.clock import Clock
from batonmq.engines.messages import received_message
from batonmq.engines.values import Capabilities, Incoming
from batonmq.errors import BatonError
from batonmq.fields import FieldValue
from batonmq.shovels.carrying import Into
from batonmq.shovels.settings import ShovelSettings

__all__ = ["Marking"]

HEADER: Final = "x-shovelled"
TIME_HEADER: Final = "x-shovelled-timestamp"


class Marking(Into):
    """The other side; messages are marked before they are sent there."""

    def __init__(self, target: Into, settings: ShovelSettings, mark: Mapping[str, FieldValue], clock: Clock) -> None:
        """``mark``: the table about the shovel in the header x-shovelled."""
        self._target = target
        self._settings = settings
        self._mark = dict(mark)
        self._clock = clock
        self._marks = bool(settings.adds_forward_headers or settings.adds_timestamp_header or settings.properties)

    @property
    def can(self) -> Capabilities:
        return self._target.can

    @property
    def accepts(self) -> bool:
        return self._target.accepts

    def send(self, messages: Sequence[Incoming]) -> list[BatonError | None]:
        return self._target.send([self._marked(one) for one in messages] if self._marks else messages)

    def _marked(self, one: Incoming) -> Incoming:
        settings, message = self._settings, one.message
        headers = message.headers
        if settings.adds_forward_headers:
            earlier = headers.get(HEADER)
            headers[HEADER] = [self._mark, *(earlier if isinstance(earlier, list) else [])]
        if settings.adds_timestamp_header:
            headers[TIME_HEADER] = int(self._clock.time())
        changes: dict[str, Any] = {"headers": headers or None}
        for name, value in settings.properties.items():
            changes[name] = int(value) if isinstance(value, float) else value
        marked = received_message(message.body, message.properties.replace(**changes), message.delay)
        return Incoming(
            marked, one.delivery_count, one.redelivered, one.handle, is_counted=one.is_counted, origin=one.origin
        )
