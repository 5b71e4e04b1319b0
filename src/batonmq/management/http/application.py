"""The ASGI application: log-in, rights, the handler of the route, and answers for errors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from email.utils import formatdate
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from batonmq.broker.model.access import User
from batonmq.errors import BrokerError, StoreError
from batonmq.management.http.call import Call
from batonmq.management.http.context import Context
from batonmq.management.http.errors import HttpError, Unauthorized, as_http_error, not_found
from batonmq.management.http.log_in import LogIn
from batonmq.management.http.receiving import receive
from batonmq.management.http.request_line import RequestLine
from batonmq.management.http.responses import ErrorAnswer
from batonmq.management.http.rights import Tag, may
from batonmq.management.http.routes import Route, Routes
from batonmq.server.addresses import address
from batonmq.server.fair_line import network

__all__ = ["Application"]

logger = logging.getLogger("batonmq.management")

# Read-only methods.
SAFE: Final = ("GET", "HEAD", "OPTIONS")
# The headers of every answer. The API's answers are never cached by a browser or a proxy.
SAID_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Application:
    """Answers all requests of one server."""

    def __init__(self, context: Context, routes: Routes, log_in: LogIn, prefix: str = "") -> None:
        """``prefix``: the beginning of every path."""
        self._context = context
        self._routes = routes
        self._log_in = log_in
        self._prefix = prefix
        self._line = RequestLine()
        # Requests that are making changes.
        self._changes = 0
        self._is_stopping = False
        self._no_change = asyncio.Event()
        self._no_change.set()

    async def finish(self, seconds: float) -> None:
        """Begin no further change, and return when those under way are done, or after that many seconds."""
        self._is_stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._no_change.wait(), seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, by the specification of ASGI (section HTTP)."""
        request = Request(scope, receive)
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._line.turn(network(request.state.connection.peer))
            response = await self._answer(request)
            self._say_always(response)
            await response(scope, receive, sending)
        except asyncio.CancelledError:
            if not begun:
                response = ErrorAnswer(_stopping())
                self._say_always(response)
                await response(scope, receive, send)
            raise
        except Exception:
            # A bug of ours: only this request fails.
            logger.exception("%s %s failed", request.method, _shown(scope))
            if begun:
                raise
            error = HttpError(500, "internal_error", "the broker's log says what went wrong")
            response = ErrorAnswer(error)
            self._say_always(response)
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._handled(request)
        except HttpError as error:
            return ErrorAnswer(error)
        except (BrokerError, StoreError) as error:
            return ErrorAnswer(as_http_error(error))
        finally:
            if request.method not in SAFE:
                # Dispatch and commit the changes.
                self._context.parts.broker.on_work()

    async def _handled(self, request: Request) -> Response:
        path = self._path(request)
        if request.method == "OPTIONS":
            return Response(headers={"allow": ", ".join(self._routes.methods(path))})
        route, names = self._routes.find(request.method, path)
        if "content-length" in request.headers and "transfer-encoding" in request.headers:
            # A proxy in front of us may use the other one (RFC 9112, section 6.1).
            raise HttpError(400, "bad_request", "a body has one length", {"connection": "close"})
        user = await self._log_in.user(request) if route.may is not Tag.NOBODY else None
        if user is not None:
            request.state.connection.logged_in()
        _require(user, route)
        body = b""
        if request.method not in ("GET", "HEAD"):
            proof = self._proof(user)
            body = await receive(request, route.body_max, self._context.parts.config.management.max_body_size)
            # A body may take long to arrive. The current rights apply.
            user = self._context.parts.authenticator.find(user.name) if user is not None else None
            if self._proof(user) != proof:
                raise Unauthorized("Login failed")
            _require(user, route)
        if route.is_stored and request.method not in SAFE:
            self._context.parts.broker.check_writable()
        call = Call(self._context, request, names, user, address(request.scope.get("client"))[0], body)
        return await (route.handler(call) if request.method in SAFE else self._change(route, call))

    async def _change(self, route: Route, call: Call) -> Response:
        if self._is_stopping:
            raise _stopping()
        self._changes += 1
        self._no_change.clear()
        try:
            return await route.handler(call)
        finally:
            self._changes -= 1
            if not self._changes:
                self._no_change.set()

    def _proof(self, user: User | None) -> str | None:
        """The hash of the user's password; when it changes, the log-in has ended."""
        return self._context.parts.authenticator.stored_hash(user.name) if user is not None else None

    def _path(self, request: Request) -> str:
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw.decode("ascii", "replace")
        if not path.startswith("/") and "://" in path:
            # A full URL, as proxies send it (RFC 9112, section 3.2.2).
            path = "/" + path.partition("://")[2].partition("/")[2]
        if self._prefix:
            if path != self._prefix and not path.startswith(self._prefix + "/"):
                raise not_found()
            path = path[len(self._prefix) :]
        return path

    @staticmethod
    def _say_always(response: Response) -> None:
        headers = response.headers
        headers["date"] = formatdate(usegmt=True)
        for name, value in SAID_ALWAYS.items():
            headers.setdefault(name, value)
        headers.setdefault("cache-control", "no-store")
        headers.setdefault("vary", "authorization, cookie")


def _require(user: User | None, route: Route) -> None:
    """Raises Unauthorized, with RabbitMQ's text, for a user without the tag that the route needs."""
    if user is not None and not may(user, route.may):
        wanted = "Not management user" if route.may is Tag.MANAGEMENT else f"Not {route.may.value} user"
        raise Unauthorized(wanted)


def _stopping() -> HttpError:
    return HttpError(503, "service_unavailable", "the broker is stopping", {"connection": "close"})


def _shown(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or b""
    return ascii(raw[:200].decode("ascii", "replace"))
