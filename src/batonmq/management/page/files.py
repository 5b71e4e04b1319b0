"""The files of the web page, and how they are served.

The page itself, at ``/``, is asked for again each time. All else lies below a path that names the contents of all
files: a browser keeps these for good, and never mixes files of two versions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batonmq.management.http.call import Call
from batonmq.management.http.responses import Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Handler, Route

__all__ = ["page_routes"]

FOLDER: Final = Path(__file__).parent / "static"
INDEX: Final = "index.html"

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Nothing from another host, nothing inline, and no framing by another page.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

# A week; the path changes with the contents, so that it may be any time.
KEPT: Final = "public, max-age=604800, immutable"

# The prefix of file paths in the page.
PLACE: Final = "static/"


@dataclass(frozen=True, slots=True)
class _File:
    """The answer for one path."""

    content: bytes
    media_type: str
    cache_control: str

    def handler(self) -> Handler:
        """Answers a request for the file."""
        tag = f'"{_digest(self.content)}"'

        async def answer(call: Call) -> Response:
            headers = {
                "etag": tag,
                "cache-control": self.cache_control,
                "content-security-policy": POLICY,
                # Files do not depend on the log-in.
                "vary": "accept-encoding",
            }
            if _is_known(call.request.headers.get("if-none-match", ""), tag):
                return Response(None, 304, headers)
            return Response(self.content, 200, headers, media_type=self.media_type)

        return answer


def page_routes(prefix: str) -> tuple[Route, ...]:
    """The routes of the page, which needs no log-in itself. ``prefix``: the path below which everything is served."""
    contents = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in sorted(FOLDER.rglob("*.*"))}
    version = _digest(b"".join(name.encode() + b"\0" + content + b"\0" for name, content in contents.items()))
    place = f"{PLACE}{version}/"
    index = _File(_index(contents.pop(INDEX), contents, place), TYPES[".html"], "no-cache")
    routes = [Route("GET", "/", _at_root(index.handler(), prefix), "The web page.", Tag.NOBODY)]
    for name, content in contents.items():
        file = _File(content, TYPES[Path(name).suffix], KEPT)
        routes.append(Route("GET", f"/{place}{name}", file.handler(), "A file of the web page.", Tag.NOBODY))
    return tuple(routes)


def _index(template: bytes, contents: dict[str, bytes], place: str) -> bytes:
    """The page with the paths of this version; it lists all modules, so that none has to wait for another to load."""
    text = template.decode().replace(f'"{PLACE}', f'"{place}')
    preload = "".join(
        f'    <link rel="modulepreload" href="{place}{name}" />\n' for name in contents if name.endswith(".js")
    )
    return text.replace("  </head>", f"{preload}  </head>").encode()


def _at_root(handler: Handler, prefix: str) -> Handler:
    """The page's own paths are relative, and need the slash at the end of ``prefix``."""

    async def answer(call: Call) -> Response:
        if prefix and not call.request.scope["path"].endswith("/"):
            return Response(None, 307, {"location": f"{prefix}/"})
        return await handler(call)

    return answer


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def _is_known(header: str, tag: str) -> bool:
    """Does If-None-Match (RFC 9110, section 13.1.2) include this tag?"""
    return header.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in header.split(",")}
