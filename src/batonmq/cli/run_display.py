"""The display of `batonmq run` on a terminal: queues, rates and messages being handled, redrawn twice a second.

Log lines appear above it, and so does what handlers print.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from batonmq.api.workers.watching import Watcher
from batonmq.cli.names import cut, shown
from batonmq.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.api.handlers.handler import AnyDelivery

__all__ = ["Display", "Tally", "can_redraw"]

DRAW_SECONDS = 0.5
# Rates are averages over this many seconds.
RATE_SECONDS = 10.0
BAR = 12
# Lines beside the queues: the head, and one left free so that the terminal does not scroll.
FRAME_LINES = 4
HAND_MIN = 1


def can_redraw(stream: TextIO) -> bool:
    """Is it a terminal that understands cursor movements?"""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@dataclass(slots=True)
class Line:
    """The figures of one queue."""

    concurrency: int
    done: int = 0
    failed: int = 0
    at_work: dict[AnyDelivery, float] = field(default_factory=dict)
    """When the handler was called, by the monotonic clock."""
    ended: deque[tuple[float, int]] = field(default_factory=deque)
    """The number of finished messages at each drawing."""

    def rate(self, now: float) -> float:
        """Messages handled per second, recently."""
        self.ended.append((now, self.done + self.failed))
        while len(self.ended) > 1 and now - self.ended[0][0] > RATE_SECONDS:
            self.ended.popleft()
        then, before = self.ended[0]
        return (self.done + self.failed - before) / (now - then) if now > then else 0.0


class Tally(Watcher):
    """Counts the handlers' work, and knows which messages they are handling. Any thread may call."""

    __slots__ = ("_began", "_lines", "_lock", "_title")

    def __init__(self, title: str, concurrencies: Mapping[str, int]) -> None:
        """``concurrencies``: how many messages of each queue are handled at once."""
        self._title = title
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._lines = {queue: Line(number) for queue, number in concurrencies.items()}

    def began(self, queue: str, delivery: AnyDelivery) -> None:
        with self._lock:
            self._lines[queue].at_work[delivery] = time.monotonic()

    def ended(self, queue: str, delivery: AnyDelivery, value: object, error: BaseException | None) -> None:
        with self._lock:
            line = self._lines[queue]
            line.at_work.pop(delivery, None)
            if error is None:
                line.done += 1
            else:
                line.failed += 1

    def drawn(self, width: int, height: int) -> list[str]:
        """The lines to show in a terminal of that size."""
        now = time.monotonic()
        with self._lock:
            rows = [
                (
                    queue,
                    f"{len(line.at_work)}/{line.concurrency}",
                    f"{line.rate(now):,.1f}",
                    f"{line.done:,}",
                    f"{line.failed:,}",
                )
                for queue, line in self._lines.items()
            ]
            in_hand = [
                (began, queue, delivery)
                for queue, line in self._lines.items()
                for delivery, began in line.at_work.items()
            ]
        in_hand.sort(key=lambda one: one[0])
        lines = [f"{self._title}, for {_lasting(now - self._began)}; Ctrl-C stops"]
        room = max(HAND_MIN, height - FRAME_LINES - 1)
        lines += table(("QUEUE", "IN HAND", "A SECOND", "DONE", "FAILED"), rows, right=(1, 2, 3, 4)).splitlines()[:room]
        room = max(HAND_MIN, height - FRAME_LINES - len(rows))
        shown_now = in_hand if len(in_hand) <= room else in_hand[: room - 1]
        lines += [_in_hand(queue, delivery, now - began) for began, queue, delivery in shown_now]
        if len(shown_now) < len(in_hand):
            lines.append(f"  and {len(in_hand) - len(shown_now):,} more")
        return [cut(line, width - 1) for line in lines]


def _in_hand(queue: str, delivery: AnyDelivery, seconds: float) -> str:
    identity = repr(delivery.message.id) if delivery.message.id is not None else "a message"
    attempt = f", attempt {delivery.delivery_count}" if delivery.delivery_count > 1 else ""
    said = f"  {queue}: {identity}{attempt}, {_lasting(seconds)}"
    progress = delivery.reported
    if progress is not None:
        full = round(progress.fraction * BAR)
        said += f"  [{'#' * full}{'.' * (BAR - full)}] {round(100 * progress.fraction)} % {progress.note}"
    return shown(said.rstrip())


def _lasting(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Display:
    """Draws a tally at the foot of a terminal for as long as the block runs."""

    def __init__(self, tally: Tally, stream: TextIO) -> None:
        self._tally = tally
        self._stream = stream
        self._lock = threading.RLock()
        self._height = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, name="batonmq-display", daemon=True)
        self._handlers: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        self._printed: list[tuple[str, _Above]] = []

    def __enter__(self) -> None:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is self._stream:
                self._handlers.append((handler, handler.setStream(_Above(self, self._stream)) or self._stream))
        # What handlers print would be erased by the next drawing.
        for name in ("stdout", "stderr"):
            stream: TextIO = getattr(sys, name)
            if stream.isatty():
                above = _Above(self, stream)
                self._printed.append((name, above))
                setattr(sys, name, above)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for name, above in self._printed:
            above.finish()
            if getattr(sys, name) is above:
                setattr(sys, name, above.stream)
        with self._lock:
            self._draw()
            self._height = 0
        for handler, stream in self._handlers:
            handler.setStream(stream)

    def write_above(self, lines: str, stream: TextIO) -> None:
        """Print whole lines that stay, above the display."""
        with self._lock:
            self._clear()
            self._stream.flush()
            stream.write(lines)
            stream.flush()
            self._draw()

    def _draw_on(self) -> None:
        while not self._over.wait(DRAW_SECONDS):
            with self._lock:
                self._clear()
                self._draw()

    def _clear(self) -> None:
        if self._height:
            # Go up to its first line, and erase everything below (ECMA-48: CUU, ED).
            self._stream.write(f"\x1b[{self._height}A\r\x1b[J")
            self._height = 0

    def _draw(self) -> None:
        self._clear()
        size = shutil.get_terminal_size()
        lines = self._tally.drawn(size.columns, size.lines)
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._height = len(lines)


class _Above:
    """Stands in for a stream to the terminal; its lines go above the display once they are whole."""

    def __init__(self, display: Display, stream: TextIO) -> None:
        self.stream = stream
        self._display = display
        self._lock = threading.Lock()
        self._begun = ""

    def __getattr__(self, name: str) -> object:
        # Whoever prints may ask for the encoding, or the number of the file.
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._lock:
            whole, end, self._begun = (self._begun + text).rpartition("\n")
        if end:
            self._display.write_above(whole + end, self.stream)
        return len(text)

    def flush(self) -> None:
        """Do nothing: whole lines have been flushed, and others have to wait."""

    def finish(self) -> None:
        """Print what was begun."""
        if self._begun:
            self.write("\n")
