"""Management's HTTP: bytes of any kind in any pieces, and requests of every route."""

from __future__ import annotations

from proof.fuzz.sessions.http import REQUEST, requests, sessions
from proof.fuzz.sessions.http_requests import AUTHORIZATION
from proof.fuzz.target import Target

PUT = (
    b"PUT /api/queues/%2F/new HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZATION + b"Content-Length: 16\r\n\r\n"
    b'{"durable":true}'
)
CHUNKED = (
    b"POST /api/queues/%2F/q/get HTTP/1.1\r\nHost: localhost\r\n"
    + AUTHORIZATION
    + b"Transfer-Encoding: chunked\r\n\r\n"
    b'3\r\n{"c\r\n2e\r\nount":1,"ackmode":"ack_requeue_true","encoding":"auto"\r\n1\r\n}\r\n0\r\n\r\n'
)
WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"GET ",
    b"PUT ",
    b"DELETE ",
    b" HTTP/1.1\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"%2F",
    b"/api/queues",
    b"/api/baton/",
    b"/api/",
    b"?",
    b"&",
    b"=",
    b"{",
    b"}",
    b"[",
    b'"',
    b":",
    b",",
    b"null",
    b"\\ud800",
    b"9" * 30,
    b"\xff",
    b"\xb2",
    AUTHORIZATION,
    b"http://",
    b"Expect: 100-continue\r\n",
    b"Connection: close\r\n",
)

TARGETS = (
    Target(
        "http.requests",
        "bytes of any kind in any pieces: a request, and whatever it becomes",
        requests,
        tuple(
            bytes((size,)) + made for size in (0x10, 0x90) for made in (REQUEST, PUT, CHUNKED, REQUEST + PUT + REQUEST)
        ),
        WORDS,
        800,
        is_session=True,
    ),
    *sessions(),
)
