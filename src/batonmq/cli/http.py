"""Requests to the HTTP API of the broker that a command's URL names."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import click

from batonmq.cli.client import PATIENCE, connect
from batonmq.cli.failure import Failure
from batonmq.cli.options import chosen_url, without_password
from batonmq.engines.tls import UnusableTls, client_context
from batonmq.json_text import JsonError, read_json

__all__ = ["HttpApi"]

GUEST = "guest"
NOT_THE_API = "does not answer as the HTTP API does: is it the port of management, 15672 or, with TLS, 15671?"


class HttpApi:
    """The HTTP API of a broker, as the user of the URL."""

    def __init__(self, context: click.Context, url: str | None = None) -> None:
        """The URL is an http or https one; or an AMQP URL, whose broker is asked where it listens for HTTP.

        ``url``: used instead of the command's.
        """
        url = url or chosen_url(context)
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        base, tls = url, parts.scheme in ("https", "amqps")
        if parts.scheme in ("amqp", "amqps"):
            base = self._beside(context, parts.hostname or "", prefers_tls=tls)
        elif parts.scheme not in ("http", "https"):
            raise Failure("--url: this is asked of a running broker: expected amqp://... or http://...", 2)
        where = urlsplit(base)
        host = f"[{where.hostname}]" if ":" in (where.hostname or "") else where.hostname
        self._root = f"{where.scheme}://{host}:{where.port or (15671 if where.scheme == 'https' else 15672)}"
        self._root += where.path.rstrip("/")
        user, password = unquote(parts.username or GUEST), unquote(parts.password or GUEST)
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        try:
            self._tls: ssl.SSLContext | None = client_context(options) if where.scheme == "https" else None
        except UnusableTls as error:
            raise Failure(f"--url: {error}", 2) from None
        except ValueError as error:
            raise Failure(f"--url: {without_password(url)!r} cannot be read: {error}", 2) from None

    @staticmethod
    def _beside(context: click.Context, host: str, *, prefers_tls: bool) -> str:
        """Where the broker at an AMQP URL listens for HTTP. It is looked for on the host of that URL."""
        with connect(context) as client:
            addresses = client.ask("broker.status").get("addresses")
        if not isinstance(addresses, list):
            raise Failure("the broker tells its addresses to administrators alone; --url http://... names the HTTP API")
        found = {urlsplit(str(one)).scheme: urlsplit(str(one)) for one in reversed(addresses)}
        wanted = found.get("https" if prefers_tls else "http") or found.get("https") or found.get("http")
        if wanted is None:
            raise Failure("the broker does not listen for HTTP, through which this goes: see [management]")
        shown = f"[{host}]" if ":" in host else host
        return f"{wanted.scheme}://{shown}:{wanted.port}{wanted.path}"

    def get(self, path: str) -> Any:  # noqa: ANN401  (JSON)
        """GET a path: its JSON. Failure when there is nothing, or the user may not see it."""
        return self._read(self._ask("GET", path, None))

    def post(self, path: str, value: object) -> Any:  # noqa: ANN401  (JSON)
        """POST a value as JSON. Returns the answer, None for an empty one. Failure when it is refused."""
        answer = self._ask("POST", path, json.dumps(value).encode())
        return self._read(answer) if answer else None

    def put(self, path: str, value: object) -> None:
        """PUT a value. Failure when it is refused."""
        self._ask("PUT", path, json.dumps(value).encode())

    @staticmethod
    def quoted(name: str) -> str:
        """A name, escaped for a path."""
        return quote(name, safe="")

    def _read(self, answer: bytes) -> Any:  # noqa: ANN401  (JSON)
        try:
            return read_json(answer)
        except JsonError:
            raise Failure(f"{self._root} {NOT_THE_API}") from None

    def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        request = urllib.request.Request(self._root + path, data=body, headers=headers, method=method)  # noqa: S310
        try:
            # No proxy, whatever the environment says: credentials go to the broker only.
            handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
            if self._tls is not None:
                handlers.append(urllib.request.HTTPSHandler(context=self._tls))
            opener = urllib.request.build_opener(*handlers)
            with opener.open(request, timeout=6 * PATIENCE) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise Failure(_said(error)) from None
        except http.client.HTTPException:
            raise Failure(f"{self._root} {NOT_THE_API}") from None
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise Failure(f"cannot ask {self._root}: {getattr(reason, 'strerror', None) or reason}") from None


def _said(error: urllib.error.HTTPError) -> str:
    """The reason that the API gives."""
    if error.code == 401:
        return "the broker refused to log in the user of --url, or the user lacks the tag administrator"
    try:
        reason = read_json(error.read()).get("reason")
    except (JsonError, AttributeError, OSError, http.client.HTTPException):
        reason = None
    return str(reason or f"the broker answered {error.code} {error.reason}")
