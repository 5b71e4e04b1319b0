"""Maps paths to their handlers.

A path is looked up as it was sent, piece by piece between the slashes: a name in it may hold a slash, percent-encoded,
as the name of the virtual host "/" does.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import unquote

from batonmq.management.http.call import Call
from batonmq.management.http.errors import HttpError, not_found
from batonmq.management.http.responses import Response
from batonmq.management.http.rights import Tag

__all__ = ["ANY_SIZE", "SMALL", "USUAL_SIZE", "Handler", "Route", "Routes", "beside_the_store"]

# The largest body, in octets. JSON is parsed at once, which takes a few milliseconds at most for this size.
USUAL_SIZE: Final = 256 * 1024
# The largest body without a log-in.
SMALL: Final = 16 * 1024
# The largest body by configuration: for a handler that parses it in slices, or hardly parses it.
ANY_SIZE: Final = sys.maxsize

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    """Such as ``/api/queues/{vhost}/{name}``. A name may be empty in ``{name?}``, as that of the default exchange is;
    ``{rest*}`` at the end takes all that is left, slashes included."""
    handler: Handler
    summary: str
    """What it does, in one sentence."""
    may: Tag = Tag.MANAGEMENT
    group: str = ""
    """The heading in the description; "": the word after ``/api/``."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Its parameters, with their descriptions."""
    body: Mapping[str, object] | None = None
    """The JSON schema of its body; None: it has none."""
    body_max: int = USUAL_SIZE
    """The largest body in octets, if the configuration allows it."""
    answers: Mapping[int, str] = field(default_factory=dict)
    """The meaning of unusual status codes."""
    is_stored: bool = True
    """Does it change the store, unless its method is read-only? Then it is refused while nothing can be written."""


def beside_the_store(*routes: Route) -> tuple[Route, ...]:
    """Routes that do not change the store, or check it themselves: they are always open."""
    return tuple(replace(route, is_stored=False) for route in routes)


class _Node:
    __slots__ = ("by_method", "literal", "may_be_empty", "name", "parameter", "rest")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.name = ""
        self.may_be_empty = False
        self.by_method: dict[str, tuple[Route, tuple[str, ...]]] = {}


class Routes:
    """All routes of a server."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError for a duplicate method of a path."""
        self.all = tuple(routes)
        self._root = _Node()
        for route in self.all:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        names = []
        for piece in route.path.strip("/").split("/"):
            if piece.startswith("{") and piece.endswith("*}"):
                names.append(piece[1:-2])
                node.rest = node.rest or _Node()
                node = node.rest
            elif piece.startswith("{"):
                names.append(piece[1:-1].removesuffix("?"))
                node.parameter = node.parameter or _Node()
                node = node.parameter
                node.may_be_empty |= piece.endswith("?}")
            elif piece:
                node = node.literal.setdefault(piece, _Node())
        if route.method in node.by_method:
            raise ValueError(f"{route.method} {route.path} is there twice")
        node.by_method[route.method] = route, tuple(names)

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """The route, and the names in the path, decoded. Raises HttpError: 404, or 405 with what is allowed."""
        pieces = _pieces(raw_path)
        found = self._descend(self._root, pieces, 0, [])
        if found is None:
            raise not_found()
        node, values = found
        match = node.by_method.get("GET" if method == "HEAD" else method)
        if match is None:
            allowed = ", ".join(self._allowed(node))
            raise HttpError(405, "method_not_allowed", f"{method} is not known here: {allowed}", {"allow": allowed})
        route, names = match
        return route, dict(zip(names, values, strict=True))

    def methods(self, raw_path: str) -> list[str]:
        """The methods of a path. Raises HttpError if there are none."""
        pieces = _pieces(raw_path)
        found = self._descend(self._root, pieces, 0, [])
        if found is None:
            raise not_found()
        return self._allowed(found[0])

    @staticmethod
    def _allowed(node: _Node) -> list[str]:
        methods = set(node.by_method) | {"OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return sorted(methods)

    def _descend(self, node: _Node, pieces: list[str], at: int, values: list[str]) -> tuple[_Node, list[str]] | None:
        if at == len(pieces):
            return (node, values) if node.by_method else None
        piece = pieces[at]
        literal = node.literal.get(piece)
        if literal is not None:
            found = self._descend(literal, pieces, at + 1, values)
            if found is not None:
                return found
        # Most names must not be empty: an empty piece results from an extra slash.
        parameter = node.parameter
        if parameter is not None and (piece or parameter.may_be_empty):
            found = self._descend(parameter, pieces, at + 1, [*values, _decoded(piece)])
            if found is not None:
                return found
        if node.rest is not None:
            return node.rest, [*values, _decoded("/".join(pieces[at:]))]
        return None


def _pieces(raw_path: str) -> list[str]:
    # One slash at the end is nothing; after another, there is an empty name between the two.
    path = raw_path.lstrip("/").removesuffix("/")
    return path.split("/") if path else []


def _decoded(piece: str) -> str:
    # Names that are not UTF-8 are decoded as everywhere in the broker.
    return unquote(piece, errors="surrogateescape")
