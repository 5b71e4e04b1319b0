"""Forks the processes, kills them, and has the notes checked."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batonmq.points import POINTS
from proof.armed import Strike
from proof.crash.checker import History, Verdict, check
from proof.crash.embedded.owners import Owners
from proof.crash.embedded.parts import drain, take_part
from proof.crash.embedded.program import Place, Program
from proof.crash.embedded.queues import LAYOUT, make
from proof.crash.notes import BROKER, Book, Fault, Killed, now, read_all
from proof.crash.processes import end_with_the_parent

__all__ = ["STRIKES", "Harness", "Outcome"]

PARENTS_STEP = 0.01
# Processes on one file: mostly some, at times one alone.
CROWDS = (1, 2, 3, 4, 5)
KILLS_OF_A_CROWD = 25
STOPPED_SECONDS = (0.1, 3.0)
END_SECONDS = 90.0
# Between two kills so many sends are confirmed, or so much time goes by.
WORK = 10
WORK_SECONDS = 10.0
# What a healthy disk never shows, or only a file's first opening.
NEVER = {"shortage", "log", "upgrade", "create"}
STRIKES = tuple(point for point in POINTS if point.partition(".")[0] not in NEVER)
RARE = {"take_over", "recovery", "journal", "close", "lock", "hand_over", "owner", "roll", "reserve", "checkpoint"}


@dataclass
class Outcome:
    """The counts of a run."""

    kills: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    """Where processes died that were armed, and how often."""
    passed: Counter[str] = field(default_factory=Counter)
    """How often each point was passed."""
    verdict: Verdict = field(default_factory=Verdict)
    lives: int = 0


@dataclass
class _Child:
    process: int
    name: str
    strike: Strike | None
    is_steady: bool
    stopped_until: float = 0.0
    is_ending: float = 0.0


class Harness:
    """One run. This process has no threads and opens nothing itself: it only forks."""

    def __init__(self, folder: Path, seed: int, kills: int) -> None:
        self.place = Place(folder)
        self.place.notes.mkdir(parents=True)
        self.outcome = Outcome()
        self._chance = random.Random(seed)
        self._wanted = kills
        self._children: dict[int, _Child] = {}
        self._names = 0
        self._pulse = self.place.pulse()
        self._book = Book(self.place.notes, "harness")
        self._owners = Owners(folder / "owner", self._fault)
        self._deaths = self.place.deaths()
        self._worked_before = 0

    def run(self) -> Outcome:
        """Kill so often; then look."""
        self._fork_and_wait(lambda: make(self.place.store))
        crowd, until = 1, 0
        while (done := self.outcome.kills.total()) < self._wanted:
            if done >= until:
                crowd, until = self._chance.choice(CROWDS), done + KILLS_OF_A_CROWD
            self._fill(crowd)
            self._pause(self._chance.choice((0.0, 0.05, 0.2, 0.5)))
            self._await_work()
            self._strike(crowd)
        self._end_all()
        self._fork_and_wait(lambda: drain(self._program("drain", is_steady=True), poison=True))
        self._fork_and_wait(lambda: drain(self._program("look", is_steady=True), poison=True))
        self.outcome.verdict = self._check()
        self.outcome.lives = self._pulse.beat // 2 + 1
        passes = self.place.passes()
        self.outcome.passed = passes.counts()
        passes.close()
        return self.outcome

    def close(self) -> None:
        """Kill what is left of it."""
        for child in list(self._children.values()):
            os.kill(child.process, signal.SIGKILL)
            os.waitpid(child.process, 0)
        self._children.clear()
        self._pulse.close()
        self._owners.close()
        self._deaths.close()
        self._book.close()

    def _await_work(self) -> None:
        """On a busy machine nobody would get as far as to do anything between two kills."""
        end = time.monotonic() + WORK_SECONDS
        while time.monotonic() < end and self._children and self._worked() < self._worked_before + WORK:
            self._pause(PARENTS_STEP)
        self._worked_before = self._worked()

    def _worked(self) -> int:
        return self.place.work.stat().st_size if self.place.work.exists() else 0

    # ------------------------------------------------------------------ processes

    def _fill(self, crowd: int) -> None:
        while len(self._children) < crowd:
            self._names += 1
            name = f"n{self._names}"
            strike = self._choose_strike() if self._chance.random() < 0.6 else None
            is_steady = self._chance.random() < 0.7
            process = self._fork(
                lambda name=name, strike=strike, is_steady=is_steady: take_part(  # type: ignore[misc]
                    self._program(name, is_steady=is_steady), strike, is_alone=crowd == 1
                )
            )
            self._children[process] = _Child(process, name, strike, is_steady)

    def _choose_strike(self) -> Strike:
        # Where it has died most, it dies least.
        hit = self.outcome.points
        (point,) = self._chance.choices(STRIKES, [1 / (1 + hit[point]) for point in STRIKES])
        most = 3 if point.partition(".")[0] in RARE else 300
        within = self._chance.choice((0.0, 0.0, 0.5, 3.0))
        return Strike(point, self._chance.randint(1, most), within)

    def _program(self, name: str, *, is_steady: bool) -> Program:
        return Program(self.place, name, self._chance.randrange(2**32), is_steady=is_steady)

    def _fork(self, work: Callable[[], None]) -> int:
        seed = self._chance.randrange(2**32)
        # A child that is told to end before it listens ends when it does.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        process = os.fork()
        if process:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            return process
        status = 1
        try:
            end_with_the_parent()
            self._chance.seed(seed)
            work()
            status = 0
        except BaseException as error:  # noqa: BLE001  (nothing may go on as the parent's copy)
            self._book.write(Fault(now(), f"a process failed: {error!r}"))
        finally:
            os._exit(status)

    def _fork_and_wait(self, work: Callable[[], None]) -> None:
        process = self._fork(work)
        _, status = os.waitpid(process, 0)
        if status:
            self._fault(f"a process of the harness ended with status {status}")

    def _fault(self, text: str) -> None:
        self._book.write(Fault(now(), text))

    # ------------------------------------------------------------------ deaths

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            self._reap()
            for child in self._children.values():
                if child.stopped_until and time.monotonic() > child.stopped_until:
                    os.kill(child.process, signal.SIGCONT)
                    child.stopped_until = 0.0
                if child.is_ending and time.monotonic() > child.is_ending:
                    self._fault(f"{child.name} does not end")
                    child.is_ending = 0.0
                    self._kill(child)
                    return
            if time.monotonic() >= end:
                return
            time.sleep(PARENTS_STEP)

    def _reap(self) -> None:
        for child in list(self._children.values()):
            process, status = os.waitpid(child.process, os.WNOHANG)
            if process:
                self._gone(child, status)

    def _gone(self, child: _Child, status: int) -> None:
        del self._children[child.process]
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            self.outcome.kills["at a point" if child.strike else "by a handler"] += 1
            if child.strike is not None:
                self.outcome.points[child.strike.point] += 1
            self._live()
        elif status:
            self._fault(f"{child.name} ended with status {status}")

    def _live(self) -> None:
        """When nobody is dying, the next life begins."""
        living = [child.name for child in self._children.values()]
        if self._pulse.life is None and not self._deaths.under_way(living):
            self._pulse.lives()

    def _strike(self, crowd: int) -> None:
        children = list(self._children.values())
        if not children:
            return
        owner = self._children.get(self._owners.process)
        match self._chance.choices(
            ["owner", "guest", "all", "end", "stop", "nothing"], [25, 15, 2, 8, 4 if crowd > 1 else 0, 46]
        )[0]:
            case "owner" if owner is not None:
                self._kill(owner)
            case "guest":
                self._kill(self._chance.choice(children))
            case "all":
                self._kill(*children)
            case "end":
                child = owner if owner is not None and self._chance.random() < 0.5 else self._chance.choice(children)
                if not child.is_ending:
                    child.is_ending = time.monotonic() + END_SECONDS
                    os.kill(child.process, signal.SIGTERM)
            case "stop":
                child = self._chance.choice(children)
                if not child.is_steady:
                    os.kill(child.process, signal.SIGSTOP)
                    child.stopped_until = time.monotonic() + self._chance.uniform(*STOPPED_SECONDS)

    def _kill(self, *children: _Child) -> None:
        owner = self._owners.process
        are_owners = any(child.process == owner for child in children)
        if are_owners:
            self._pulse.dies()
            self._book.write(Killed(now(), BROKER))
        self._book.write(*(Killed(now(), child.name) for child in children))
        for child in children:
            os.kill(child.process, signal.SIGKILL)
        # Whoever became the owner meanwhile did so too late to be noted: once more, after the fact.
        for child in children:
            os.waitpid(child.process, 0)
            del self._children[child.process]
            # It may have been given something until now.
            self._book.write(Killed(now(), child.name))
            self.outcome.kills["all" if len(children) > 1 else "owner" if child.process == owner else "guest"] += 1
        if not are_owners and self._owners.process in {child.process for child in children}:
            self._pulse.dies()
            self._book.write(Killed(now(), BROKER))
        self._live()

    def _end_all(self) -> None:
        for child in self._children.values():
            if child.stopped_until:
                os.kill(child.process, signal.SIGCONT)
                child.stopped_until = 0.0
            if not child.is_ending:
                os.kill(child.process, signal.SIGTERM)
                child.is_ending = time.monotonic() + END_SECONDS
        while self._children:
            self._pause(PARENTS_STEP)

    # ------------------------------------------------------------------ the end

    def _check(self) -> Verdict:
        history = History(LAYOUT)
        for notes in read_all(self.place.notes):
            history.add(notes)
        history.end()
        return check(history)
