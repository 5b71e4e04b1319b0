"""Exports all definitions of the broker, or those of one virtual host, to a file, and imports them from one."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator

from batonmq.management.definitions.accounts import account_sections
from batonmq.management.definitions.exporting import Section, broker_sections, head, vhost_sections
from batonmq.management.definitions.taking import take
from batonmq.management.definitions.upload import uploaded
from batonmq.management.http.call import Call
from batonmq.management.http.encoding import encode
from batonmq.management.http.errors import BadRequest
from batonmq.management.http.responses import Json, NoContent, Response, Stream
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import ANY_SIZE, Route
from batonmq.management.slices import Slices

# The minimum size of a sent piece in octets, except the last.
PIECE = 32 * 1024
# The most octets of the report in a header; the log has all of it.
REPORT_MAX = 4096
REPORT_HEADER = "batonmq-report"
UPLOADED = "file"

_NOT_IN_FILE_NAMES = re.compile(r"[^\w.\- ]", re.ASCII)

CONTENT = {
    "type": "object",
    "description": "Lists of vhosts, users, permissions, topic_permissions, parameters, global_parameters, policies,"
    " exchanges, queues, bindings: each may be missing.",
}
DOWNLOAD = {"download": "The name that a browser shall keep it under."}
REPORT = {"report": "'true': answer with what was left out (200), and not only with a header."}


# ---------------------------------------------------------------------- given


async def get_definitions(call: Call) -> Response:
    """All definitions."""
    parts = call.context.parts

    def sections() -> Iterator[Section]:
        yield from account_sections(parts)
        yield from broker_sections(parts.broker)

    return _file(call, head(parts.broker), sections())


async def get_of_vhost(call: Call) -> Response:
    """The definitions of one virtual host, for this one or another."""
    broker, vhost = call.context.parts.broker, call.vhost()
    return _file(call, head(broker, vhost), vhost_sections(broker, vhost))


def _file(call: Call, told: dict[str, object], sections: Iterator[Section]) -> Response:
    name = _NOT_IN_FILE_NAMES.sub("_", call.query.text("download") or "")[:100]
    headers = {"content-disposition": f'attachment; filename="{name}"'} if name else None
    return Stream(_pieces(told, sections), headers=headers)


async def _pieces(told: dict[str, object], sections: Iterator[Section]) -> AsyncIterator[bytes]:
    slices = Slices()
    piece = bytearray(encode(told)[:-1])
    for section, entries in sections:
        piece += b"," + encode(section) + b":["
        separator = b""
        for entry in entries:
            piece += separator + encode(entry)
            separator = b","
            if len(piece) >= PIECE:
                yield bytes(piece)
                piece.clear()
            if slices.is_over:
                await slices.rest()
        piece += b"]"
    piece += b"}"
    yield bytes(piece)


# ---------------------------------------------------------------------- taken


async def post_definitions(call: Call) -> Response:
    """Import definitions; other objects stay."""
    return await _take(call, None)


async def post_of_vhost(call: Call) -> Response:
    """Import definitions into a virtual host."""
    return await _take(call, call.vhost().name)


async def _take(call: Call, vhost: str | None) -> Response:
    data = call.body
    content_type = call.request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        found = uploaded(content_type, data, UPLOADED)
        if found is None:
            raise BadRequest(f'expected a form with the field "{UPLOADED}"')
        data = found
    report = (await take(call.context.parts, data, vhost)).report
    if call.query.flag("report"):
        return Json({"report": report})
    return NoContent({REPORT_HEADER: _short(report)} if report else None)


def _short(report: list[str]) -> str:
    """As many lines as fit into a header, as JSON."""
    lines: list[str] = []
    size = 0
    for line in report:
        size += len(json.dumps(line)) + 2
        if size > REPORT_MAX:
            lines.append(f"and {len(report) - len(lines)} more, which are in the log")
            break
        lines.append(line)
    return json.dumps(lines)


DEFINITIONS = "/api/definitions"
OF_VHOST = DEFINITIONS + "/{vhost}"
WHO = Tag.ADMINISTRATOR

ROUTES = (
    Route("GET", DEFINITIONS, get_definitions, "All definitions, without messages.", WHO, query=DOWNLOAD),
    Route(
        "POST", DEFINITIONS, post_definitions, "Import definitions.", WHO, query=REPORT, body=CONTENT, body_max=ANY_SIZE
    ),
    Route("GET", OF_VHOST, get_of_vhost, "The definitions of a virtual host.", WHO, query=DOWNLOAD),
    Route(
        "POST",
        OF_VHOST,
        post_of_vhost,
        "Import definitions into a virtual host.",
        WHO,
        query=REPORT,
        body=CONTENT,
        body_max=ANY_SIZE,
    ),
)
