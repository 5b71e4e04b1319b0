"""`python -m proof.crash`, which is `make crash`: a broker is killed a thousand times, and every promise is checked."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.brokers import free_ports, on_disk
from bench.failures import BenchError
from bench.settings import ROOT

from proof.crash.checker import Verdict
from proof.crash.processes import prepare
from proof.crash.served.broker import STRIKES, Broker
from proof.crash.served.run import Round
from proof.crash.summary import summary

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when every promise was kept, 1 when not, 2 when it cannot run, 130 when interrupted."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    _say(f"{options.kills} kills, seed {seed}")
    base: Path = options.folder.resolve()
    kept = False
    try:
        if not options.anywhere:
            on_disk(base)
        base.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="crash-", dir=base))
        kept = _run(options, folder, seed)
    except BenchError as error:
        print(f"crash: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("crash: interrupted", file=sys.stderr)
        return 130
    return 0 if kept else 1


def _run(options: argparse.Namespace, folder: Path, seed: int) -> bool:
    total, began = Verdict(), time.monotonic()
    kills = client_kills = 0
    port = options.port or free_ports(1)[0]
    broker = Broker(folder, port)
    prepare()
    broker.begin()
    try:
        if not broker.await_ready():
            raise BenchError(f"the broker does not start: {broker.log}")
        number = 0
        while kills < options.kills and total.is_kept:
            number += 1
            one = Round(broker, folder / f"{number}", f"{seed}.{number}", options.life)
            before = kills
            verdict = one.run(
                min(options.round, options.kills - kills),
                lambda done, before=before: _tell(before + done, began),  # type: ignore[misc]
            )
            total.add(verdict)
            kills += one.kills
            client_kills += one.client_kills
            if verdict.is_kept:
                one.discard()
            _say(f"{kills} kills, {time.monotonic() - began:.0f} s: {_counts(total.counts)}")
    finally:
        broker.kill()
    for line in summary(STRIKES, broker.struck, broker.passed, total.uses):
        _say(line)
    total.counts["kills"], total.counts["client kills"] = kills, client_kills
    total.counts["seconds"] = round(time.monotonic() - began)
    return _conclude(options, broker, folder, seed, total)


def _conclude(options: argparse.Namespace, broker: Broker, folder: Path, seed: int, total: Verdict) -> bool:
    for line in total.examples:
        _say(line)
    broken = ", ".join(f"{count} {kind}" for kind, count in total.broken.items()) or "nothing missing or doubled"
    counts = total.counts
    print(
        f"crash: {counts['kills']:,} kills of the broker and {counts['client kills']:,} of clients, "
        f"{_counts(counts)}: {broken}: {'ok' if total.is_kept else 'FAILED'}",
        flush=True,
    )
    if options.json is not None:
        points = {"kills by point": dict(broker.struck), "points": dict(broker.passed)}
        told = {"seed": seed, **counts, **points, "features": dict(total.uses), "broken": dict(total.broken)}
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    if total.is_kept:
        _remove(folder)
    else:
        _say(f"the data, the log and the notes are kept in {folder}; seed {seed}")
    return total.is_kept


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)


def _counts(counts: Counter[str]) -> str:
    return (
        f"{counts['sent']:,} sent, {counts['confirmed']:,} confirmed, {counts['received']:,} received, "
        f"{counts['accepted']:,} accepted, {counts['settled']:,} of them promised, "
        f"{counts['transactions']:,} transactions"
    )


_last = [0.0]


def _tell(kills: int, began: float) -> None:
    """How far it is, every some seconds."""
    now = time.monotonic()
    if now > _last[0] + 10.0:
        _last[0] = now
        _say(f"{now - began:.0f} s: {kills} kills")


def _say(text: str) -> None:
    print(f"crash: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proof.crash", description="Kill a broker under load again and again, check every promise."
    )
    parser.add_argument("--kills", type=int, default=100, help="how often (default: %(default)s)")
    parser.add_argument("--round", type=int, default=25, help="kills before everything is taken and checked")
    parser.add_argument(
        "--life", type=float, default=1.2, help="the longest life under load, in seconds (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="of everything random; timing is not repeated by it")
    parser.add_argument("--port", type=int, default=0, help="where the broker listens (default: a free one)")
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    parser.add_argument("--anywhere", action="store_true", help="the folder may be in memory")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "proof", help="on a disk (default: build/proof)"
    )
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
