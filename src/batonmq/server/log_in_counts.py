"""How many log-ins there were, and what came of them: by protocol, and by who tried."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["LogInCounts", "Outcomes", "Source"]

# Of more at a time the one is forgotten that tried nothing for longest.
SOURCES_MAX: Final = 1_000

# Longer names are cut off.
NAME_MAX: Final = 255


@dataclass(slots=True)
class Outcomes:
    """Numbers of log-ins; they fall only when they are set to 0. What was told to try again later is not counted."""

    succeeded: int = 0
    failed: int = 0
    """The name or the password was wrong, or the user may not come from there."""
    blocked: int = 0
    """Refused without a look, as too many had failed from the same address."""

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.succeeded + self.failed + self.blocked

    @property
    def refused(self) -> int:
        """Those that were not let in."""
        return self.failed + self.blocked

    def succeed(self) -> None:
        """Count one that was let in."""
        self.succeeded += 1

    def fail(self) -> None:
        """Count one that was wrong."""
        self.failed += 1

    def block(self) -> None:
        """Count one that was not looked at."""
        self.blocked += 1


class Source(NamedTuple):
    """A client that tries to log in."""

    address: str
    """Without the port."""
    user: str
    """The name that was given, which may be nobody's."""
    protocol: str


class LogInCounts:
    """The counters of one server."""

    __slots__ = ("_protocols", "_sources")

    def __init__(self) -> None:
        self._protocols: dict[str, Outcomes] = {}
        self._sources: OrderedDict[Source, Outcomes] = OrderedDict()

    def of(self, protocol: str, address: str, user: str) -> tuple[Outcomes, Outcomes]:
        """Where a log-in is counted: for its protocol, and for who tries."""
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
        """Every protocol by which somebody came, in RabbitMQ's words: amqp091, amqp10, stomp, http ..."""
        return sorted(self._protocols.items())

    def by_source(self) -> list[tuple[Source, Outcomes]]:
        """The counts of each source, the one that tried last at the end."""
        return list(self._sources.items())

    def clear(self) -> None:
        """Begin anew."""
        self._protocols.clear()
        self._sources.clear()

    def clear_sources(self) -> None:
        """Begin anew with who tries."""
        self._sources.clear()
