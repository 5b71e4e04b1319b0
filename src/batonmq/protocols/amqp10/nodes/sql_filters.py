"""SQL filters (AMQP Filter Expressions v1.0, as in RabbitMQ), translated to selectors."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["as_selector"]

# Texts, then names with their section.
_TOKENS = re.compile(r"'(?:[^']|'')*'|[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)?")
_LONGEST: Final = 16_384

# Sections, also by their first letters.
_SECTIONS: Final = {
    "header": "header",
    "h": "header",
    "properties": "properties",
    "p": "properties",
    "application_properties": "application_properties",
    "a": "application_properties",
}
# The names that selectors have for the fields.
_FIELDS: Final = {
    ("header", "priority"): "JMSPriority",
    ("properties", "message_id"): "JMSMessageID",
    ("properties", "correlation_id"): "JMSCorrelationID",
    ("properties", "subject"): "JMSType",
    ("properties", "creation_time"): "JMSTimestamp",
}


def as_selector(text: str) -> str | None:
    """The selector equivalent to an SQL filter; None: there is none."""
    if len(text) > _LONGEST:
        return None
    is_known = True

    def told(match: re.Match[str]) -> str:
        nonlocal is_known
        token = match[0]
        section, dot, name = token.partition(".")
        if token.startswith("'") or not dot:
            # In a selector a bare name may mean a field.
            is_known = is_known and not token.startswith("JMS")
            return token
        section = _SECTIONS.get(section.lower(), "")
        if section == "application_properties":
            is_known = is_known and not name.startswith("JMS")
            return name
        known = _FIELDS.get((section, name.lower()))
        is_known = is_known and known is not None
        return known or token

    selector = _TOKENS.sub(told, text)
    return selector if is_known else None
