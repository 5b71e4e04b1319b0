"""The URLs of a shovel's two ends: checks them, and hides their credentials."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from batonmq.engines.urls import check_octets

__all__ = ["LOCAL", "fault_of", "is_local", "vhost_of", "without_credentials"]

LOCAL: Final = ("amqp", "amqps")
# A shovel of the server may connect to brokers, but to no file on the server's machine.
SCHEMES: Final = frozenset(
    {
        *LOCAL,
        *("amqp10", "amqp10s", "artemis", "artemiss", "activemq", "activemqs"),
        *("kafka", "kafka+ssl", "kafka+sasl", "kafka+sasl+ssl"),
    }
)
# Parameters of the query that RabbitMQ's clients take as whole numbers.
NUMBERS: Final = ("heartbeat", "connection_timeout", "channel_max", "frame_max", "idle_time_out", "verify_depth")
# A user and a password before the host.
_CREDENTIALS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)[^/?#\s]*@")
_SECRET: Final = re.compile(r"([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&#]*", re.IGNORECASE)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})(.{0,2})")


def without_credentials(url: str) -> str:
    """The URL without user and password, as in RabbitMQ, for everyone who may see the shovel."""
    return _SECRET.sub(r"\1***", _CREDENTIALS.sub(r"\1", url))


def is_local(url: str) -> bool:
    """Does the URL mean the broker that the shovel runs in? An AMQP URL without a host does."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL and not parts.hostname


def vhost_of(url: str) -> str | None:
    """The virtual host that an AMQP URL names; None: it names none."""
    path = urlsplit(url).path
    return unquote(path[1:]) if len(path) > 1 else None


def fault_of(url: str) -> str | None:
    """The fault in a URL, in RabbitMQ's terms; None: it is valid.

    Beside RabbitMQ's schemes, amqp and amqps, those of other brokers are accepted; a file is not.
    """
    scheme, mark, _ = url.partition("://")
    if not mark:
        return "{unable_to_parse_uri,no_scheme}"
    if scheme.lower() not in SCHEMES:
        return f'{{unexpected_uri_scheme,"{scheme[:64]}"}}'
    if broken := _BAD_ESCAPE.search(url):
        return f'{{invalid_entity,"%{broken.group(1)}"}}'
    try:
        check_octets(url)
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        digits = host.rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
        if digits.isascii() and digits.isdigit() and not 0 < int(digits) < 1 << 16:
            return f"{{port_out_of_range,{digits[:20]}}}"
        if digits and parts.port is None:
            return "{unable_to_parse_uri,malformed_uri}"
    except ValueError:
        return "{unable_to_parse_uri,malformed_uri}"
    if scheme.lower() in LOCAL and "/" in parts.path[1:]:
        return f'{{invalid_vhost,"{parts.path[1:][:255]}"}}'
    for name, value in parse_qsl(parts.query):
        if name in NUMBERS and not (value.isascii() and value.isdigit()):
            return f'{{invalid_amqp_params_parameter,{name},"{value[:64]}",{{not_an_integer,"{value[:64]}"}}}}'
    return None
