"""Counters in RabbitMQ's form: each with its rate, and with samples if requested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batonmq.management.statistics.rings import SAMPLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batonmq.management.statistics.kinds import Kind
    from batonmq.management.statistics.series import Series

__all__ = ["Figures", "Range"]

# Counters that are sums of others.
SUMS: Final = {
    "deliver_get": ("deliver", "deliver_no_ack", "get", "get_no_ack"),
    "messages": ("messages_ready", "messages_unacknowledged"),
}


@dataclass(frozen=True, slots=True)
class Range:
    """Samples of the last ``age`` seconds, one in ``step`` seconds."""

    age: int
    step: int


class Figures:
    """The current counters of one object, and their history."""

    __slots__ = ("_kind", "_now", "_series", "_tick")

    def __init__(self, kind: Kind, now: Sequence[int], series: Sequence[Series], tick: int) -> None:
        """``now``: the current values; ``series``: the series to add up, none if there are no samples yet.

        ``tick``: that of the latest samples.
        """
        self._kind = kind
        self._now = now
        self._series = series
        self._tick = tick

    def _places(self, name: str) -> list[int]:
        return [self._kind.place(part) for part in SUMS.get(name, (name,))]

    def value(self, name: str) -> int:
        """The current value of a counter."""
        return max(sum(self._now[place] for place in self._places(name)), 0)

    @property
    def are_nothing(self) -> bool:
        """Is every counter 0?"""
        return not any(self._now)

    def show(self, names: Iterable[str], span: Range | None) -> dict[str, object]:
        """Counters by their names, and beside each its ``_details``."""
        shown: dict[str, object] = {}
        for name in names:
            shown[name] = self.value(name)
            shown[f"{name}_details"] = self.details(name, span)
        return shown

    def details(self, name: str, span: Range | None) -> dict[str, object]:
        """The rate of a counter per second; with ``span``, also its samples, their mean and the rate over the span."""
        places = self._places(name)
        # An object that was gone at the latest sample has no rate.
        current = [series for series in self._series if series.tick >= self._tick]
        rate = sum(series.rate(place) for series in current for place in places) / SAMPLE_SECONDS
        if span is None:
            return {"rate": rate}
        samples = self._samples(places, span)
        values = [value for value, _ in samples]
        return {
            "rate": rate,
            "samples": [{"sample": value, "timestamp": timestamp} for value, timestamp in samples],
            "avg_rate": (values[0] - values[-1]) / span.age if span.age else 0.0,
            "avg": sum(values) / len(values),
        }

    def idle_since(self) -> int | None:
        """Since when no counter has changed, in seconds of the epoch, to within a sample; None: they are changing."""
        moved = max((series.moved for series in self._series), default=self._tick)
        sampled = [sum(values) for values in zip(*(series.last for series in self._series), strict=True)]
        return moved * SAMPLE_SECONDS if moved < self._tick and sampled == list(self._now) else None

    def _samples(self, places: list[int], span: Range) -> list[tuple[int, int]]:
        """Value and time (ms of the epoch), the newest first, at whole multiples of the step."""
        newest = self._tick * SAMPLE_SECONDS // span.step * span.step
        times = range(newest, newest - span.age // span.step * span.step - 1, -span.step)
        sums = [0] * len(times)
        for series in self._series:
            ring = series.geometry.ring(span.age, span.step)
            for number, time in enumerate(times):
                sums[number] += sum(series.value(ring, place, time // SAMPLE_SECONDS) for place in places)
        return [(value, time * 1000) for value, time in zip(sums, times, strict=True)]
