"""Answers: each is an ASGI application, built from Starlette's classes."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response, StreamingResponse

from batonmq.management.http.encoding import encode
from batonmq.management.http.errors import HttpError

__all__ = ["Created", "ErrorAnswer", "Json", "NoContent", "Response", "Stream", "Text"]

JSON = "application/json"

# anyio imports it for the first streamed answer, which would block the loop for 20 ms.
importlib.import_module("anyio._backends._asyncio")


class Json(Response):
    """A value as JSON."""

    def __init__(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(encode(value), status, dict(headers or {}), media_type=JSON)


class NoContent(Response):
    """Done, without content (204)."""

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(None, 204, dict(headers or {}))


class Created(Response):
    """Created (201)."""

    def __init__(self, location: str = "") -> None:
        """``location``: its path, or a part of one; "": the path of the request."""
        super().__init__(b"", 201, {"location": location} if location else None)


class Text(Response):
    """Plain text."""

    def __init__(self, text: str, status: int = 200, media_type: str = "text/plain") -> None:
        super().__init__(text.encode(errors="replace"), status, media_type=media_type)


class Stream(StreamingResponse):
    """Bytes that are generated while they are sent."""

    def __init__(
        self, pieces: AsyncIterator[bytes], media_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(pieces, media_type=media_type, headers=dict(headers or {}))


class ErrorAnswer(Json):
    """An error, in RabbitMQ's shape."""

    def __init__(self, error: HttpError) -> None:
        super().__init__({"error": error.error, "reason": error.reason}, error.status, error.headers)
