"""An AMQP URL as pika understands it, with the TLS and log-in parameters of RabbitMQ's clients."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pika
from pika.credentials import ExternalCredentials

from batonmq.engines.tls import CONTEXT_NAMES, TLS_NAMES, TlsTerms, tls_terms

__all__ = ["AmqpParameters", "amqp_parameters"]

MECHANISM = "auth_mechanism"
OWN_NAMES = TLS_NAMES | {MECHANISM}


class AmqpParameters(pika.URLParameters):  # type: ignore[misc]  # pika's types count for nothing here
    """Where and how to connect, and how to describe it to the user."""

    # pika's parameters; pika checks the values.
    credentials: Any
    ssl_options: Any

    def __init__(self, url: str, own: dict[str, str], context: ssl.SSLContext | None) -> None:
        """``own``: the parameters of the query that pika does not know. Raises ValueError, UnusableTls."""
        super().__init__(url)
        self.tls: TlsTerms | None = None
        """None: without TLS."""
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
        """Does the client certificate determine who logs in?"""
        return isinstance(self.credentials, ExternalCredentials)

    @property
    def login(self) -> str:
        """The user who logs in, for messages."""
        return "the user of the client certificate" if self.is_external else f"user {self.credentials.username!r}"

    def _set_external(self) -> None:
        if self.tls is None or self.tls.client_certificate is None:
            raise ValueError("auth_mechanism=external needs amqps:// and a client certificate: certfile")
        self.credentials = ExternalCredentials()

    def _set_tls(self, own: dict[str, str], context: ssl.SSLContext | None, *, is_piecewise: bool) -> None:
        if is_piecewise:
            tls = tls_terms(own, self.host, context)
        elif context is not None:
            raise ValueError("ssl_options and an SSLContext: give one of both")
        else:
            # As pika's own parser does: from a dictionary.
            if asked := sorted(CONTEXT_NAMES & own.keys()):
                raise ValueError(f"{asked[0]} and ssl_options in one URL: give one of both")
            if own.get("server_name_indication") == "":
                raise ValueError("server_name_indication names no host")
            theirs = self.ssl_options
            name = own.get("server_name_indication") or theirs.server_hostname or self.host
            tls = TlsTerms(theirs.context, name, "the CAs of ssl_options", "that of ssl_options")
        self.tls = tls
        self.ssl_options = pika.SSLOptions(tls.context, tls.server_hostname)


def amqp_parameters(url: str, context: ssl.SSLContext | None = None) -> AmqpParameters:
    """Where to connect, and how.

    ``context`` is used for TLS; the URL must then name no certificates. Raises ValueError for a URL that cannot be
    read, and UnusableTls for unusable files.
    """
    try:
        url.encode()
        return AmqpParameters(*_split(url), context)
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None
    except (TypeError, KeyError) as error:
        raise ValueError(str(error)) from None


def _split(url: str) -> tuple[str, dict[str, str]]:
    """The URL with the parameters that pika reads, and the rest of the query. Raises ValueError."""
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
