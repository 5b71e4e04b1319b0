"""Requests to management, of every route, with what it needs, mostly."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from batonmq.management.http.routes import Route, Routes
from proof.fuzz.choices import Choices
from proof.fuzz.typed import Known, Typed, deep_json

__all__ = ["AUTHORIZATION", "Requests"]

AUTHORIZATION: Final = b"Authorization: Basic " + base64.b64encode(b"guest:guest") + b"\r\n"
MOST_REQUESTS: Final = 8
METHODS: Final = ("GET", "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "X" * 300)
NAMES: Final = ("q", "rich", "dead", "new", "/", "guest", "amq.topic", "e", "q%00", "é", "\udcff", "x" * 300, "~", "")
QUERIES: Final = (
    "page=1&page_size=5",
    "sort=name&sort_reverse=true",
    "name=a&use_regex=true",
    "name=(a*)*&use_regex=true",
    "columns=name",
    "page=99999999999999999999",
    "lengths_age=60&lengths_incr=5",
    "msg_rates_age=1e9&msg_rates_incr=0",
    "disable_stats=true",
    "%",
    "&&=&",
    "a" * 2000,
    "page=\u0661",
    "if-unused=true&if-empty=1",
    "msg_rates_age=-1",
    "vhost=%2F&after=5&most=2",
)
HEADERS: Final = (
    "Content-Type: application/json",
    "Content-Length: 5",
    "Content-Length: \u00b2",
    "Transfer-Encoding: chunked",
    "Accept: */*",
    "Cookie: batonmq_session=x",
    'Cookie: "=;;',
    "Origin: http://[::1",
    "Sec-Fetch-Site: cross-site",
    "Host: x:99999",
    "Expect: 100-continue",
    "Connection: close",
    "Connection: upgrade",
    "Last-Event-ID: \u00b2",
    "If-None-Match: *",
    "Accept-Encoding: gzip",
    "X-Requested-With: x",
    "Upgrade: websocket",
    "Authorization: Basic !!!!",
    "Range: bytes=0-",
)
KNOWN: Final[Known] = {
    str: (
        "q",
        "rich",
        "dead",
        "new",
        "/",
        "",
        "text/plain",
        "base64",
        "x" * 256,
        "direct",
        "queues",
        "^a(b|c)*$",
        "((",
        "get",
        "ack_requeue_true",
        "accept",
        "administrator",
        "true",
        "amqp://",
        "5",
    ),
    int: (1, 5, 0, -1, 1 << 40, 10**400),
}
ARGUMENTS: Final[tuple[object, ...]] = (
    {},
    {"x-max-length": 1},
    {"x-queue-type": "quorum"},
    {"x-message-ttl": -1},
    {"a": [[1]]},
    {"x-max-priority": 1.5},
    [],
    None,
    {"max-length": 1, "expires": 2},
    {"message-ttl": "x"},
    {"delivery_mode": 2, "headers": {"x-delay": 5}},
    {"headers": 5},
)


class Requests:
    """Requests out of an input."""

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._typed = Typed(choices, KNOWN, deep_json)

    def __call__(self, routes: Routes) -> Iterator[Sequence[bytes]]:
        choices = self._choices
        for _ in range(MOST_REQUESTS):
            if choices.is_over:
                return
            # Of one piece, mostly; several requests at once, at times.
            made = b"".join(self._request(routes) for _ in range(2 if choices.chance(12) else 1))
            kind = choices.byte()
            if kind < 200:
                yield [made]
            elif kind < 240:
                at = kind * len(made) // 256
                yield [made[:at], made[at:]]
            else:
                yield [made[: kind * len(made) // 256]]

    def _request(self, routes: Routes) -> bytes:
        choices = self._choices
        # Of more routes than a byte can number.
        route = routes.all[(choices.byte() << 8 | choices.byte()) % len(routes.all)]
        method = route.method if not choices.chance(10) else choices.one_of(METHODS)
        path = re.sub(r"\{[^}]*\}", lambda _: self._name(), route.path)
        if choices.chance(3):
            path += "?" + quote(choices.one_of(QUERIES), safe="=&%")
        head = (
            f"{method} {path or '/'} HTTP/{'1.1' if not choices.chance(30) else '1.0'}\r\nHost: localhost\r\n".encode()
        )
        if not choices.chance(16):
            head += AUTHORIZATION
        if choices.chance(6):
            head += choices.one_of(HEADERS).encode("latin-1") + b"\r\n"
        if route.body is None and method not in ("PUT", "POST"):
            return head + b"\r\n"
        body = self._body(route)
        if choices.chance(16):
            body = body[: choices.below(30)] + choices.octets(4)
        if choices.chance(12):
            chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + (chunk if body else b"0\r\n\r\n")
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def _name(self) -> str:
        choices = self._choices
        name = choices.one_of(NAMES) if choices.chance(2) else choices.one_of(("%2F", "q", "guest"))
        return name if "%" in name else quote(name, safe="", errors="surrogateescape")

    def _body(self, route: Route) -> bytes:
        choices = self._choices
        if choices.chance(20):
            return msgspec.json.encode(self._typed.anything())
        properties = (route.body or {}).get("properties", {})
        names = list(properties) if isinstance(properties, dict) else []
        found: dict[str, object] = {}
        for name in names or ("name", "value", "arguments"):
            if not choices.chance(6):
                found[name] = self._value(properties.get(name) if isinstance(properties, dict) else None)
        try:
            return msgspec.json.encode(found)
        except OverflowError:
            # No JSON of msgspec's has a number so large; that of others has.
            return json.dumps(found, default=str).encode()

    def _value(self, schema: object) -> object:
        choices = self._choices
        kind = schema.get("type") if isinstance(schema, dict) else None
        if isinstance(schema, dict) and "enum" in schema and not choices.chance(5):
            return choices.one_of(schema["enum"])
        if kind == "object" or choices.chance(12):
            return choices.one_of(ARGUMENTS)
        by_kind = {"string": str, "integer": int, "boolean": bool, "number": float, "array": list[str]}
        found = self._typed.of(by_kind.get(str(kind), object))
        # JSON knows no number that is none.
        return found if not isinstance(found, float) or abs(found) < float("inf") else 0.5
