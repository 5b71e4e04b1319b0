"""Artemis' answers to management requests: JSON as text, with numbers as text too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from batonmq.engines.figures import QueueStats
from batonmq.errors import AccessRefused, BrokerError
from batonmq.json_text import JsonError, read_json

__all__ = ["figures", "no_permission", "number_in", "read_answer", "rows_in", "table_in"]

_NUMBER: Final = re.compile("-?[0-9]{1,18}")


def read_answer(said: str) -> object:
    """The JSON value of an answer. BrokerError."""
    try:
        found: object = read_json(said)
    except JsonError as error:
        raise BrokerError(f"artemis: its answer is {error}") from None
    return found


def table_in(said: object) -> dict[str, object]:
    """An object of an answer. BrokerError."""
    found = read_answer(said) if isinstance(said, str) else {}
    return found if isinstance(found, dict) else {}


def rows_in(said: object) -> list[dict[str, object]]:
    """The rows of a list. BrokerError."""
    found = table_in(said).get("data")
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def number_in(row: Mapping[str, object], name: str, default: int = 0) -> int:
    """A number in a row; Artemis writes numbers as text."""
    match = _NUMBER.fullmatch(str(row.get(name)))
    return int(match[0]) if match else default


def figures(row: Mapping[str, object]) -> QueueStats:
    """The figures in a row of listQueues."""
    held, delayed = number_in(row, "deliveringCount"), number_in(row, "scheduledCount")
    return QueueStats(
        ready=max(0, number_in(row, "messageCount") - held - delayed),
        held=held,
        delayed=delayed,
        consumers=number_in(row, "consumerCount"),
        entered=number_in(row, "messagesAdded"),
        accepted=number_in(row, "messagesAcked"),
    )


def no_permission(text: str, for_what: str) -> AccessRefused:
    asked = f", which is how it is asked whether {for_what}" if for_what else ""
    return AccessRefused(f"{text} (artemis:// needs the permission 'manage' for activemq.management{asked})")
