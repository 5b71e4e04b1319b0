"""An AMQP URL, as pika understands it, with what RabbitMQ's clients say of TLS and log-in in its query."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pika
from pika.credentials import ExternalCredentials

from batonmq.engines.amqp.tls import CONTEXT_NAMES, TLS_NAMES, client_context

__all__ = ["AmqpParameters", "amqp_parameters"]

MECHANISM = "auth_mechanism"
OWN_NAMES = TLS_NAMES | {MECHANISM}


class AmqpParameters(pika.URLParameters):  # type: ignore[misc]  # pika's types count for nothing here
    """Where to connect, and how; and what to tell the user of it.

    ``trusted``: whose signature the broker's certificate needs, in words. ``client_certificate``: what the broker is
    shown, in words; None for nothing.
    """

    # Of pika, which checks what is put there.
    credentials: Any
    ssl_options: Any

    def __init__(self, url: str, own: dict[str, str], context: ssl.SSLContext | None) -> None:
        """``own``: what the query says in words that pika does not know. Raises ValueError, UnusableTls."""
        super().__init__(url)
        self.trusted = "the CAs that the system trusts"
        self.client_certificate: str | None = None
        if url[:6].lower() == "amqps:":
            self._set_tls(own, context, is_piecewise="ssl_options" not in urlsplit(url).query)
        elif context is not None:
            raise ValueError("an SSLContext needs amqps://, not amqp://")
        elif needless := sorted(TLS_NAMES & own.keys()):
            raise ValueError(f"{needless[0]} needs amqps://, not amqp://")
        if own.get(MECHANISM, "plain").lower() == "external":
            self._set_external()

    @property
    def is_external(self) -> bool:
        """Does the client certificate say who logs in?"""
        return isinstance(self.credentials, ExternalCredentials)

    @property
    def login(self) -> str:
        """Who logs in, in words."""
        return "the user of the client certificate" if self.is_external else f"user {self.credentials.username!r}"

    def _set_external(self) -> None:
        if self.client_certificate is None:
            raise ValueError("auth_mechanism=external needs amqps:// and a client certificate: certfile")
        self.credentials = ExternalCredentials()

    def _set_tls(self, own: dict[str, str], context: ssl.SSLContext | None, *, is_piecewise: bool) -> None:
        asked = sorted(CONTEXT_NAMES & own.keys())
        name = own.get("server_name_indication", self.host)
        if not name:
            raise ValueError("server_name_indication names no host")
        if context is not None:
            if asked or not is_piecewise:
                raise ValueError(f"{asked[0] if asked else 'ssl_options'} and an SSLContext: give one of both")
            self.trusted = "the CAs of the SSLContext"
            # It does not tell whether it has one.
            self.client_certificate = "that of the SSLContext"
        elif not is_piecewise:
            # In pika's own way: a dictionary.
            if asked:
                raise ValueError(f"{asked[0]} and ssl_options in one URL: give one of both")
            context = self.ssl_options.context
            name = own.get("server_name_indication") or self.ssl_options.server_hostname or name
            self.trusted = "the CAs of ssl_options"
            self.client_certificate = "that of ssl_options"
        else:
            context = client_context(own)
            if "cacertfile" in own:
                self.trusted = f"the CAs in {own['cacertfile']!r}"
            if "certfile" in own:
                self.client_certificate = repr(own["certfile"])
        self.ssl_options = pika.SSLOptions(context, name)


def amqp_parameters(url: str, context: ssl.SSLContext | None = None) -> AmqpParameters:
    """Where to connect, and how. ``context`` is used for TLS instead of what the URL asks for.

    Raises ValueError for a URL that cannot be read, and UnusableTls for files that are of no use.
    """
    try:
        url.encode()
        return AmqpParameters(*_split(url), context)
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None


def _split(url: str) -> tuple[str, dict[str, str]]:
    """The URL with what pika reads of its query, and the rest of the query. Raises ValueError."""
    parts = urlsplit(url)
    theirs: list[str] = []
    own: dict[str, str] = {}
    for piece in parts.query.split("&"):
        for name, value in parse_qsl(piece, keep_blank_values=True):
            if name not in OWN_NAMES:
                theirs.append(piece)
            elif name in own:
                raise ValueError(f"{name} stands there twice")
            else:
                own[name] = value
    if (mechanism := own.get(MECHANISM, "plain")).lower() not in ("plain", "external"):
        raise ValueError(f"auth_mechanism is plain or external, not {mechanism!r}")
    return (parts._replace(query="&".join(theirs)).geturl() if own else url), own
