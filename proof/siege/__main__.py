"""The command: `python -m proof.siege`, which is `make siege`."""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.brokers import on_disk
from bench.failures import BenchError
from bench.settings import ROOT, say

import batonmq
from proof.siege.attacks import ATTACKS, Siege
from proof.soak.broker import Everything
from proof.soak.samples import Sample, of_process

__all__ = ["Outcome", "main", "verdict"]

LIMIT = 0.050
"""Seconds that a confirm may take in the 99th percentile."""
BACK = 60.0
"""Seconds in which memory and descriptors must have come back."""
SPARE_FILES, SPARE_MEMORY = 10, 96.0
"""Descriptors and megabytes that may be more afterwards: the allocator keeps some of what it had."""
STOP = 120.0


@dataclass
class Outcome:
    """What was found."""

    rounds: collections.Counter[str] = field(default_factory=collections.Counter)
    refused: collections.Counter[str] = field(default_factory=collections.Counter)
    """Rounds that ended with an error of the network: the broker has thrown the client out."""
    faults: list[str] = field(default_factory=list)
    before: Sample = field(default_factory=dict)
    most: Sample = field(default_factory=dict)
    after: Sample = field(default_factory=dict)
    floor: dict[str, float] = field(default_factory=dict)
    """The 99th percentile of each protocol without the siege, in milliseconds."""
    during: dict[str, float] = field(default_factory=dict)
    """The same with it."""
    account: dict[str, int] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when nobody who means well noticed much, 1 when not, 2 when something is missing."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    say(f"siege: {options.minutes:g} minutes, seed {seed}")
    try:
        base: Path = options.folder.resolve()
        on_disk(base)
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="siege-", dir=base, ignore_cleanup_errors=True) as name:
            return 0 if _run(options, Path(name), random.Random(seed)) else 1
    except BenchError as error:
        print(f"siege: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("siege: interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace, folder: Path, chance: random.Random) -> bool:
    outcome = Outcome()
    with Everything(folder) as broker:
        _besiege(broker, options.minutes * 60, chance, outcome)
    if "Traceback" in broker.log.read_text(errors="replace"):
        outcome.faults.append("the broker's log has a traceback")
    good, line = verdict(outcome, options)
    print(line, flush=True)
    if options.json:
        options.json.write_text(json.dumps(vars(outcome), indent=1))
    if not good:
        kept = folder.rename(folder.with_name(f"failed-{folder.name}"))
        say(f"siege: the data and the log of the broker are kept in {kept}")
    return good


def _besiege(broker: Everything, seconds: float, chance: random.Random, outcome: Outcome) -> None:
    with batonmq.connect(broker.url) as mq:
        mq.declare("siege.big")
        mq.send_many("siege.big", [b"x" * 10_000] * 500)
    command = [sys.executable, "-m", "proof.siege.traffic", str(broker.port), str(broker.stomp_port)]
    flow = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert flow.stdout is not None
        if flow.stdout.readline() != "flows\n":
            raise BenchError("the clients that mean well did not begin")
        _await(lambda: False, max(seconds / 4, 1.0))
        outcome.before = of_process(broker.pid, "broker")
        began = time.monotonic()
        _attack(broker, seconds, chance, outcome)
        ended = time.monotonic()
        _await(lambda: _is_back(broker, outcome), BACK)
        report = json.loads(flow.communicate("", STOP)[0])
    finally:
        if flow.poll() is None:
            flow.kill()
            flow.communicate()
    outcome.account = report["account"]
    outcome.faults += report["faults"]
    for name, took in report["took"].items():
        outcome.floor[name] = _percentile([each for at, each in took if at < began])
        outcome.during[name] = _percentile([each for at, each in took if began <= at < ended])


def _attack(broker: Everything, seconds: float, chance: random.Random, outcome: Outcome) -> None:
    ports = {"amqp": broker.port, "stomp": broker.stomp_port, "web": broker.web_port, "http": broker.management_port}
    over = threading.Event()
    sieges = []

    def again(attack: Callable[[Siege], None], siege: Siege, pause: float) -> None:
        while not over.wait(pause):
            outcome.rounds[attack.__name__] += 1
            try:
                attack(siege)
            except OSError:
                outcome.refused[attack.__name__] += 1

    threads = []
    for attack, pause in ATTACKS.items():
        sieges.append(Siege(ports, random.Random(chance.random())))
        threads.append(threading.Thread(target=again, args=(attack, sieges[-1], pause)))
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, value in of_process(broker.pid, "broker").items():
            outcome.most[name] = max(value, outcome.most.get(name, value))
        over.wait(0.25)
    over.set()
    for thread in threads:
        thread.join()
    for siege in sieges:
        siege.leave()


def _is_back(broker: Everything, outcome: Outcome) -> bool:
    outcome.after = of_process(broker.pid, "broker")
    return _came_back(outcome)


def _await(done: Callable[[], bool], within: float) -> None:
    end = time.monotonic() + within
    while not done() and time.monotonic() < end:
        time.sleep(0.1)  # the system tells nobody when a process has let go


def _percentile(took: Sequence[float]) -> float:
    """The 99th, in milliseconds."""
    return 1000 * statistics.quantiles(took, n=100, method="inclusive")[98] if len(took) > 1 else 0.0


def verdict(outcome: Outcome, options: argparse.Namespace) -> tuple[bool, str]:
    """Whether nobody who means well noticed much, and the line that says so."""
    account, faults = outcome.account, list(outcome.faults)
    if not _came_back(outcome):
        faults.append(f"memory or descriptors have not come back: {outcome.before} before, {outcome.after} after")
    slow = {name: value for name, value in outcome.during.items() if value >= 1000 * LIMIT}
    if slow and not options.untimed:
        faults.append(f"the 99th percentile of a confirm is {LIMIT * 1000:g} ms or more: {slow}")
    for text in faults[:20]:
        say(f"siege: {text}")
    for name, count in outcome.rounds.items():
        say(f"siege: {name}: {count:,} rounds, {outcome.refused[name]:,} thrown out")
    lost = account["lost"] + account["returned"] + account["unknown"]
    good = not faults and not lost and account["confirmed"] > 0
    times = ", ".join(f"{name} {outcome.during[name]:.1f} ms ({outcome.floor[name]:.1f})" for name in outcome.during)
    figures = (outcome.before, outcome.most, outcome.after)
    files = ", ".join(f"{each.get('broker files', 0):.0f}" for each in figures)
    megabytes = ", ".join(f"{each.get('broker memory MB', 0):.0f}" for each in figures)
    return good, (
        f"siege: {options.minutes:g} min, {sum(outcome.rounds.values()):,} rounds of {len(outcome.rounds)} attacks, "
        f"{account['confirmed']:,} confirmed beside them, {lost} lost or doubled, {len(faults)} faults; "
        f"p99 of a confirm (without the siege): {times}, load {os.getloadavg()[0]:.1f}; before, at most and after: "
        f"descriptors {files}, megabytes {megabytes}: {'ok' if good else 'FAILED'}"
    )


def _came_back(outcome: Outcome) -> bool:
    before, after = outcome.before, outcome.after
    return bool(after) and (
        after["broker files"] <= before["broker files"] + SPARE_FILES
        and after["broker memory MB"] <= before["broker memory MB"] + SPARE_MEMORY
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proof.siege",
        description="Attack every listener: do those who mean well lose anything, or wait long?",
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: %(default)g)")
    parser.add_argument("--untimed", action="store_true", help="tell how long confirms take, and judge only the rest")
    parser.add_argument("--seed", type=int, help="of everything random; timing is not repeated by it")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "proof", help="on a disk (default: build/proof)"
    )
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
