"""Values of JSON as RabbitMQ writes them in its errors: as terms of Erlang."""

from __future__ import annotations

__all__ = ["term"]

# The most characters of a value in an error: the user who set it knows the rest.
SHOWN_MAX = 200


def term(value: object) -> str:
    """A value on one line, shortened."""
    text = _term(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}..."


def _term(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'<<"{escaped}">>'
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{','.join(_term(one) for one in value[:SHOWN_MAX])}]"
    if isinstance(value, dict):
        pairs = list(value.items())[:SHOWN_MAX]
        return f"#{{{','.join(f'{_term(name)} => {_term(one)}' for name, one in pairs)}}}"
    return str(value)
