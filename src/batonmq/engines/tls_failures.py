"""Why TLS to a broker failed, and what to do about it."""

from __future__ import annotations

import ssl

from batonmq.engines.tls import TlsTerms

__all__ = ["closed_by_tls", "tls_failure"]

# Of OpenSSL's x509_vfy.h.
NOT_YET_VALID, EXPIRED = 9, 10
UNKNOWN_CA = frozenset({2, 18, 19, 20, 21})
OTHER_NAME = frozenset({62, 64})

# OpenSSL's reasons when the peer answers in another protocol, or in none.
NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})
# The alerts of RFC 8446, section 6.2, as OpenSSL names them: of a missing certificate, and of one that is refused.
MISSING = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"})
REFUSED = {
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust its CA",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it is damaged",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it is not one for clients",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it is revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not take it",
    "TLSV1_ALERT_ACCESS_DENIED": "it does not take it",
}
NO_VERSION = frozenset({"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE"})


def tls_failure(error: ssl.SSLError, terms: TlsTerms) -> str:
    """The meaning of OpenSSL's error here."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, terms)
    reason = str(error.reason)
    if reason in NO_TLS:
        return (
            f"what listens there does not speak TLS, as {terms.scheme}:// has it; "
            f"without TLS the URL begins with {terms.plain_scheme}://"
        )
    if reason in MISSING and terms.client_certificate is None:
        return f"it {NEEDED}"
    if reason in REFUSED and terms.client_certificate is not None:
        return f"the broker refuses the client certificate {terms.client_certificate}: {REFUSED[reason]}"
    if reason in NO_VERSION:
        # A port without TLS may lead to this error, too.
        return (
            "what listens there does not speak TLS, or no version of it that this client does; "
            f"without TLS the URL begins with {terms.plain_scheme}://"
        )
    if isinstance(error, ssl.SSLEOFError):
        return closed_by_tls(terms)
    return f"TLS failed: {error.reason or error}"


NEEDED = "wants a client certificate: give certfile and keyfile in the URL"


def closed_by_tls(terms: TlsTerms) -> str:
    """Why a connection may be closed without a word as soon as the handshake is over, or during it."""
    if terms.client_certificate is None:
        return f"TLS failed: the broker closed the connection; perhaps it {NEEDED}"
    return (
        "TLS failed: the broker closed the connection; perhaps it does not trust the client certificate "
        f"{terms.client_certificate}"
    )


def _untrusted(error: ssl.SSLCertVerificationError, terms: TlsTerms) -> str:
    code = error.verify_code
    if code in OTHER_NAME:
        name = terms.server_hostname
        return (
            f"its certificate is not for {name!r}: connect to a name that it has, "
            "or give that name as server_name_indication in the URL"
        )
    if code in UNKNOWN_CA:
        return (
            f"its certificate cannot be trusted, for none of {terms.trusted} signed it: "
            f"give the CA's certificate as cacertfile in the URL ({error.verify_message})"
        )
    if code == EXPIRED:
        return "its certificate has expired: the broker needs a new one, or this machine's clock is wrong"
    if code == NOT_YET_VALID:
        return "its certificate is not valid yet: this machine's clock, or that of its CA, is wrong"
    return f"its certificate cannot be trusted: {error.verify_message}"
