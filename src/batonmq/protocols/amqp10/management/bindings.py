"""Requests about bindings: bind, unbind, list."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from batonmq.errors import NotFound
from batonmq.field_encoding import encode_table
from batonmq.protocols.amqp10.management.arguments import from_arguments, to_arguments
from batonmq.protocols.amqp10.management.requests import (
    Answer,
    BadRequest,
    Request,
    body_fields,
    query_fields,
    unescaped,
)
from batonmq.protocols.amqp10.messages.field_values import text_or_octets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker import Operations
    from batonmq.broker.routing.exchanges import Binding
    from batonmq.fields import FieldValue

_DEFAULTS: Final = {
    "source": "",
    "destination_queue": "",
    "destination_exchange": "",
    "binding_key": "",
    "arguments": {},
}
# The segment of a path that names one binding.
_SEGMENT: Final = re.compile(
    r"src=(?P<source>[\w.~%-]+);dst(?P<kind>[eq])=(?P<destination>[\w.~%-]+);"
    r"key=(?P<key>[\w.~%-]*);args=(?P<arguments>[\w-]*)",
    re.ASCII,
)


class _Ends(NamedTuple):
    """The source and the destination of a binding."""

    source: str
    to_queue: bool
    destination: str


class BindingRequests:
    """The requests of one connection."""

    __slots__ = ("_operations",)

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def post(self, request: Request) -> Answer:
        """POST /bindings. Raises BadRequest, BrokerError, but not NotFound."""
        fields = body_fields(request, _DEFAULTS, "binding field")
        given = request.body
        assert isinstance(given, dict)
        to_queue = "destination_queue" in given
        if "source" not in given or to_queue == ("destination_exchange" in given):
            raise BadRequest(400, "a binding has a source, and a destination_queue or a destination_exchange")
        destination = str(fields["destination_queue"] if to_queue else fields["destination_exchange"])
        bind = self._operations.bind_queue if to_queue else self._operations.bind_exchange
        try:
            bind(destination, str(fields["source"]), str(fields["binding_key"]), to_arguments(fields["arguments"]))
        except NotFound as error:
            # Not a 404, as the resource in the path exists.
            raise BadRequest(400, str(error)) from None
        return Answer(204)

    def delete(self, segment: str) -> Answer:
        """DELETE /bindings/SEGMENT; a missing binding is no error. Raises BadRequest, BrokerError."""
        found = _SEGMENT.fullmatch(segment)
        if found is None:
            raise BadRequest(400, f"bad binding path segment '{segment[:200]}'")
        ends = _Ends(unescaped(found["source"]), found["kind"] == "q", unescaped(found["destination"]))
        operations = self._operations
        key = unescaped(found["key"])
        unbind = operations.unbind_queue if ends.to_queue else operations.unbind_exchange
        for binding in operations.bindings_between(ends.source, ends.destination, to_queue=ends.to_queue):
            if binding.routing_key == key and _mark(binding.arguments) == found["arguments"]:
                unbind(ends.destination, ends.source, key, binding.arguments)
                break
        return Answer(204)

    def get(self, request: Request) -> Answer:
        """GET /bindings?src=..&dstq=..&key=.., or dste. Raises BadRequest, AccessRefused."""
        query = query_fields(request.query)
        if "src" not in query or "key" not in query:
            raise BadRequest(400, "missing 'src' or 'key' in query")
        to_queue = "dste" not in query
        if to_queue and "dstq" not in query:
            raise BadRequest(400, "missing 'dste' or 'dstq' in query")
        ends = _Ends(query["src"], to_queue, query["dstq"] if to_queue else query["dste"])
        found = self._operations.bindings_between(ends.source, ends.destination, to_queue=to_queue)
        return Answer(200, [_shown(ends, binding) for binding in found if binding.routing_key == query["key"]])


def _shown(ends: _Ends, binding: Binding) -> dict[str, object]:
    return {
        "source": text_or_octets(ends.source),
        "destination_queue" if ends.to_queue else "destination_exchange": text_or_octets(ends.destination),
        "binding_key": text_or_octets(binding.routing_key),
        "arguments": from_arguments(binding.arguments),
        "location": _location(ends, binding),
    }


def _location(ends: _Ends, binding: Binding) -> str:
    """The path that names the binding."""
    names = [quote(name, safe="", errors="surrogateescape") for name in (ends.source, ends.destination)]
    kind = "q" if ends.to_queue else "e"
    key = quote(binding.routing_key, safe="", errors="surrogateescape")
    return f"/bindings/src={names[0]};dst{kind}={names[1]};key={key};args={_mark(binding.arguments)}"


def _mark(arguments: Mapping[str, FieldValue]) -> str:
    """A mark that distinguishes bindings with different arguments."""
    if not arguments:
        return ""
    digest = blake2b(encode_table(dict(sorted(arguments.items()))), digest_size=9).digest()
    return urlsafe_b64encode(digest).decode()
