"""The command: `python -m proof.crash.embedded`."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from proof.crash.checker.verdict import KINDS
from proof.crash.embedded.harness import STRIKES, Harness, Outcome
from proof.crash.summary import summary

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every promise was kept; 1: not; 2: it cannot run; 130: interrupted."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(f"crash: programs on one file, {options.kills} kills, seed {seed}", flush=True)
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="crash-embedded-", dir=options.folder))
    except OSError as error:
        print(f"crash: {error}", file=sys.stderr)
        return 2
    began = time.monotonic()
    harness = Harness(folder, seed, options.kills)
    try:
        outcome = harness.run()
    except KeyboardInterrupt:
        print("crash: interrupted", file=sys.stderr)
        return 130
    finally:
        harness.close()
    counts = _counts(outcome, seed, time.monotonic() - began)
    for example in outcome.verdict.examples:
        print(f"crash: {example}")
    print(f"crash: kills: {dict(sorted(outcome.kills.items()))}")
    for line in summary(STRIKES, outcome.points, outcome.passed, outcome.verdict.uses):
        print(f"crash: {line}")
    print(_line(outcome, counts), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(counts, indent=2) + "\n")
    if not outcome.verdict.is_kept:
        print(f"crash: seed {seed}; the file, the notes and the log are kept in {folder}")
        return 1
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    return 0


def _counts(outcome: Outcome, seed: int, seconds: float) -> dict[str, object]:
    verdict = outcome.verdict
    return {
        "seed": seed,
        "seconds": round(seconds, 1),
        "kills": outcome.kills.total(),
        "kills by kind": dict(outcome.kills),
        "kills by point": dict(outcome.points),
        "points": dict(outcome.passed),
        "features": dict(outcome.verdict.uses),
        "owners": outcome.lives,
        **{name: verdict.counts[name] for name in ("sent", "confirmed", "received", "settled", "transactions")},
        "broken": {kind: verdict.broken[kind] for kind in KINDS},
    }


def _line(outcome: Outcome, counts: dict[str, object]) -> str:
    verdict = outcome.verdict
    numbers = ", ".join(f"{verdict.counts[name]:,} {name}" for name in ("confirmed", "received", "settled"))
    broken = ", ".join(f"{verdict.broken[kind]} {kind}" for kind in KINDS)
    return (
        f"crash: {counts['kills']:,} kills in {counts['seconds']} s, {counts['owners']} owners, {numbers}, "
        f"{verdict.counts['transactions']:,} transactions: {broken}: {'ok' if verdict.is_kept else 'BROKEN'}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proof.crash.embedded", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often a process is killed; default: 200")
    parser.add_argument("--seed", type=int, help="what chance begins with; default: another each time")
    parser.add_argument(
        "--folder", type=Path, default=Path("bench-data"), help="where its files are made; default: bench-data"
    )
    parser.add_argument("--json", type=Path, help="write the counts to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
