"""The answer to a scrape, written by prometheus_client, in pieces, in the requested format.

The library writes headers, labels and whatever is short. For a family with a sample for each of ten thousand queues,
the library writes only the labels, once per queue: a line from these and a value takes 0.2 us, and 11 us if the library
writes it, with which such a scrape would take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry

from batonmq.management.metrics.families import Family, Figure

__all__ = ["Page"]

# The last line of OpenMetrics.
END: Final = "# EOF\n"


class _Registry:
    """Stands in for the library's registry of collectors."""

    def __init__(self, *metrics: Metric) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


class Page:
    """Writes one answer."""

    def __init__(self, accept: str, prefix: str = "") -> None:
        """``accept``: the formats that the client accepts.

        ``prefix``: inserted after the first _ of each name, but for those of the cluster and of the build.
        """
        encoder, self.content_type = choose_encoder(accept)
        self._encode = cast("Callable[[CollectorRegistry], bytes]", encoder)
        self.is_openmetrics = self.content_type.startswith("application/openmetrics-text")
        self._prefix = prefix

    @property
    def end(self) -> str:
        """The end of the answer."""
        return END if self.is_openmetrics else ""

    def name(self, family: Family) -> str:
        """The name of its samples in this format."""
        first, _, rest = family.name.partition("_")
        if not self._prefix or rest.startswith("cluster_") or rest in ("build_info", "identity_info"):
            return family.name
        return f"{first}_{self._prefix}{rest}"

    def header(self, family: Family) -> str:
        """The lines before its samples."""
        return self._text(self._metric(family))

    def labels(self, names: Sequence[str], values: Sequence[str]) -> str:
        """Labels in the form between the name and the value of a sample."""
        if not names:
            return ""
        metric = Metric("x", "", "gauge")
        metric.add_sample("x", dict(zip(names, map(_text, values), strict=True)), 0)
        line = self._text(metric).splitlines()[-1]
        return line[1 : line.rindex(" ")]

    def lines(self, family: Family, samples: Iterable[tuple[str, Figure]]) -> str:
        """Samples: labels from ``labels``, and a value."""
        name = self.name(family)
        return "".join([f"{name}{labels} {value}\n" for labels, value in samples if value is not None])

    def sample(self, family: Family, value: Figure, labels: Mapping[str, str] | None = None) -> str:
        """A family with one sample."""
        metric = self._metric(family)
        if value is not None:
            metric.add_sample(self.name(family), {name: _text(text) for name, text in (labels or {}).items()}, value)
        return self._text(metric)

    def histogram(self, name: str, about: str, buckets: Iterable[tuple[float, int]], total: float) -> str:
        """A histogram: for each bound the number of values up to it, and the sum of all."""
        metric = Metric(name, about, "histogram")
        count = 0
        for bound, count in buckets:
            metric.add_sample(f"{name}_bucket", {"le": "+Inf" if bound == float("inf") else repr(bound)}, count)
        metric.add_sample(f"{name}_count", {}, count)
        metric.add_sample(f"{name}_sum", {}, total)
        return self._text(metric)

    def _metric(self, family: Family) -> Metric:
        name = self.name(family)
        return Metric(name.removesuffix("_total") if family.kind == "counter" else name, family.about, family.kind)

    def _text(self, metric: Metric) -> str:
        text = self._encode(cast("CollectorRegistry", _Registry(metric))).decode()
        return text.removesuffix(END) if self.is_openmetrics else text


def _text(value: str) -> str:
    """A name in valid UTF-8. Names in the broker may be other than UTF-8; different ones stay different."""
    return value if value.isascii() else value.encode(errors="backslashreplace").decode()
