"""Finds the user of a request: by name and password (RFC 7617), or by the session of the web page."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from typing import Final

from starlette.requests import Request

from batonmq.broker.model.access import BUSY, TOO_MANY_LOG_INS, LogInAnswer, User
from batonmq.management.http.connection import HttpConnection
from batonmq.management.http.errors import BadRequest, HttpError, Unauthorized
from batonmq.management.http.sessions import Session, Sessions
from batonmq.server.addresses import address
from batonmq.server.extensions import Parts
from batonmq.server.web_pages import host_of, is_address, is_own_page, is_this_machine

__all__ = ["COOKIE", "CSRF_HEADER", "LogIn"]

COOKIE: Final = "batonmq_session"
CSRF_HEADER: Final = "x-csrf-token"

# Read-only methods.
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

# Longer names and passwords do not exist, and would still be hashed.
LONGEST_CREDENTIALS: Final = 8192

# RabbitMQ's realm: clients that keep passwords by realm, as libwww-perl does, send theirs to no other.
CHALLENGE: Final = {"www-authenticate": 'Basic realm="RabbitMQ Management", charset="UTF-8"'}


class LogIn:
    """Finds the user of a request."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.sessions = Sessions(parts.config.management.session_timeout, parts.clock.monotonic)

    async def user(self, request: Request) -> User:
        """The user, with current rights. Raises HttpError: nobody (401), or too many at once (503)."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            _refuse_other_pages(request)
            return await self._by_password(request, authorization)
        session = self.session(request)
        if session is None:
            raise Unauthorized("Login failed", self._challenge(request))
        user = self._parts.authenticator.find(session.user)
        if user is None or self._parts.authenticator.proof(session.user) != session.proof:
            self.sessions.end(request.cookies[COOKIE])
            raise Unauthorized("Login failed", self._challenge(request))
        if request.method not in SAFE and not hmac.compare_digest(
            request.headers.get(CSRF_HEADER, "").encode(), session.csrf.encode()
        ):
            raise HttpError(403, "forbidden", f"what changes anything needs the header {CSRF_HEADER} of this session")
        return user

    def session(self, request: Request) -> Session | None:
        """The session of the web page that the request belongs to, if any."""
        cookie = request.cookies.get(COOKIE)
        return self.sessions.find(cookie) if cookie else None

    async def check(self, request: Request, name: str, password: str) -> User:
        """The user of that name and password. Raises HttpError as ``user`` does."""
        connection: HttpConnection = request.state.connection
        if connection.is_gone:
            raise _gone()
        peer, is_loopback = address(request.scope.get("client"))
        is_loopback = is_loopback and _calls_this_machine(request)
        answered: asyncio.Future[LogInAnswer] = asyncio.get_running_loop().create_future()

        def answer(found: LogInAnswer) -> None:
            if not answered.done():
                answered.set_result(found)

        def gone() -> None:
            answer(BUSY)

        attempt = self._parts.log_ins.authenticate(
            name, password, peer, answer, is_loopback=is_loopback, protocol="http"
        )
        connection.when_gone(gone)
        try:
            found = await answered
        finally:
            connection.not_when_gone(gone)
            if attempt is not None:
                self._parts.log_ins.withdraw(attempt)
        if connection.is_gone:
            raise _gone()
        if found is BUSY:
            raise HttpError(503, "service_unavailable", TOO_MANY_LOG_INS, {"retry-after": "1"})
        if not isinstance(found, User):
            raise Unauthorized("Login failed", self._challenge(request))
        return found

    async def begin_session(self, request: Request, name: str, password: str) -> tuple[str, Session, User]:
        """Log in for the web page: the cookie's value, the session, the user. Raises HttpError as ``user`` does."""
        if _is_of_another_site(request):
            # A foreign page could have the browser log in as another user.
            raise _other_page()
        user = await self.check(request, name, password)
        key, session = self.sessions.begin(user.name, self._parts.authenticator.proof(user.name))
        return key, session, user

    async def _by_password(self, request: Request, authorization: str) -> User:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic" or len(encoded) > LONGEST_CREDENTIALS:
            raise Unauthorized("Login failed", self._challenge(request))
        try:
            # Older clients send Latin-1.
            raw = base64.b64decode(encoded.strip(), validate=True)
            name, found, password = raw.decode("utf-8", "surrogateescape").partition(":")
        except (binascii.Error, ValueError):
            raise Unauthorized("Login failed", self._challenge(request)) from None
        if not found:
            raise Unauthorized("Login failed", self._challenge(request))
        return await self.check(request, name, password)

    @staticmethod
    def _challenge(request: Request) -> dict[str, str]:
        # The web page shows its own log-in; a browser that sees the challenge would show another.
        return {} if "x-requested-with" in request.headers else CHALLENGE


def _refuse_other_pages(request: Request) -> None:
    """Raises HttpError (403) if a foreign web page has the browser change something here.

    A browser sends stored names and passwords, even from the address of a form, on behalf of any page.
    """
    if request.method in SAFE:
        return
    origin = request.headers.get("origin")
    if "sec-fetch-site" in request.headers:
        is_other = _is_of_another_site(request)
    elif origin is not None:
        _, is_loopback = address(request.scope.get("client"))
        is_other = not is_own_page(origin, request.headers.get("host", ""), is_loopback=is_loopback)
    else:
        is_other = False
    if is_other:
        raise _other_page()


def _is_of_another_site(request: Request) -> bool:
    """Does the browser report a request from a page of another host?"""
    return request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none")


def _gone() -> HttpError:
    """An answer that nobody reads. A check takes 50 ms of CPU and 16 MiB: a client that has left gets none."""
    return BadRequest("the client went away")


def _other_page() -> HttpError:
    return HttpError(403, "forbidden", "web pages of another host may not change anything here")


def _calls_this_machine(request: Request) -> bool:
    """Does a client on this machine address it by a name that only this machine has?

    Another name may lead here because its owner made it so, to have a web page of theirs answered, or because a proxy
    on this machine forwards requests from anywhere.
    """
    host = request.headers.get("host")
    if not host:
        return True
    name = host_of(f"//{host}")
    return is_this_machine(name) or is_address(name)
