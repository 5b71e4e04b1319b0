"""python -m proof.damage: thousands of damaged files, each checked, repaired and started on.

python -m proof.damage --files 1000
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from proof.damage.files import KINDS, Sent, make_store
from proof.damage.hurting import hurt
from proof.damage.judging import judge

__all__ = ["main"]

KEPT, BROKEN, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m proof.damage", description=__doc__)
    parser.add_argument("--files", type=int, default=1_000, help="how many are damaged (1000)")
    parser.add_argument("--seed", type=int, default=None, help="the first file's; each has the next")
    parser.add_argument("--folder", type=Path, default=None, help="where to work; default: one that goes again")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the counts")
    said = parser.parse_args(arguments)
    seed = said.seed if said.seed is not None else random.SystemRandom().randrange(1 << 32)
    folder = Path(tempfile.mkdtemp(prefix="damage-", dir=said.folder))
    begin = time.monotonic()
    counts: Counter[str] = Counter()
    code = CANNOT_RUN
    try:
        code = _run(folder, seed, said.files, counts)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code in (KEPT, INTERRUPTED):
        shutil.rmtree(folder)
    else:
        print(f"damage: the files are in {folder}; --seed {seed}", file=sys.stderr)
    if said.json is not None:
        said.json.write_text(json.dumps({**counts, "seed": seed, "seconds": time.monotonic() - begin}, indent=2))
    shown = ", ".join(f"{counts[name]:,} {name}" for name in sorted(counts) if counts[name])
    verdict = {KEPT: "ok", BROKEN: "BROKEN", INTERRUPTED: "interrupted"}[code]
    print(f"damage: seed {seed}, {time.monotonic() - begin:,.0f} s, {shown}: {verdict}")
    return code


def _run(folder: Path, seed: int, files: int, counts: Counter[str]) -> int:
    originals: list[tuple[Path, Sent]] = []
    for kind in KINDS:
        original = folder / kind
        original.mkdir()
        originals.append((original, make_store(original, kind)))
    broken = 0
    for number in range(files):
        chance = random.Random(seed + number)
        original, sent = chance.choice(originals)
        case = folder / f"case-{seed + number}"
        shutil.copytree(original, case)
        what = ", ".join(hurt(case, chance) for _ in range(chance.choice((1, 1, 1, 2))))
        counts["files"] += 1
        try:
            counts.update(judge(case, sent, what))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the others go on
            broken += 1
            counts["broken"] += 1
            print(f"damage: seed {seed + number}, {original.name}, {what}: {error!r}", file=sys.stderr)
            if not isinstance(error, RuntimeError):
                (case / "why").write_text("".join(traceback.format_exception(error)))
            continue
        with contextlib.suppress(OSError):
            shutil.rmtree(case)
    return BROKEN if broken else KEPT


if __name__ == "__main__":
    sys.exit(main())
