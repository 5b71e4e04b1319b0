"""The outcome of a TLS handshake, in the words of RabbitMQ's listings."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import Any, Final

from batonmq.broker.model.sockets import Certificate, TlsTerms

__all__ = ["tls_terms"]

# RFC 4514, section 3, by OpenSSL's names.
SHORT_NAMES: Final = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}

# RFC 4514, section 2.4.
_SPECIAL: Final = re.compile(r'[,+"\\<>;]|^[ #]| $')

_Name = tuple[tuple[tuple[str, str], ...], ...]


def tls_terms(tls: ssl.SSLObject) -> TlsTerms:
    """The negotiated terms, and the verified peer certificate."""
    selected = tls.cipher()
    cipher, key_exchange, digest = _suite(selected[0]) if selected is not None else ("", "", "")
    return TlsTerms((tls.version() or "").lower(), cipher, key_exchange, digest, _certificate(tls.getpeercert()))


def _suite(name: str) -> tuple[str, str, str]:
    """Cipher, key exchange and hash of a cipher suite by OpenSSL's name."""
    if name.startswith("TLS_"):  # In TLS 1.3 a suite does not include the key exchange.
        return name.removeprefix("TLS_").rpartition("_")[0].lower(), "any", "aead"
    words = name.split("-")
    at = next((at for at, word in enumerate(words) if word.startswith(("AES", "CHACHA20", "ARIA", "CAMELLIA"))), 0)
    key_exchange = "_".join(words[:at]).lower() or "rsa"
    bulk = "_".join(re.sub(r"(AES|ARIA|CAMELLIA)(\d)", r"\1_\2", word) for word in words[at:]).lower()
    if bulk.startswith("chacha20"):
        return bulk, key_exchange, "aead"
    cipher, _, digest = bulk.rpartition("_")
    if "gcm" in bulk or "ccm" in bulk:
        return (cipher if "gcm" in bulk else bulk), key_exchange, "aead"
    return f"{cipher}_cbc", key_exchange, digest


def _certificate(shown: dict[str, Any] | None) -> Certificate | None:
    if not shown:
        return None
    return Certificate(
        subject=_distinguished(shown.get("subject", ())),
        issuer=_distinguished(shown.get("issuer", ())),
        validity=f"{_moment(shown.get('notBefore'))} - {_moment(shown.get('notAfter'))}",
        serial_number=str(shown.get("serialNumber", "")),
    )


def _distinguished(name: _Name) -> str:
    """A distinguished name as in RFC 4514: the last part comes first."""
    return ",".join(
        "+".join(f"{SHORT_NAMES.get(kind, kind)}={_escaped(value)}" for kind, value in part) for part in reversed(name)
    )


def _escaped(value: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found[0], value)


def _moment(text: str | None) -> str:
    if text is None:
        return ""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
