"""The log's last lines, kept in memory: bounded in number and in size, and without anything like a secret."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["LINES_MAX", "LogLine", "LogLines"]

LINES_MAX: Final = 1_000
OCTETS_MAX: Final = 1 << 20
# The most octets of one line, a traceback included.
LINE_MAX: Final = 8_192

# The loggers whose lines are kept.
LOGGERS: Final = ("batonmq", "asyncio")

# The password in a URL, and a value after a word for a secret. No line is meant to hold one.
IN_URLS: Final = re.compile(r"(://[^\s/:@]{0,255}:)[^\s/@]{1,1024}@")
NAMED: Final = re.compile(
    r"(?i)\b(passwords?|passphrase|passwd|secret|tokens?|authorization|api[_-]?key)"
    r"([\"']?[ \t]{0,8}[=:][ \t]{0,8}[\"']?)((?:basic|bearer|plain)[ \t]{1,8})?[^\s\"',;&]{1,1024}"
)
HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line."""

    at: int
    """When it was written, in milliseconds since the epoch."""
    level: str
    """'debug', 'info', 'warning', 'error' or 'critical'."""
    severity: int
    """The level's number in ``logging``."""
    logger: str
    message: str


class LogLines(logging.Handler):
    """Keeps the last lines, and passes them to listeners, in the thread that logs them."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque()
        self._octets = 0
        self._guard = threading.Lock()
        self._listeners: tuple[Callable[[LogLine], None], ...] = ()

    def start(self) -> None:
        """Start keeping lines."""
        for name in LOGGERS:
            logging.getLogger(name).addHandler(self)

    def stop(self) -> None:
        """Stop keeping lines."""
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            line = _line(record)
        except Exception:  # noqa: BLE001  (a record that cannot be read is logging's to tell)
            self.handleError(record)
            return
        with self._guard:
            self._lines.append(line)
            self._octets += _size(line)
            while len(self._lines) > LINES_MAX or self._octets > OCTETS_MAX:
                self._octets -= _size(self._lines.popleft())
        for listener in self._listeners:
            listener(line)

    def last(self, most: int, severity: int = logging.NOTSET) -> list[LogLine]:
        """The last lines of at least that severity, the newest last."""
        with self._guard:
            lines = list(self._lines)
        return [line for line in lines if line.severity >= severity][-most:]

    def listen(self, listener: Callable[[LogLine], None]) -> None:
        """Call a listener with each line, in any thread. It must not log, and must return at once."""
        self._listeners = (*self._listeners, listener)

    def forget(self, listener: Callable[[LogLine], None]) -> None:
        """Remove a listener."""
        self._listeners = tuple(one for one in self._listeners if one != listener)


def _line(record: logging.LogRecord) -> LogLine:
    text = record.getMessage()[:LINE_MAX]
    if record.exc_info and record.exc_info[1] is not None:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    text = IN_URLS.sub(rf"\1{HIDDEN}@", text[:LINE_MAX])
    text = NAMED.sub(rf"\1\2{HIDDEN}", text)
    return LogLine(int(record.created * 1000), record.levelname.lower(), record.levelno, record.name, text)


def _size(line: LogLine) -> int:
    # A character of a text may take four octets.
    return 4 * (len(line.message) + len(line.logger))
