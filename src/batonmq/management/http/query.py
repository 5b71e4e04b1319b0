"""The parameters of a request, after the question mark."""

from __future__ import annotations

from urllib.parse import parse_qsl

from batonmq.management.http.errors import BadRequest

__all__ = ["Query"]

# No genuine request has more.
MOST_FIELDS = 200


class Query:
    """Parameters, parsed and checked on demand. The last of several with one name counts."""

    def __init__(self, text: str) -> None:
        """Raises BadRequest for too many parameters."""
        try:
            pairs = parse_qsl(
                text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="surrogateescape", separator="&"
            )
        except ValueError:
            raise BadRequest("there are too many parameters after the question mark") from None
        self._pairs = pairs
        self._values = dict(pairs)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """The raw parameter; None: absent."""
        return self._values.get(name)

    def texts(self, name: str) -> list[str]:
        """All parameters of that name, for one that may come several times."""
        return [value for key, value in self._pairs if key == name]

    def number(self, name: str, least: int, most: int) -> int | None:
        """A whole number from ``least`` to ``most``; None: absent. Raises BadRequest."""
        text = self._values.get(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise BadRequest(f"{name}: expected a number from {least} to {most}, got {text[:64]!r}")

    def flag(self, name: str) -> bool:
        """Is it 'true'?"""
        return self._values.get(name, "").lower() == "true"
