"""Pictures of a measurement: `python -m bench --plots FOLDER`, where matplotlib is installed.

For each section a bar for each column of each figure, a picture for each unit; for each rate of the section `latency`
the percentiles of all brokers.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.settings import say

__all__ = ["draw", "draw_file", "percentiles"]

MISSING = "no pictures: matplotlib is not installed (make bench-peers, or pip install matplotlib)"
# Steps of a histogram from one power of two of microseconds to the next (loadgen/latency.c).
STEPS = 4
DPI = 120


def draw(document: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what a file of `--json` holds; the pictures' files, none where matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        say(MISSING)
        return []
    folder.mkdir(parents=True, exist_ok=True)
    importlib.import_module("matplotlib").use("Agg")
    made: list[Path] = []
    for section in document["sections"]:
        heads = [*section["columns"], *([section["floor"]] if section["floor"] else [])]
        units = dict.fromkeys(figure["unit"] for figure in section["figures"])
        for unit in units:
            figures = [figure for figure in section["figures"] if figure["unit"] == unit]
            made.append(_bars(section["title"], unit, figures, heads, folder))
        for name, columns in section["histograms"].items():
            made.append(_percentiles(name, columns, folder))
    return made


def percentiles(steps: Sequence[tuple[int, int]]) -> tuple[list[float], list[float]]:
    """Milliseconds, and what share of the messages took longer than that, down to one message."""
    total = left = sum(count for _, count in steps)
    times: list[float] = []
    shares: list[float] = []
    for step, count in steps:
        times.append(2.0 ** (step / STEPS) / 1e3)
        left -= count
        shares.append(max(left, 0.5) / total)
    return times, shares


def draw_file(file: Path, folder: Path) -> list[Path]:
    """The same of a file that `--json` has written."""
    document: dict[str, Any] = json.loads(file.read_text())
    return draw(document, folder)


def _bars(title: str, unit: str, figures: list[dict[str, Any]], heads: list[str], folder: Path) -> Path:
    pyplot = importlib.import_module("matplotlib.pyplot")
    shown = [head for head in heads if any(figure["medians"].get(head) for figure in figures)]
    drawing, axes = pyplot.subplots(figsize=(9, 1.2 + 0.22 * len(figures) * max(1, len(shown))))
    thickness = 0.8 / max(1, len(shown))
    for index, head in enumerate(shown):
        places = [place + index * thickness for place in range(len(figures))]
        axes.barh(places, [figure["medians"].get(head) or 0.0 for figure in figures], thickness, label=head)
    middle = 0.4 - thickness / 2
    axes.set_yticks([place + middle for place in range(len(figures))], [figure["name"] for figure in figures])
    axes.invert_yaxis()
    values = [value for figure in figures for value in figure["medians"].values() if value]
    if values and max(values) > 30 * min(values):
        axes.set_xscale("log")
    axes.set_xlabel(unit)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    return _save(pyplot, drawing, folder, f"{title} {unit}")


def _percentiles(name: str, columns: dict[str, list[tuple[int, int]]], folder: Path) -> Path:
    pyplot = importlib.import_module("matplotlib.pyplot")
    drawing, axes = pyplot.subplots(figsize=(9, 4.5))
    for head, steps in columns.items():
        times, shares = percentiles(steps)
        axes.step(shares, times, where="pre", label=head)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_xaxis()
    axes.set_xticks([0.5, 0.1, 0.01, 0.001, 0.0001], ["p50", "p90", "p99", "p99.9", "p99.99"])
    axes.set_ylabel("milliseconds")
    axes.grid(visible=True, alpha=0.3)
    axes.set_title(f"Latency: {name}", fontsize=10)
    axes.legend(fontsize=8)
    return _save(pyplot, drawing, folder, f"latency {name}")


def _save(pyplot: Any, drawing: Any, folder: Path, name: str) -> Path:  # noqa: ANN401 - it is not always there
    file = folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
    drawing.savefig(file, dpi=DPI, bbox_inches="tight")
    pyplot.close(drawing)
    return file
