"""Receives the body of a request."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from batonmq.management.http.errors import BadRequest, HttpError

__all__ = ["receive"]


async def receive(request: Request, most: int, configured: int) -> bytes:
    """The whole body. Raises HttpError if it has more than ``most`` octets, or more than ``configured``."""
    bound = min(most, configured)
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and (len(said) > 18 or int(said) > bound):
        raise _too_large(most, configured)
    pieces = bytearray()
    try:
        async for piece in request.stream():
            pieces += piece
            if len(pieces) > bound:
                raise _too_large(most, configured)
    except ClientDisconnect:
        raise BadRequest("the client went away") from None
    return bytes(pieces)


def _too_large(most: int, configured: int) -> HttpError:
    # A function that raises an error from a local variable forms a reference cycle with it.
    bound = min(most, configured)
    where = "here" if bound < configured else "(management.max_body_size)"
    return HttpError(413, "payload_too_large", f"a body may have {bound} bytes at most {where}")
