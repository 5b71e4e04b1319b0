"""A file uploaded from a web page: the relevant part of a multipart/form-data body (RFC 7578)."""

from __future__ import annotations

import re
from email.message import Message

__all__ = ["uploaded"]

# RFC 2046, section 5.1.1.
BOUNDARY_MAX = 70
# The most octets of a part's headers; longer ones are not from our page.
HEAD_MAX = 4096
_NAME = re.compile(rb'(?:^|[;\s])name="?([^";\r\n]*)"?', re.IGNORECASE)


def uploaded(content_type: str, body: bytes, field: str) -> bytes | None:
    """The content of the field; None: there is no such field, or another kind of body."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary or len(boundary) > BOUNDARY_MAX or not boundary.isascii():
        return None
    mark = b"\r\n--" + boundary.encode()
    at = (b"\r\n" + body).find(mark)
    if at < 0:
        return None
    # The body may start with the first boundary.
    start = at - 2 + len(mark)
    while True:
        head_end = body.find(b"\r\n\r\n", start, start + HEAD_MAX)
        end = body.find(mark, start)
        if head_end < 0 or end < 0 or body[start : start + 2] == b"--":
            return None
        if _name_of(body[start:head_end]) == field.encode():
            return body[head_end + 4 : end]
        start = end + len(mark)


def _name_of(head: bytes) -> bytes | None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            found = _NAME.search(value)
            return found.group(1) if found is not None else None
    return None
