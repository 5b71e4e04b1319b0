"""Checks of the HTTP request that opens a WebSocket, beyond those of the library (RFC 6455, section 4.2)."""

from __future__ import annotations

import http
import re
from collections.abc import Sequence

from websockets.datastructures import MultipleValuesError
from websockets.exceptions import NegotiationError
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from batonmq.server.web_pages import is_own_page

__all__ = ["LONGEST_REQUEST", "Refusal", "check_origin", "check_path", "find_end", "select_subprotocol"]

# The largest request with its headers, in bytes; browsers add the host's cookies, of up to 4 KiB each.
LONGEST_REQUEST = 32 * 1024

_END_OF_HEAD = b"\r\n\r\n"

# The method of a request, as far as it has come (RFC 9110, section 9.1; all that are registered are in capitals).
_METHOD = re.compile(rb"[A-Z]{1,32}(?: |\Z)")


class Refusal(Exception):
    """The request is refused with this status and this line, and the connection ends."""

    def __init__(self, status: http.HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


def find_end(head: bytes, known: int) -> int:
    """The end of the request, its empty line included; -1: it is incomplete.

    The first `known` bytes were checked before. Raises Refusal for bytes that are not a request, or too long.
    """
    end = head.find(_END_OF_HEAD, max(0, known - len(_END_OF_HEAD) + 1))
    if _METHOD.match(head) is None:
        # A client of another protocol is refused at once.
        raise Refusal(http.HTTPStatus.BAD_REQUEST, "this is not HTTP: here WebSocket is spoken")
    if (len(head) if end < 0 else end) > LONGEST_REQUEST:
        raise Refusal(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"a request has at most {LONGEST_REQUEST} bytes")
    return end if end < 0 else end + len(_END_OF_HEAD)


def check_path(request: Request, path: str) -> None:
    """Raises Refusal for any path but `path`; a query is ignored."""
    if request.path.partition("?")[0] != path:
        raise Refusal(http.HTTPStatus.NOT_FOUND, f"there is nothing here: WebSocket clients connect to {path}")


def check_origin(request: Request, allowed: Sequence[str], *, is_loopback: bool) -> None:
    """May the web page that asks connect? Raises Refusal.

    A browser sends a page's own address as Origin (RFC 6455, section 10.2) and lets any page of the web connect to this
    machine, where guest may log in. Allowed are clients that send none, which are no browsers; pages of this machine;
    pages of the host that they connect to (`is_own_page`); and origins in `allowed`, where `*` stands for all.
    """
    try:
        origin = request.headers.get("Origin")
        host = request.headers.get("Host", "")
    except MultipleValuesError:
        raise Refusal(http.HTTPStatus.BAD_REQUEST, "there is more than one Origin, or more than one Host") from None
    if origin is None or "*" in allowed or origin.lower() in {one.lower().rstrip("/") for one in allowed}:
        return
    if is_own_page(origin, host, is_loopback=is_loopback):
        return
    raise Refusal(http.HTTPStatus.FORBIDDEN, "web pages of this origin may not connect: see websocket.origins")


def select_subprotocol(protocol: ServerProtocol, asked: Sequence[Subprotocol]) -> Subprotocol | None:
    """The best subprotocol that both sides know; none if none was requested. Raises NegotiationError."""
    offered = protocol.available_subprotocols or ()
    for name in offered:
        if name in asked:
            return name
    if asked:
        raise NegotiationError(f"none of the subprotocols is known here; there are {', '.join(offered)}")
    return None
