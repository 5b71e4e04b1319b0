"""``python -m proof.fuzz [TARGET ...]``: input of any kind for all that reads bytes, for as long as it is told to."""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import batonmq
from proof.fuzz.growing import grow
from proof.fuzz.running import Block, Done, Processes, blocks
from proof.fuzz.target import Target
from proof.fuzz.targets import TARGETS
from proof.fuzz.trying import Finding, Trial

KEPT, BROKEN, UNABLE, INTERRUPTED = 0, 1, 2, 130


@dataclass
class Tally:
    """What came of one target."""

    inputs: int = 0
    seconds: float = 0.0
    findings: dict[str, Finding] = field(default_factory=dict)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m proof.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="names, or their beginnings: amqp091, stomp.session"
    )
    parser.add_argument("--list", action="store_true", help="what there is")
    parser.add_argument("--inputs", type=int, default=20_000, help="for each target that is a parser (%(default)s)")
    parser.add_argument("--session-inputs", type=int, help="for each whole session (a twentieth of --inputs)")
    parser.add_argument("--minutes", type=float, help="end after this time, whatever was done by then")
    parser.add_argument("--seed", type=int, help="which inputs are made up (others each time)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--nice", type=int, default=0, help="by how much they give way to others")
    parser.add_argument("--folder", type=Path, default=Path("fuzz-findings"), help="for what is found (%(default)s)")
    parser.add_argument(
        "--grow", type=float, metavar="SECONDS", help="keep inputs that come to lines that no kept one comes to"
    )
    parser.add_argument(
        "--guided", type=int, metavar="SECONDS", help="have atheris make the inputs for so long, guided by coverage"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="try the input in this file on one target, and tell"
    )
    return parser.parse_args(argv)


def chosen(names: Sequence[str]) -> list[Target]:
    """The targets of these names, or beginnings of names."""
    if not names:
        return list(TARGETS.values())
    found = [target for target in TARGETS.values() if any(_is_named(target, name) for name in names)]
    for name in names:
        if not any(_is_named(target, name) for target in found):
            raise LookupError(f"no target is named {name}; --list has them")
    return found


def _is_named(target: Target, name: str) -> bool:
    return target.name == name or target.protocol == name


def replay(target: Target, path: Path) -> int:
    """One input again, with all that it breaks."""
    trial = Trial(target)
    with trial.watching():
        what = trial.fault_of(path.read_bytes())
    print(what or f"{target.name}: {path} breaks nothing")
    return BROKEN if what else KEPT


def write(found: Finding, folder: Path) -> Path:
    """Keep a finding, with what it broke beside it; tells where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.target}-{sha256(found.data).hexdigest()[:12]}.bin"
    path.write_bytes(found.data)
    path.with_suffix(".txt").write_text(f"{found.data!r}\n\n{found.what}", encoding="utf-8", errors="replace")
    return path


def _until(todo: Iterator[Block], end: float | None) -> Iterator[Block]:
    for block in todo:
        if end is not None and time.monotonic() >= end:
            return
        yield block


def fuzz(args: argparse.Namespace, targets: list[Target]) -> int:
    """Try them; tells what came of it."""
    seed = args.seed if args.seed is not None else time.time_ns() % 1_000_000_000
    tallies: dict[str, Tally] = defaultdict(Tally)
    end = None if args.minutes is None else time.monotonic() + args.minutes * 60
    sessions = args.session_inputs if args.session_inputs is not None else max(1, args.inputs // 20)
    todo = _until(blocks(targets, seed, args.inputs, sessions), end)
    processes = Processes(targets, args.jobs, nice=args.nice)
    is_interrupted = False
    try:
        for done in processes.run(todo):
            _count(tallies[done.target], done, args.folder)
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        processes.close()
    found = summarise(tallies, targets, seed)
    if args.json:
        args.json.write_text(json.dumps(counts(tallies, targets, seed), indent=1) + "\n", encoding="utf-8")
    if is_interrupted:
        return INTERRUPTED
    return BROKEN if found else KEPT


def _count(tally: Tally, done: Done, folder: Path) -> None:
    tally.inputs += done.inputs
    tally.seconds += done.seconds
    for found in done.findings:
        if found.place not in tally.findings:
            tally.findings[found.place] = found
            path = write(found, folder)
            print(f"{found.target}: {found.what.strip().splitlines()[-1][:200]}")
            print(f"  again: python -m proof.fuzz {found.target} --replay {path}", flush=True)


def counts(tallies: dict[str, Tally], targets: list[Target], seed: int) -> dict[str, object]:
    """What was done, for whoever reads it by a program."""
    return {
        "seed": seed,
        "targets": {
            target.name: {
                "inputs": tallies[target.name].inputs,
                "seconds": round(tallies[target.name].seconds, 1),
                "findings": len(tallies[target.name].findings),
                "is_session": target.is_session,
            }
            for target in targets
        },
    }


def summarise(tallies: dict[str, Tally], targets: list[Target], seed: int) -> int:
    """One line for each target, one for each protocol, and one for all; tells how much was found."""
    parsed: dict[str, int] = defaultdict(int)
    whole: dict[str, int] = defaultdict(int)
    for target in targets:
        tally = tallies[target.name]
        (whole if target.is_session else parsed)[target.protocol] += tally.inputs
        speed = tally.inputs / tally.seconds if tally.seconds else 0.0
        print(f"{target.name:24} {tally.inputs:>12,} inputs  {speed:>8,.0f}/s  {len(tally.findings)} found")
    for protocol in dict.fromkeys(target.protocol for target in targets):
        print(f"{protocol}: {parsed[protocol]:,} inputs to parsers, {whole[protocol]:,} to whole sessions")
    found = sum(len(tally.findings) for tally in tallies.values())
    inputs = sum(tally.inputs for tally in tallies.values())
    print(f"fuzz: {inputs:,} inputs, {len(targets)} targets, seed {seed}, {found} found: {'BROKEN' if found else 'ok'}")
    return found


def guide(args: argparse.Namespace, targets: list[Target]) -> int:
    """A process of atheris for each; tells what came of it."""
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: --guided needs atheris, which `make fuzz-guided` installs", file=sys.stderr)
        return UNABLE
    seed = args.seed if args.seed is not None else time.time_ns() % 1_000_000_000
    args.folder.mkdir(parents=True, exist_ok=True)
    total = broken = 0
    for target in targets:
        asked = [target.name, str(args.guided), str(args.folder), str(seed)]
        command = [sys.executable, "-m", "proof.fuzz.guided", *asked]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        counted = re.search(r"number_of_executed_units: (\d+)", ended.stderr)
        inputs = int(counted[1]) if counted else 0
        total += inputs
        broken += ended.returncode != 0
        print(ended.stdout, end="")
        print(f"{target.name:24} {inputs:>12,} inputs, guided: {'BROKEN' if ended.returncode else 'ok'}", flush=True)
        if ended.returncode and not ended.stdout:
            print(ended.stderr[-2000:], file=sys.stderr)
    print(f"fuzz: {total:,} inputs by coverage, {len(targets)} targets, seed {seed}, {broken} broken")
    return BROKEN if broken else KEPT


def main(argv: Sequence[str]) -> int:
    """Do what the command line says; tells how the process ends."""
    args = arguments(argv)
    try:
        targets = chosen(args.targets)
    except LookupError as error:
        print(f"fuzz: {error.args[0]}", file=sys.stderr)
        return UNABLE
    if args.list:
        for target in targets:
            print(f"{target.name:24} {target.about}")
        return KEPT
    if args.replay:
        if len(targets) != 1:
            print("fuzz: --replay needs one target", file=sys.stderr)
            return UNABLE
        return replay(targets[0], args.replay)
    if args.grow is not None:
        if batonmq.compiled:
            print("fuzz: --grow goes by lines, and what is compiled tells of none: set BATONMQ_PURE=1", file=sys.stderr)
            return UNABLE
        seed = str(args.seed if args.seed is not None else time.time_ns())
        for target in targets:
            print(f"{target.name:24} {grow(target, args.grow, seed)} more are kept", flush=True)
        return KEPT
    return fuzz(args, targets) if args.guided is None else guide(args, targets)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
