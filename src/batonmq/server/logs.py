"""Logging: to stderr, one line for each event whatever a client has put into it."""

from __future__ import annotations

import logging
import sys

__all__ = ["LEVELS", "configure_logging"]

LEVELS = ("debug", "info", "warning", "error")

# Line ends and other control characters, and the two separators of Unicode that some viewers break lines at. A client
# chooses its user name, and must not write lines of its own into the log. Nor keep a line out of it: octets that are no
# UTF-8, and halves of surrogate pairs, are what strict encodings cannot write.
_ESCAPES = (
    {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
    | {code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0xD800, 0xE000))}
    | {0xDC00 + octet: f"\\x{octet:02x}" for octet in range(0x80, 0x100)}
)


class OneLine(logging.Formatter):
    """Escapes control characters in a message; a traceback of ours follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = record.message.translate(_ESCAPES)
        return super().formatMessage(record)


def configure_logging(level: str) -> None:
    """Log to stderr from this level on: one of LEVELS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The loop reports every reset connection at this level.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, root.level))
