"""librdkafka's messages, in the log ``batonmq.kafka``; and our own notes on it, each once."""

from __future__ import annotations

import logging
import threading
from typing import Final

__all__ = ["LOG", "say_preview"]

LOG: Final = logging.getLogger("batonmq.kafka")
CLIENT_LOG: Final = logging.getLogger("batonmq.kafka.librdkafka")

PREVIEW: Final = (
    "Kafka's own client for Python calls its share consumer a preview: its interface may change, and its makers do not "
    "recommend it for production yet (docs/kafka.md says what was tried with it)"
)
_guard = threading.Lock()
_said = False


def say_preview() -> None:
    """Once in the life of a process."""
    global _said  # noqa: PLW0603
    with _guard:
        if _said:
            return
        _said = True
    LOG.info(PREVIEW)


class _Quieter(logging.Filter):
    """Lowers the client's messages to debug: what matters to a program is raised as an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "SHARECONSUMER" in record.getMessage():
            return False
        # It reports each of ten attempts a second to reach a broker.
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return CLIENT_LOG.isEnabledFor(record.levelno)


CLIENT_LOG.addFilter(_Quieter())
