"""Why a TLS handshake failed, in words for the log."""

from __future__ import annotations

import ssl

__all__ = ["CLIENT_SPEAKS_TLS", "NO_TLS_HERE", "WENT_AWAY", "begins_tls", "handshake_failure"]

CLIENT_SPEAKS_TLS = "the client speaks TLS, which this port does not"
WENT_AWAY = "the client went away"

# A fatal alert, protocol_version (RFC 8446, section 6): TLS clients show a meaningful error for it.
NO_TLS_HERE = bytes.fromhex("15 0301 0002 02 46")

# A record of the kind handshake (RFC 8446, section 5.1), which begins no other protocol here.
_HANDSHAKE_RECORD = b"\x16"

_NO_TLS = "the client does not speak TLS, which this port asks for"

_WORDS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "HTTPS_PROXY_REQUEST": _NO_TLS,
    "UNKNOWN_PROTOCOL": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": "the client asks for a version of TLS that is too old",
    "NO_SHARED_CIPHER": "the client and the broker have no cipher in common",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the client shows no certificate, which is required",
}

_ALERT = "_ALERT_"


def begins_tls(head: bytes) -> bool:
    """Are these the first bytes of a TLS client?"""
    return head.startswith(_HANDSHAKE_RECORD)


def handshake_failure(error: OSError) -> str:
    """The cause in words, from the error that the handshake raised."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate is refused: {error.verify_message}"
    if isinstance(error, ConnectionAbortedError):  # so the loop says it
        return "it took too long"
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return WENT_AWAY
    reason = error.reason or ""
    words = _WORDS.get(reason)
    if words is not None:
        return words
    _, alert, told = reason.partition(_ALERT)
    if alert:
        return f"the client refuses: {told.replace('_', ' ').lower()}"
    return reason.replace("_", " ").lower() or "no reason is known"
