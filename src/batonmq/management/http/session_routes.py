"""Logging in and out for the web page."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs

from starlette.responses import Response

from batonmq.broker.model.access import User
from batonmq.management.http.call import Call
from batonmq.management.http.errors import BadRequest, Unauthorized
from batonmq.management.http.log_in import COOKIE, LogIn
from batonmq.management.http.responses import Json, NoContent
from batonmq.management.http.rights import Tag, may
from batonmq.management.http.routes import SMALL, Route, beside_the_store

__all__ = ["session_routes"]

GROUP = "session"
FIELDS_MAX = 10


def session_routes(log_in: LogIn) -> tuple[Route, ...]:
    """The routes of the sessions that ``log_in`` keeps."""

    async def begin(call: Call) -> Response:
        fields = call.json()
        name, password = fields.get("name"), fields.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            raise BadRequest('"name" and "password" are to be texts')
        key, session, user = await log_in.begin_session(call.request, name, password)
        if not may(user, Tag.MANAGEMENT):
            log_in.sessions.end(key)
            raise Unauthorized("Not management user")
        response = Json(_described(user, session.csrf))
        management = call.context.parts.config.management
        response.set_cookie(
            COOKIE,
            key,
            path=management.path_prefix or "/",
            httponly=True,
            samesite="strict",
            secure=call.request.scope["scheme"] == "https",
        )
        return response

    async def look(call: Call) -> Response:
        session = log_in.session(call.request)
        return Json(_described(call.user, session.csrf if session is not None else ""))

    async def end(call: Call) -> Response:
        log_in.sessions.end(call.request.cookies.get(COOKIE, ""))
        response = NoContent()
        response.delete_cookie(COOKIE, path=call.context.parts.config.management.path_prefix or "/")
        return response

    async def by_form(call: Call) -> Response:
        """RabbitMQ's form: it tells the page which header to send from then on. No cookie is set."""
        name, password = _form(call.body)
        user = await log_in.check(call.request, name, password)
        if not may(user, Tag.MANAGEMENT):
            raise Unauthorized("Not management user")
        proof = base64.b64encode(f"{name}:{password}".encode(errors="surrogateescape")).decode()
        token = {"type": "basic", "value": proof}
        return Json({"user": {"name": user.name, "tags": sorted(user.tags), "is_internal_user": True}, "token": token})

    path = "/api/baton/session"
    credentials = {
        "type": "object",
        "required": ["name", "password"],
        "properties": {"name": {"type": "string"}, "password": {"type": "string"}},
    }
    return beside_the_store(
        Route("POST", "/api/login", by_form, "Log in with RabbitMQ's form.", Tag.NOBODY, GROUP, body_max=SMALL),
        Route(
            "POST",
            path,
            begin,
            "Log in, and get a cookie.",
            Tag.NOBODY,
            GROUP,
            body=credentials,
            body_max=SMALL,
        ),
        Route("GET", path, look, "The user who is logged in.", Tag.MANAGEMENT, GROUP),
        Route("DELETE", path, end, "Log out.", Tag.EVERYBODY, GROUP),
    )


def _described(user: User, csrf: str) -> dict[str, object]:
    return {"user": user.name, "tags": sorted(user.tags), "csrf": csrf}


def _form(body: bytes) -> tuple[str, str]:
    """The name and the password of a form. Raises BadRequest."""
    try:
        fields = parse_qs(
            body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="surrogateescape"
        )
    except ValueError:
        raise BadRequest("there are too many fields") from None
    return fields.get("username", [""])[-1], fields.get("password", [""])[-1]
