"""What all threads of one process have: their books, the watch over calls, and how it is killed."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batonmq import points
from proof.armed import Strike, all_of
from proof.crash.embedded.deaths import Deaths
from proof.crash.embedded.owners import Owners
from proof.crash.notes import BROKER, Book, Fault, Killed, Pulse, TakenOver, Used, now
from proof.passes import Passes

__all__ = ["Place", "Planned", "Program"]

# However busy the machine is: a take-over takes tenths of a second, and nobody is stopped for longer than three.
CALL_SECONDS = 60.0
# Errors of handlers, and what was lost to a lease or a grace that was over, are asked for; so are these.
EXPECTED_LOGS = ("batonmq.worker",)


class Planned(Exception):
    """A handler fails, as it was told to."""


@dataclass(frozen=True)
class Place:
    """Where everything of one run is."""

    folder: Path

    @property
    def store(self) -> str:
        """The file that all share."""
        return str(self.folder / "x.db")

    @property
    def notes(self) -> Path:
        """The folder of the books."""
        return self.folder / "notes"

    @property
    def work(self) -> Path:
        """An octet for each send that was confirmed."""
        return self.folder / "work"

    @property
    def log(self) -> Path:
        """What the processes said."""
        return self.folder / "log"

    def deaths(self) -> Deaths:
        """Who is about to be killed by what he does."""
        return Deaths(self.folder / "deaths")

    def passes(self) -> Passes:
        """How often each point was passed, by all."""
        return Passes(self.folder / "passed")

    def pulse(self) -> Pulse:
        """The life of the owner."""
        return Pulse(self.folder / "pulse")


class Program:
    """One process of the run, from when it was forked."""

    def __init__(self, place: Place, name: str, seed: int, *, is_steady: bool) -> None:
        """Nobody stops a process that is steady."""
        self.place = place
        self.name = name
        self.chance = random.Random(seed)
        self.is_steady = is_steady
        self.stop = threading.Event()
        self.pulse = place.pulse()
        self._own_book = Book(place.notes, name)
        self._noting = threading.Lock()
        self._owners = Owners(place.folder / "owner", self.fault)
        self._passes = place.passes()
        self._deaths = place.deaths()
        self._work = os.open(place.work, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._dying = threading.Lock()
        self._calls: dict[int, tuple[str, float]] = {}
        self._numbers = 0

    # ------------------------------------------------------------------ for its threads

    def begin(self, part: Callable[[], None]) -> threading.Thread:
        """Run a part in a thread of its own; an error that it does not expect is a fault."""

        def run() -> None:
            try:
                part()
            except Exception as error:  # whatever it is: the run has to tell
                logging.getLogger("proof").exception("a client failed")
                self.fault(f"{self.name}: a client failed: {error!r}")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def book(self) -> Book:
        """A new one, for one thread."""
        self._numbers += 1
        return Book(self.place.notes, f"{self.name}-{self._numbers}")

    def fault(self, text: str) -> None:
        """Something happened that must not. From any thread."""
        with self._noting:
            self._own_book.write(Fault(now(), text))

    def used(self, what: str) -> None:
        """Something was done that no other note tells of. From any thread."""
        with self._noting:
            self._own_book.write(Used(now(), what))

    def worked(self) -> None:
        """A send was confirmed."""
        os.write(self._work, b".")

    @contextlib.contextmanager
    def call(self, what: str) -> Iterator[None]:
        """Within it, a call that has to return."""
        thread = threading.get_ident()
        self._calls[thread] = what, time.monotonic()
        try:
            yield
        finally:
            del self._calls[thread]

    # ------------------------------------------------------------------ watching

    def watch(self, strike: Strike | None) -> None:
        """Look after owners and logs from now on, and die at that point."""
        self._listen()
        watched: dict[str, list[Callable[[], None]]] = {
            "recovery.begun": [self._owners.begins, self._takes_over],
            "take_over.done": [lambda: self._say("serves")],
            "commit.begun": [self._owners.commits],
            "close.done": [self._owners.ends, lambda: self._say("has closed the file")],
        }
        for point in points.POINTS:
            actions = [self._passes.counting(point), *watched.get(point, ())]
            if strike is not None and strike.point == point:
                # After what is watched there: an owner says who it is before it dies.
                actions.append(self._killer(strike))
            points.arm(point, all_of(actions))

    def _takes_over(self) -> None:
        with self._noting:
            self._own_book.write(TakenOver(now()))
        self._say("opens the file")

    def _say(self, text: str) -> None:
        """For whoever looks for the reason of something."""
        print(f"{now()} {self.name} {text}", file=sys.stderr)

    def _killer(self, strike: Strike) -> Callable[[], None]:
        left = [strike.number]

        def meet() -> None:
            left[0] -= 1
            if left[0]:
                return
            may_be_owner = not strike.point.startswith("owner.")
            if strike.within:
                pause = self.chance.uniform(0.0, strike.within) / 1000
                threading.Thread(target=self._die_later, args=(pause, may_be_owner), daemon=True).start()
            else:
                self.die(may_be_owner)

        return meet

    def _die_later(self, pause: float, may_be_owner: bool) -> None:
        time.sleep(pause)
        self.die(may_be_owner)

    def die(self, may_be_owner: bool = False) -> None:
        """Note it, and be killed."""
        if not self._dying.acquire(blocking=False):
            # Another thread is at it.
            time.sleep(CALL_SECONDS)
        self._deaths.announce(self.name)
        if may_be_owner or self._owners.process == os.getpid():
            self.pulse.dies()
            self._own_book.write(Killed(now(), BROKER), Killed(now(), self.name))
        else:
            self._own_book.write(Killed(now(), self.name))
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(CALL_SECONDS)

    def _listen(self) -> None:
        """Logs go to the common file; a traceback that nobody asked for is a fault."""
        log = os.open(self.place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        faulthandler.enable(sys.stderr)
        handler = _Listener(self)
        handler.setFormatter(logging.Formatter(f"%(asctime)s {self.name} %(name)s %(levelname)s %(message)s"))
        logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
        threading.excepthook = lambda raised: self.fault(f"{self.name}: a thread failed: {raised.exc_value!r}")

    def close(self) -> None:
        """Let go of its files: only where the process goes on."""
        self.pulse.close()
        self._passes.close()
        self._owners.close()
        self._own_book.close()
        self._deaths.close()
        os.close(self._work)

    def wait(self, threads: Sequence[threading.Thread]) -> None:
        """Return when all have ended; whoever hangs in a call is told about, once."""
        told: set[int] = set()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.05)
            for thread, (what, since) in list(self._calls.items()):
                if time.monotonic() - since > CALL_SECONDS and thread not in told:
                    told.add(thread)
                    self.fault(f"{self.name}: {what} has not returned for {CALL_SECONDS:g} s")
                    faulthandler.dump_traceback(sys.stderr)


class _Listener(logging.StreamHandler):  # type: ignore[type-arg]
    def __init__(self, program: Program) -> None:
        super().__init__(sys.stderr)
        self._program = program

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, Planned):
            self._program.fault(f"{self._program.name}: logged: {record.getMessage()}: {error!r}")
        elif record.levelno >= logging.ERROR and record.name not in EXPECTED_LOGS:
            self._program.fault(f"{self._program.name}: logged: {record.getMessage()}")
        if record.name not in EXPECTED_LOGS:
            super().emit(record)
