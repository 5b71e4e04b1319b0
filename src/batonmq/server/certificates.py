"""The user that a client certificate names, as shown in the TLS handshake."""

from __future__ import annotations

import ssl
from typing import Any, Final

__all__ = ["LOGIN_FROM", "certificate_name"]

LOGIN_FROM: Final = ("common_name", "dns_name")
"""The parts of a certificate that may name the user."""


def certificate_name(tls: ssl.SSLObject, login_from: str) -> str:
    """The name in the client's certificate, if it was verified and has exactly one of that kind; otherwise empty.

    ``login_from`` is one of `LOGIN_FROM`.
    """
    certificate = tls.getpeercert()
    if not certificate:  # No certificate was shown, or requested.
        return ""
    names = _common_names(certificate) if login_from == "common_name" else _dns_names(certificate)
    return names[0] if len(names) == 1 else ""


def _common_names(certificate: dict[str, Any]) -> list[str]:
    parts = [part for relative in certificate.get("subject", ()) for part in relative]
    return [value for kind, value in parts if kind == "commonName"]


def _dns_names(certificate: dict[str, Any]) -> list[str]:
    return [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
