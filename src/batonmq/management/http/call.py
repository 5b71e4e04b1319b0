"""One request, as the handler of its route sees it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request

from batonmq.broker.management.operations import ManagedOperations
from batonmq.broker.model.access import User
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.json_text import JsonError, read_json_as
from batonmq.management.http.context import Context
from batonmq.management.http.errors import BadRequest, HttpError, Unauthorized, not_found
from batonmq.management.http.kept import kept
from batonmq.management.http.query import Query
from batonmq.management.http.rights import sees_everything

__all__ = ["Call"]


class Call:
    """A request whose client has logged in, and may use the route."""

    __slots__ = ("_user", "body", "context", "path", "peer", "query", "request")

    def __init__(
        self,
        context: Context,
        request: Request,
        path: Mapping[str, str],
        user: User | None,
        peer: str,
        body: bytes = b"",
    ) -> None:
        self.context = context
        self.request = request
        self.path = path
        """The names in the path, decoded."""
        self.query = Query(request.scope["query_string"].decode("ascii", "replace"))
        self.peer = peer
        """The client's address."""
        self._user = user
        self.body = body
        """The body. It arrived completely before the user's rights were checked."""

    @property
    def user(self) -> User:
        """The user who asks, with the current rights. Not for routes that need no log-in."""
        assert self._user is not None
        return self._user

    # ------------------------------------------------------------------ virtual hosts and rights

    def vhost(self, parameter: str = "vhost") -> VirtualHost:
        """The virtual host that the path names. Raises HttpError: it is missing (404), or closed to this user (401)."""
        name = self.path[parameter]
        vhost = self.context.parts.broker.vhosts.get(name)
        if vhost is None:
            raise not_found()
        if not self.user.may_open(name) and not sees_everything(self.user):
            raise Unauthorized("User not authorised to access virtual host")
        return vhost

    def vhosts(self) -> list[VirtualHost]:
        """The virtual hosts that the user sees, in the order of their names."""
        found = self.context.parts.broker.vhosts
        return [found[name] for name in sorted(found) if self.user.may_open(name) or sees_everything(self.user)]

    def operations(self, vhost: VirtualHost) -> ManagedOperations:
        """The user's operations on a virtual host, checked as for any client.

        Raises Unauthorized without access to it. Over HTTP, exclusive queues are locked.
        """
        if not self.user.may_open(vhost.name):
            raise Unauthorized("User not authorised to access virtual host")
        return ManagedOperations(vhost, self.user, owner=self)

    def require(self, is_allowed: bool, reason: str) -> None:
        """Raises Unauthorized without the right."""
        if not is_allowed:
            raise Unauthorized(reason)

    @property
    def is_administrator(self) -> bool:
        """May the user change users and virtual hosts?"""
        return "administrator" in self.user.tags

    @property
    def sees_everything(self) -> bool:
        """May the user see the objects of others?"""
        return sees_everything(self.user)

    # ------------------------------------------------------------------ the request

    def json(self, *, is_required: bool = True) -> dict[str, object]:
        """The body as a JSON object.

        Raises BadRequest; without ``is_required`` an empty body counts as an empty object.
        """
        data = self.body
        if not data.strip() and not is_required:
            return {}
        try:
            value = read_json_as(data, object)
        except (JsonError, msgspec.ValidationError) as error:
            raise HttpError(400, "bad_request", f"body is {error}") from None
        if not isinstance(value, dict):
            raise BadRequest("the body is to be a JSON object")
        return value

    async def kept(self) -> None:
        """Return when the changes are on the disk. Raises StoreError if they could not be kept."""
        await kept(self.context.parts.broker)
