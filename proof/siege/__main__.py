"""The command: `python -m proof.siege`, which is `make siege`."""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from bench.brokers import on_disk
from bench.failures import BenchError
from bench.settings import ROOT, say

import batonmq
from proof.siege.attackers import ATTACKS
from proof.siege.broker import Besieged, Work
from proof.siege.cores import apart, before_others
from proof.siege.slowest import slowest
from proof.soak.samples import Sample, of_process

__all__ = ["Outcome", "main", "verdict"]

LIMIT = 0.050
"""Seconds that a confirm may take in the 99th percentile, beyond what the machine itself takes for the same."""
PROCESSES = 2
"""Of attackers."""
BEHIND = 10
"""By how much the attackers' priority is lower (nice(2))."""
BACK = 60.0
"""Seconds in which memory and descriptors must have come back."""
SPARE_FILES, SPARE_MEMORY = 10, 64.0
"""Descriptors and megabytes that may be more afterwards: the allocator keeps some of what it had."""
STOP = 120.0
CONFIRMING = ("amqp", "stomp", "amqp10")
TELLING = [attack.__name__ for attack in ATTACKS if get_type_hints(attack)["return"] is bool]
"""Attacks that can tell whether they did what they came for."""


@dataclass
class Outcome:
    """What was found."""

    rounds: collections.Counter[str] = field(default_factory=collections.Counter)
    refused: collections.Counter[str] = field(default_factory=collections.Counter)
    """Rounds that ended with an error of the network: the broker has thrown the client out."""
    inside: collections.Counter[str] = field(default_factory=collections.Counter)
    """Rounds that did what they came for, of attacks that can tell."""
    faults: list[str] = field(default_factory=list)
    before: Sample = field(default_factory=dict)
    most: Sample = field(default_factory=dict)
    after: Sample = field(default_factory=dict)
    floor: dict[str, float] = field(default_factory=dict)
    """The 99th percentile of each protocol without the siege, in milliseconds."""
    during: dict[str, float] = field(default_factory=dict)
    """The same with it."""
    half: dict[str, float] = field(default_factory=dict)
    """The 50th percentile with it."""
    slowest: str = ""
    """How many confirms took too long, and whether that was at few moments."""
    account: dict[str, int] = field(default_factory=dict)
    ran: float = 0.0
    """Seconds that the processors worked for the broker's threads during the siege."""
    waited: float = 0.0
    """Seconds that these waited for a processor."""
    cores: str = "the processors are shared by all"


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
    with Besieged(folder, options.planted) as broker, contextlib.ExitStack() as bound:
        if options.apart:
            outcome.cores = bound.enter_context(apart(broker.pid))
            say(f"siege: {outcome.cores}")
        _besiege(broker, chance, outcome, options)
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


def _besiege(broker: Besieged, chance: random.Random, outcome: Outcome, options: argparse.Namespace) -> None:
    seconds, first = options.minutes * 60, options.first
    if first:
        before_others(broker.pid)
    with batonmq.connect(broker.url) as mq:
        mq.declare("siege.big")
        mq.send_many("siege.big", [b"x" * 10_000] * 500)
    ports = broker.ports
    with contextlib.ExitStack() as ending:
        traffic = Helper("traffic", *(str(ports[name]) for name in ("amqp", "stomp", "http")), first=first)
        ending.callback(traffic.kill)
        control = Helper("control", str(broker.folder / "control"), first=first)
        ending.callback(control.kill)
        for helper in (traffic, control):
            helper.flows()
        _await(lambda: False, max(seconds / 4, 1.0))
        outcome.before = of_process(broker.pid, "broker")
        began, work = time.monotonic(), Work(broker.pid)
        attackers = []
        for _ in range(PROCESSES):
            asked = (json.dumps(ports), str(chance.getrandbits(32)), *options.only)
            attackers.append(Helper("attackers", *asked, behind=True))
            ending.callback(attackers[-1].kill)
        for each in attackers:
            each.flows()
        _watch(broker, seconds, outcome)
        for each in attackers:
            report = each.end()
            for name in ("rounds", "refused", "inside"):
                getattr(outcome, name).update(report[name])
        ended, worked = time.monotonic(), Work(broker.pid)
        outcome.ran, outcome.waited = worked.ran - work.ran, worked.waited - work.waited
        _await(lambda: _is_back(broker, outcome), BACK)
        report = traffic.end()
        report["took"] |= control.end()["took"] | {"log-ins": report["log_ins"]}
    outcome.account = report["account"]
    outcome.faults += report["faults"]
    confirms = [each for name in CONFIRMING for each in report["took"].get(name, ())]
    outcome.slowest = slowest([each for each in confirms if began <= each[0] < ended], LIMIT)
    for name, took in report["took"].items():
        outcome.floor[name] = _percentile([each for at, each in took if at < began])
        beside = [each for at, each in took if began <= at < ended]
        outcome.during[name] = _percentile(beside)
        outcome.half[name] = 1000 * statistics.median(beside) if beside else 0.0


def _watch(broker: Besieged, seconds: float, outcome: Outcome) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, value in of_process(broker.pid, "broker").items():
            outcome.most[name] = max(value, outcome.most.get(name, value))
        time.sleep(0.25)


class Helper:
    """A program of this package in a process of its own, which says at the end what it found."""

    def __init__(self, name: str, *arguments: str, behind: bool = False, first: bool = False) -> None:
        """``behind``: with a lower priority than the broker's, as hostile clients have machines of their own.

        ``first``: before all else on this machine.
        """
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"proof.siege.{name}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if behind:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + BEHIND)
        if first:
            before_others(self._process.pid)

    def flows(self) -> None:
        """Return when it is at work."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "flows\n":
            raise BenchError(f"{self._name} did not begin")

    def end(self) -> dict[str, Any]:
        """Have it end, and say what it found."""
        said, _ = self._process.communicate("", STOP)
        if self._process.returncode:
            raise BenchError(f"{self._name} ended with {self._process.returncode}")
        found: dict[str, Any] = json.loads(said)
        return found

    def kill(self) -> None:
        """It is not there any more."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


def _is_back(broker: Besieged, outcome: Outcome) -> bool:
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
    limit = 1000 * LIMIT + outcome.during["control"]
    slow = {name: value for name, value in outcome.during.items() if value >= limit and name in CONFIRMING}
    if slow and not options.untimed:
        faults.append(f"the 99th percentile of a confirm is {limit:.1f} ms or more: {slow}")
    never = [name for name in TELLING if outcome.rounds[name] and not outcome.inside[name]]
    if never and not options.untimed:
        faults.append(f"these attacks never did what they came for, and show nothing: {never}")
    for text in faults[:20]:
        say(f"siege: {text}")
    for name, count in outcome.rounds.items():
        inside = f", {outcome.inside[name]:,} got in" if name in TELLING else ""
        say(f"siege: {name}: {count:,} rounds, {outcome.refused[name]:,} thrown out{inside}")
    lost = account["lost"] + account["returned"] + account["unknown"]
    good = not faults and not lost and account["confirmed"] > 0
    times = ", ".join(f"{name} {outcome.during[name]:.1f} ms ({outcome.floor[name]:.1f})" for name in outcome.during)
    halves = ", ".join(f"{name} {value:.1f}" for name, value in outcome.half.items())
    say(f"siege: half of them took up to: {halves} ms; {outcome.slowest}")
    figures = (outcome.before, outcome.most, outcome.after)
    files = ", ".join(f"{each.get('broker files', 0):.0f}" for each in figures)
    megabytes = ", ".join(f"{each.get('broker memory MB', 0):.0f}" for each in figures)
    return good, (
        f"siege: {options.minutes:g} min, {sum(outcome.rounds.values()):,} rounds of {len(outcome.rounds)} attacks, "
        f"{account['confirmed']:,} confirmed beside them, {lost} lost or doubled, {len(faults)} faults; "
        f"p99 (without the siege): {times}; "
        f"the broker ran for {outcome.ran:.1f} s and waited for a processor for {outcome.waited:.1f} s, "
        f"load {os.getloadavg()[0]:.1f}, {outcome.cores}; before, at most and after: "
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
    names = [attack.__name__ for attack in ATTACKS]
    parser.add_argument("--only", nargs="*", default=[], choices=names, metavar="ATTACK", help=", ".join(names))
    parser.add_argument("--untimed", action="store_true", help="tell how long confirms take, and judge only the rest")
    parser.add_argument("--planted", default="", metavar="FAULT", help="of proof.planted: a broker that has this fault")
    parser.add_argument(
        "--first", action="store_true", help="the broker and those who mean well go before all else on the machine"
    )
    parser.add_argument(
        "--apart", action="store_true", help="the broker has a core of its own, and all else the others (Linux)"
    )
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
