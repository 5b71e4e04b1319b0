"""The command: `python -m proof.soak`, which is `make soak`."""

from __future__ import annotations

import argparse
import json
import logging
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.brokers import on_disk
from bench.failures import BenchError
from bench.settings import ROOT, say

from proof.soak.broker import Everything
from proof.soak.course import Course, Tide
from proof.soak.level import Level, judge
from proof.soak.samples import FLOORS, suffix

__all__ = ["levels", "main"]


def levels(tides: Sequence[Tide]) -> dict[str, Level]:
    """Every series that there are tides enough for: the most of each tide, and what was there in its calm."""
    found: dict[str, Level] = {}
    for kind in ("peak", "calm"):
        for name in sorted({name for tide in tides for name in getattr(tide, kind)}):
            values = [getattr(tide, kind)[name] for tide in tides if name in getattr(tide, kind)]
            level = judge(values, *FLOORS[suffix(name)])
            if level is not None:
                found[f"{name}, {kind}"] = level
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when all is level and nothing was lost, 1 when not, 2 when something is missing."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    say(f"soak: {options.minutes:g} minutes, seed {seed}")
    try:
        base: Path = options.folder.resolve()
        on_disk(base)
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="soak-", dir=base, ignore_cleanup_errors=True) as name:
            good = _run(options, Path(name), seed)
    except BenchError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("soak: interrupted", file=sys.stderr)
        return 130
    return 0 if good else 1


def _run(options: argparse.Namespace, folder: Path, seed: int) -> bool:
    with Everything(folder, options.planted) as broker:
        course = Course(broker, folder, random.Random(seed), every=options.every, rate=options.rate)
        try:
            course.run(options.minutes * 60, options.tide)
        except (BenchError, OSError) as error:
            course.stage.fault(f"the broker failed: {error!r}")
    for log in (broker.log, folder / "movers.log"):
        if log.exists() and "Traceback" in log.read_text(errors="replace"):
            course.stage.fault(f"{log.name} has a traceback")
    judged = levels(course.tides)
    good, line = _verdict(options.minutes, course, judged)
    print(line, flush=True)
    _keep(options, folder, seed, course, judged, line, good=good)
    return good


def _verdict(minutes: float, course: Course, judged: dict[str, Level]) -> tuple[bool, str]:
    tally, faults = course.ledger.tally(), course.stage.faults
    grown = {name: level for name, level in judged.items() if not level.kept}
    for text in [*course.ledger.examples, *faults[:20]]:
        say(f"soak: {text}")
    for name, level in grown.items():
        say(f"soak: {name} grows: {level.first:,.1f} to {level.last:,.1f}, noise is {level.allowed:,.1f}")
    if not judged:
        say("soak: too few tides to tell whether anything grows")
    good = tally.sound and not faults and not grown and tally.confirmed > 0
    return good, (
        f"soak: {minutes:g} min, {len(course.tides)} tides, {tally.published:,} published, "
        f"{tally.confirmed:,} confirmed, {tally.settled:,} settled: {tally.lost} lost, {tally.returned} came back, "
        f"{tally.unknown} unknown, {len(faults)} faults; {course.samples:,} samples, {len(judged)} series, "
        f"{len(grown)} grow: {'ok' if good else 'FAILED'}"
    )


def _keep(
    options: argparse.Namespace,
    folder: Path,
    seed: int,
    course: Course,
    judged: dict[str, Level],
    line: str,
    *,
    good: bool,
) -> None:
    report = {
        "line": line,
        "seed": seed,
        "faults": course.stage.faults,
        "levels": {
            name: {"first": level.first, "last": level.last, "growth": level.growth, "allowed": level.allowed}
            for name, level in judged.items()
        },
        "tides": [{"peak": tide.peak, "calm": tide.calm} for tide in course.tides],
    }
    text = json.dumps(report, indent=1)
    if options.json:
        options.json.write_text(text)
    if not good:
        kept = folder.rename(folder.with_name(f"failed-{folder.name}"))
        (kept / "soak.json").write_text(text)
        say(f"soak: the data, the logs and all figures are kept in {kept}; the seed is {seed}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proof.soak",
        description="Load and churn over every protocol: is all level, and is nothing lost?",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)g)")
    parser.add_argument("--tide", type=float, default=30.0, help="seconds of a tide (default: %(default)g)")
    parser.add_argument("--rate", type=float, default=400.0, help="messages a second, about (default: %(default)g)")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between samples (default: %(default)g)")
    parser.add_argument("--seed", type=int, help="of everything random; timing is not repeated by it")
    parser.add_argument("--planted", default="", metavar="FAULT", help="of proof.planted: a broker that has this fault")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "proof", help="on a disk (default: build/proof)"
    )
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # who leaves without a word is no news
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
