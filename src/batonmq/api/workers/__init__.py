"""Workers: handlers that are called for each message of a queue, in threads or as tasks."""

from __future__ import annotations
