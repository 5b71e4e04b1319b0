"""JMX over HTTP, by Jolokia, for managing ActiveMQ Classic. A few threads make the requests."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec

from batonmq.engines.futures import Future
from batonmq.errors import AccessRefused, BatonError, BrokerError, Closed, ConnectionLost, NotFound
from batonmq.json_text import JsonError, read_json_as

__all__ = ["Jolokia", "value_in"]

T = TypeVar("T")

# Seconds within which an answer must come.
PATIENCE: Final = 5.0
# Concurrent requests: with many, such as 200, an agent resets some connections.
AT_ONCE: Final = 4
# The largest answer, in octets.
ANSWER_MAX: Final = 16 * 1024 * 1024
# Seconds for threads to end after their connections were closed.
TO_END: Final = 1.0
PORTS: Final = {"http": 8161, "https": 8162}
# Read-only requests.
_ASKING: Final = frozenset({"read", "search"})
_MISSING: Final = "javax.management.InstanceNotFoundException"


class Answered(msgspec.Struct):
    """An answer of Jolokia; for errors, the class and the text."""

    status: int = 0
    value: object = None
    error: str = ""
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class _Request:
    """A pending request."""

    run: Callable[[http.client.HTTPConnection], None]
    """Send the request over this connection, and report the outcome."""
    give_up: Callable[[BaseException], None]
    """Fail the request without sending it."""


class Jolokia:
    """An agent, at ``http://user:password@host:8161/api/jolokia``. Any thread may use it."""

    def __init__(
        self,
        url: str,
        user: str | None,
        password: str,
        context: ssl.SSLContext | None,
        call: Callable[[Callable[[], None]], None],
    ) -> None:
        """``user`` and ``password``: the log-in, unless the URL has one.

        ``call`` runs functions in the thread where futures are to be resolved; it may raise Closed. Raises ValueError
        for an invalid URL.
        """
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        if scheme not in PORTS or not parts.hostname or parts.query or parts.fragment:
            # Not the URL, which may hold a password.
            raise ValueError("jolokia is a URL like http://host:8161/api/jolokia")
        try:
            self._port = parts.port or PORTS[scheme]
        except ValueError:
            raise ValueError("the port in jolokia is 1 to 65535") from None
        self._host = parts.hostname
        self._path = parts.path.rstrip("/") or "/api/jolokia"
        self._context = (context or ssl.create_default_context()) if scheme == "https" else None
        if parts.username is not None:
            user, password = unquote(parts.username), unquote(parts.password or "")
        self._login = "" if user is None else base64.b64encode(f"{user}:{password}".encode()).decode()
        self._call = call
        self._guard = threading.Lock()
        self._is_closed = False
        self._waiting: deque[_Request] = deque()
        # The connection that each thread is using.
        self._running: dict[threading.Thread, http.client.HTTPConnection] = {}

    @property
    def where(self) -> str:
        """Host and port, for error texts."""
        return f"{self._host}:{self._port}"

    # ------------------------------------------------------------------ requests

    def search(self, pattern: str) -> Future[list[str]]:
        """The names of the beans that match a pattern."""
        return self._ask({"type": "search", "mbean": pattern}, _as_names)

    def read(self, bean: str, *attributes: str) -> Future[Mapping[str, object]]:
        """Attributes of a bean. NotFound."""
        return self._ask({"type": "read", "mbean": bean, "attribute": list(attributes)}, _as_values)

    def execute(self, bean: str, operation: str, *arguments: object) -> Future[object]:
        """An operation, with its signature: ``addQueue(java.lang.String)``. NotFound."""
        asked = {"type": "exec", "mbean": bean, "operation": operation, "arguments": list(arguments)}
        return self._ask(asked, lambda value: value)

    def close(self) -> None:
        """Cancel all requests; their futures fail with Closed."""
        with self._guard:
            self._is_closed = True
            running = dict(self._running)
            waiting = list(self._waiting)
            self._waiting.clear()
        for request in waiting:
            request.give_up(Closed("the connection was closed"))
        for connection in running.values():
            sock = connection.sock
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in running:
            if thread is not threading.current_thread():
                thread.join(TO_END)

    # ------------------------------------------------------------------ in a thread

    def _ask(self, asked: Mapping[str, object], read: Callable[[object], T]) -> Future[T]:
        future: Future[T] = Future()
        body, is_safe = msgspec.json.encode(asked), asked["type"] in _ASKING

        def run(connection: http.client.HTTPConnection) -> None:
            try:
                value = read(self._answer(connection, body, is_repeatable=is_safe))
            except BatonError as error:
                failure = error
                self._tell(lambda: future.fail(failure), future)
            else:
                self._tell(lambda: future.resolve(value), future)
            finally:
                connection.close()

        request = _Request(run, future.fail)
        with self._guard:
            if self._is_closed:
                thread = None
            elif len(self._running) >= AT_ONCE:
                self._waiting.append(request)
                return future
            else:
                connection = self._connection()
                thread = threading.Thread(
                    target=self._work, args=(request, connection), name="batonmq-jolokia", daemon=True
                )
                self._running[thread] = connection
                thread.start()
        if thread is None:
            future.fail(Closed("the connection was closed"))
        return future

    def _work(self, request: _Request, connection: http.client.HTTPConnection) -> None:
        """Make this request, then those that were waiting."""
        thread = threading.current_thread()
        while True:
            request.run(connection)
            with self._guard:
                if not self._waiting or self._is_closed:
                    del self._running[thread]
                    return
                request = self._waiting.popleft()
                connection = self._running[thread] = self._connection()

    def _connection(self) -> http.client.HTTPConnection:
        """A connection that opens on first use."""
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=PATIENCE, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)

    def _tell(self, tell: Callable[[], None], future: Future[T]) -> None:
        try:
            self._call(tell)
        except Closed as error:
            future.fail(error)

    def _answer(self, connection: http.client.HTTPConnection, body: bytes, *, is_repeatable: bool) -> object:
        """The value that is answered. Raises ConnectionLost, AccessRefused, NotFound, BrokerError, Closed.

        If ``is_repeatable``, the request is tried once more when the connection ends without an answer: an agent that
        has just started, or has many connections, drops some.
        """
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._login:
            headers["Authorization"] = f"Basic {self._login}"
        try:
            try:
                response, raw = _exchange(connection, self._path, body, headers)
            except (ConnectionResetError, BrokenPipeError):
                if not is_repeatable or self._is_closed:
                    raise
                connection.close()
                response, raw = _exchange(connection, self._path, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._is_closed:
                raise Closed("the connection was closed") from None
            raise ConnectionLost(f"cannot ask Jolokia at {self.where}: {_why(error)}") from None
        return value_in(self.where, response.status, raw)


def value_in(where: str, status: int, raw: bytes) -> object:
    """The value of an answer. Raises ConnectionLost, AccessRefused, NotFound, BrokerError."""
    if status in (401, 403):
        raise AccessRefused(f"Jolokia at {where} refuses the log-in (HTTP status {status})")
    try:
        answer = read_json_as(raw, Answered)
    except (JsonError, msgspec.ValidationError):
        raise ConnectionLost(f"what answers at {where} is no Jolokia (HTTP status {status})") from None
    if answer.status == 200:
        return answer.value
    text = f"Jolokia at {where}: {answer.error or f'status {answer.status}'}"
    if answer.status in (401, 403):
        raise AccessRefused(text)
    raise (NotFound if answer.error_type == _MISSING else BrokerError)(text)


def _exchange(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    """A request and its answer. Raises OSError, HTTPException, ValueError."""
    connection.request("POST", path, body, headers)
    with connection.getresponse() as response:
        return response, _whole(connection, response)


def _whole(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> bytes:
    """Read the whole answer within the time limit. Raises OSError, HTTPException, ValueError."""
    until = time.monotonic() + PATIENCE
    pieces = []
    size = 0
    while piece := response.read1(65536):
        pieces.append(piece)
        size += len(piece)
        if size > ANSWER_MAX:
            raise ValueError(f"its answer has more than {ANSWER_MAX} octets")
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if connection.sock is not None:
            connection.sock.settimeout(left)
    return b"".join(pieces)


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, http.client.HTTPException):
        return "what answers there is no HTTP"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or str(error) or type(error).__name__


def _as_names(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _as_values(value: object) -> Mapping[str, object]:
    return {str(name): one for name, one in value.items()} if isinstance(value, dict) else {}
