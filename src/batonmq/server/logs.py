"""Logging: to stderr, one line for each event, whatever text a client supplied; as plain text or as JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import TextIO

__all__ = ["FORMATS", "LEVELS", "change_level", "configure_logging"]

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

# The extra fields of a line, by the attributes of its record.
FIELDS = ("peer", "user", "vhost", "protocol", "channel")

# syslog's priorities, which systemd's journal reads at the start of a line (sd-daemon(3)).
PRIORITIES = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}

# Line ends and other control characters, and the two separators of Unicode that some viewers break lines at. A client
# chooses its user name, and must not be able to forge lines of the log. Nor to suppress one: strict encodings cannot
# write octets that are not UTF-8, and lone surrogates.
_ESCAPES = (
    {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
    | {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0xD800, 0xE000))}
    | {0xDC00 + octet: f"\\x{octet:02x}" for octet in range(0x80, 0x100)}
)

_SURROGATES = {code: said for code, said in _ESCAPES.items() if 0xD800 <= code < 0xE000}


class OneLine(logging.Formatter):
    """Escapes control characters in a message; our tracebacks follow on separate lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = record.message.translate(_ESCAPES)
        return super().formatMessage(record)


class JsonLine(logging.Formatter):
    """An object of JSON in one line: time, level, logger, message, extra fields, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _whole(record.getMessage()),
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                said[name] = _whole(value) if isinstance(value, str) else value
        if record.exc_info:
            said["exception"] = _whole(self.formatException(record.exc_info))
        return json.dumps(said)


def _whole(text: str) -> str:
    """Replace lone surrogates, which JSON readers reject."""
    return text if text.isascii() else text.translate(_SURROGATES)


class Prefixed(logging.Formatter):
    """The lines of another formatter, each preceded by its priority, for systemd's journal."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        prefix = PRIORITIES.get(record.levelno, "<6>")
        return "\n".join(prefix + line for line in self._inner.format(record).split("\n"))


def configure_logging(level: str, form: str = "text") -> None:
    """Log to stderr from this level on, one of LEVELS, in one of FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(form, is_journal=_is_journal(sys.stderr)))
    logging.getLogger().handlers[:] = [handler]
    # No line names them, and in a siege there are hundreds of lines a second.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    change_level(level)


def change_level(level: str) -> None:
    """Change the level."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    # At this level the loop reports every reset connection.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, root.level))


def _formatter(form: str, *, is_journal: bool) -> logging.Formatter:
    text = "%(levelname)-7s %(message)s" if is_journal else "%(asctime)s %(levelname)-7s %(message)s"
    formatter = JsonLine() if form == "json" else OneLine(text)
    return Prefixed(formatter) if is_journal else formatter


def _is_journal(stream: TextIO) -> bool:
    """Is the stream connected to systemd's journal, which adds the time itself (systemd.exec(5), JOURNAL_STREAM)?"""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
