"""Errors as RabbitMQ's HTTP API answers them: a status, and JSON with ``error`` and ``reason``."""

from __future__ import annotations

from typing import Final

from batonmq.errors import AccessRefused, BrokerError, NotFound, StoreError

__all__ = ["BadRequest", "HttpError", "Unauthorized", "as_http_error"]

# RabbitMQ's texts, which clients look for, spelling included.
NOT_AUTHORISED: Final = "not_authorised"


class HttpError(Exception):
    """An answer that refuses a request. ``error`` is a word for programs, ``reason`` a text for people."""

    def __init__(self, status: int, error: str, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {error}: {reason}")
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = headers or {}


class BadRequest(HttpError):
    """The request itself is wrong (400)."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, "bad_request", reason)


class Unauthorized(HttpError):
    """Not logged in, or not permitted (401, as in RabbitMQ, even where other APIs answer 403)."""

    def __init__(self, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(401, NOT_AUTHORISED, reason, headers)


def not_found() -> HttpError:
    """Not found (404), with RabbitMQ's text."""
    return HttpError(404, "Object Not Found", "Not Found")


def as_http_error(error: BrokerError | StoreError) -> HttpError:
    """The answer to a request that the broker or its store refused."""
    if isinstance(error, StoreError):
        return HttpError(503, "service_unavailable", error.reason)
    if isinstance(error.__cause__, StoreError):
        return HttpError(503, "service_unavailable", str(error))
    if isinstance(error, NotFound):
        return HttpError(404, "Object Not Found", str(error))
    if isinstance(error, AccessRefused):
        return Unauthorized(str(error))
    return BadRequest(str(error))
