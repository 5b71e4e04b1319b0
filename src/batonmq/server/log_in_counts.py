"""Counts log-ins and their outcomes, by protocol and by source."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["LogInCounts", "Outcomes", "Source"]

# The most sources remembered; beyond that the one that has been idle longest is forgotten.
SOURCES_MAX: Final = 1_000

# Longer names are cut off.
NAME_MAX: Final = 255


@dataclass(slots=True)
class Outcomes:
    """Numbers of log-ins, which fall only when reset to 0. Clients told to try again later are not counted."""

    succeeded: int = 0
    failed: int = 0
    """Failed: a wrong name or password, or a user that may not log in from there."""
    blocked: int = 0
    """Refused without a check, after too many failures from the same address."""

    @property
    def attempts(self) -> int:
        """All attempts."""
        return self.succeeded + self.failed + self.blocked

    @property
    def refused(self) -> int:
        """Attempts that did not succeed."""
        return self.failed + self.blocked

    def succeed(self) -> None:
        """Count a success."""
        self.succeeded += 1

    def fail(self) -> None:
        """Count a failure."""
        self.failed += 1

    def block(self) -> None:
        """Count a refusal without a check."""
        self.blocked += 1


class Source(NamedTuple):
    """The source of a log-in."""

    address: str
    """The address, without the port."""
    user: str
    """The given name, which may not exist."""
    protocol: str


class LogInCounts:
    """The counters of one server."""

    __slots__ = ("_protocols", "_sources")

    def __init__(self) -> None:
        self._protocols: dict[str, Outcomes] = {}
        self._sources: OrderedDict[Source, Outcomes] = OrderedDict()

    def of(self, protocol: str, address: str, user: str) -> tuple[Outcomes, Outcomes]:
        """The counters for a log-in: of its protocol, and of its source."""
        source = Source(address, user[:NAME_MAX], protocol)
        outcomes = self._sources.get(source)
        if outcomes is None:
            outcomes = self._sources[source] = Outcomes()
            if len(self._sources) > SOURCES_MAX:
                self._sources.popitem(last=False)
        else:
            self._sources.move_to_end(source)
        return self._protocols.setdefault(protocol, Outcomes()), outcomes

    def by_protocol(self) -> Iterable[tuple[str, Outcomes]]:
        """Every protocol used so far, by RabbitMQ's names: amqp091, amqp10, stomp, http ..."""
        return sorted(self._protocols.items())

    def by_source(self) -> list[tuple[Source, Outcomes]]:
        """The counts of each source, the latest last."""
        return list(self._sources.items())

    def clear(self) -> None:
        """Reset all counters."""
        self._protocols.clear()
        self._sources.clear()

    def clear_sources(self) -> None:
        """Reset the counters of sources."""
        self._sources.clear()
