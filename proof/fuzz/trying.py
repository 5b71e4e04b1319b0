"""One input after the other, each held to what is promised of all: no fault, no traceback, bounded time and memory."""

from __future__ import annotations

import contextlib
import logging
import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from types import FrameType

from proof.fuzz.target import Broken, Target

# Seconds of the processor that one input may take, which a few hundred bytes must never need: they take milliseconds.
MOST_SECONDS = 4.0
# Octets by which one input may make the process larger. Only its largest size is known, which a cache may add to.
MOST_MEMORY = 64 << 20
# What is drawn from the system a page at a time.
_KIB = 1024


class TooLong(BaseException):
    """An input takes too much time. Nothing that catches faults may catch this."""


class Faults(logging.Handler):
    """What is logged as an error, or with a traceback, and what was raised where nobody could catch it."""

    def __init__(self, *, may_log: bool = False) -> None:
        """``may_log``: errors that say what is wrong with an input are as they should be; tracebacks never are."""
        super().__init__(logging.WARNING)
        self.found: list[str] = []
        self._may_log = may_log

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or (record.levelno >= logging.ERROR and not self._may_log):
            self.found.append(self.format(record))

    def in_thread(self, raised: threading.ExceptHookArgs) -> None:
        """As ``threading.excepthook``."""
        lines = traceback.format_exception(raised.exc_type, raised.exc_value, raised.exc_traceback)
        self.found.append(f"raised in a thread: {raised.thread!r}\n{''.join(lines)}")

    def unraisable(self, raised: sys.UnraisableHookArgs) -> None:
        """As ``sys.unraisablehook``."""
        lines = traceback.format_exception(raised.exc_type, raised.exc_value, raised.exc_traceback)
        self.found.append(f"raised where nobody catches it: {raised.object!r}\n{''.join(lines)}")


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that broke something."""

    target: str
    data: bytes
    what: str
    """The traceback, or what was logged."""

    @property
    def place(self) -> str:
        """What tells findings of one cause from others: the kind of fault, and the line that raised it."""
        lines = [line.strip() for line in self.what.splitlines() if line.strip()]
        places = [line for line in lines if line.startswith("File ")]
        return f"{lines[-1].partition(':')[0]} {places[-1] if places else ''}"


class Trial:
    """Tries inputs on one target."""

    def __init__(self, target: Target, *, most_seconds: float = MOST_SECONDS) -> None:
        self.target = target
        self._most_seconds = most_seconds
        self.count = 0
        self._faults = Faults(may_log=target.may_log)
        self._take = target.make()
        self._seen = -1

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While this lasts, faults are heard of, and no input takes for ever."""
        logger = logging.getLogger("batonmq")
        thread_hook, threading.excepthook = threading.excepthook, self._faults.in_thread
        level, propagates = logger.level, logger.propagate
        logger.addHandler(self._faults)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        hook, sys.unraisablehook = sys.unraisablehook, self._faults.unraisable
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, self._most_seconds / 2, self._most_seconds / 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            sys.unraisablehook = hook
            threading.excepthook = thread_hook
            logger.removeHandler(self._faults)
            logger.setLevel(level)
            logger.propagate = propagates

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        """Half of the time has passed: the same input as the last time?"""
        if self._seen == self.count:
            raise TooLong(f"more than {self._most_seconds / 2:g} seconds of the processor for one input")
        self._seen = self.count

    def take(self, data: bytes) -> Hashable:
        """Take one input; tells what became of it, and raises what it broke."""
        self.count += 1
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome = self._take(data)
        if self._faults.found:
            found, self._faults.found = self._faults.found, []
            raise Broken("logged: " + "\n".join(found))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _KIB
        # The first have modules imported and caches filled.
        if grown > MOST_MEMORY and self.count > 100:
            raise Broken(f"{len(data)} bytes of input took {grown >> 20} MiB of memory")
        return outcome

    def fault_of(self, data: bytes) -> str:
        """What an input breaks, as a text; empty: nothing."""
        try:
            self.take(data)
        except KeyboardInterrupt:
            raise
        except (Exception, TooLong) as fault:  # noqa: BLE001 (that is what is looked for)
            self._faults.found.clear()
            return "".join(traceback.format_exception(fault))
        return ""

    def finding(self, data: bytes, what: str) -> Finding:
        """What was found, with the shortest input that breaks the same."""
        found = Finding(self.target.name, data, what)
        if "TooLong" in what:
            return found
        tries = 2000
        size = max(1, len(data) // 2)
        while size and tries > 0:
            at = 0
            while at < len(found.data) and tries > 0:
                shorter = found.data[:at] + found.data[at + size :]
                tries -= 1
                other = Finding(self.target.name, shorter, self.fault_of(shorter))
                if other.what and other.place == found.place:
                    found = other
                else:
                    at += size
            size //= 2
        return found
