"""`python -m bench`, which is `make bench`: run the sections asked for, print their tables."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import judged, plots, report
from bench.brokers import on_disk
from bench.failures import BenchError
from bench.report import Section
from bench.settings import ROOT, Settings

# Each is a module with ``run(settings: Settings) -> Section``, imported when it is wanted: not everybody has all peers.
SECTIONS = {
    "broker": "bench.broker",
    "latency": "bench.latency",
    "compiled": "bench.compiled",
    "connections": "bench.connections",
    "costs": "bench.costs",
    "memory": "bench.memory",
    "backlog": "bench.backlog",
    "delays": "bench.delays",
    "embedded": "bench.embedded",
    "stomp": "bench.stomp",
    "amqp10": "bench.amqp10",
    "tls": "bench.tls",
    "engines": "bench.engines",
}
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when everything was measured, whatever came out; 2 when something is missing."""
    options = _parser().parse_args(arguments)
    try:
        return _judge(options) if options.targets else _run(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    base: Path = options.folder.resolve()
    on_disk(base)
    base.mkdir(parents=True, exist_ok=True)
    wanted = options.only or list(SECTIONS)
    about = report.machine()
    print("  ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    sections: list[Section] = []
    if options.json is not None:
        try:
            report.write(options.json, sections, about)
        except OSError as error:  # rather now than in half an hour
            raise BenchError(f"{options.json} cannot be written: {error.strerror}") from None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=base, ignore_cleanup_errors=True) as name:
        settings = Settings(
            folder=Path(name),
            programs=Path(name) / "programs",
            rounds=options.rounds or (1 if options.quick else 5),
            quick=options.quick,
            messages=options.messages,
        )
        for chosen in wanted:
            section: Section = importlib.import_module(SECTIONS[chosen]).run(settings)
            print(f"\n{report.table(section)}", flush=True)
            sections.append(section)
            if options.json is not None:  # after each: a run of half an hour that fails keeps what it has
                report.write(options.json, sections, about)
    if options.plots is not None:
        _tell(plots.draw(report.document(sections, about), options.plots))
    return 0


def _judge(options: argparse.Namespace) -> int:
    """Hold what was measured before against the targets, and draw it."""
    print(judged.judge(judged.read(options.targets)))
    for file in options.targets:
        if options.plots is not None:
            _tell(plots.draw_file(file, options.plots))
    return 0


def _tell(pictures: Sequence[Path]) -> None:
    for picture in pictures:
        print(picture)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure BatonMQ beside its peers, where they are installed; print medians and ratios.",
    )
    sections = list(SECTIONS)
    parser.add_argument("--only", action="append", choices=sections, help="this section; several times for several")
    parser.add_argument("--rounds", type=_positive, help="how often; the median counts (default: 5, with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="few messages: shows that it works, not how fast it is")
    parser.add_argument(
        "--messages",
        type=_positive,
        default=2_000_000,
        help="waiting in the sections memory, backlog, delays and costs (default: %(default)s)",
    )
    parser.add_argument(
        "--folder",
        metavar="DIR",
        type=Path,
        default=ROOT / "build" / "bench",
        help="where brokers keep their data meanwhile: on a disk, not in memory (default: build/bench)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures, every sample, to this file too")
    parser.add_argument("--plots", metavar="DIR", type=Path, help="draw pictures into this folder, with matplotlib")
    parser.add_argument(
        "--targets",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="measure nothing: hold what --json has written against the targets, and draw it with --plots",
    )
    return parser


def _positive(text: str) -> int:
    with contextlib.suppress(ValueError):
        if int(text) > 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a broker that is not up yet is no news
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
