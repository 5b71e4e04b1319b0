"""The end of a certificate's validity, read from its DER (RFC 5280, section 4.1) without a library."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["expires_at", "not_after"]

BEGIN = "-----BEGIN CERTIFICATE-----"
END = "-----END CERTIFICATE-----"

SEQUENCE, UTC_TIME, GENERALIZED_TIME, VERSION = 0x30, 0x17, 0x18, 0xA0


def expires_at(file: Path) -> datetime:
    """When the first certificate of a PEM file, which is the server's own, ends. Raises OSError, ValueError."""
    text = file.read_text(encoding="ascii", errors="replace")
    start = text.find(BEGIN)
    end = text.find(END, start)
    if start < 0 or end < 0:
        raise ValueError(f"{file}: there is no certificate in it (PEM)")
    return not_after(ssl.PEM_cert_to_DER_cert(text[start : end + len(END)]))


def not_after(der: bytes) -> datetime:
    """When a certificate ends. Raises ValueError for anything else."""
    try:
        certificate, _ = _inside(der, 0, SEQUENCE)
        at, _ = _inside(der, certificate, SEQUENCE)
        if der[at] == VERSION:
            at = _behind(der, at)
        # The serial number, the algorithm and the issuer stand before the validity.
        for _ in range(3):
            at = _behind(der, at)
        not_before, _ = _inside(der, at, SEQUENCE)
        at = _behind(der, not_before)
        kind = der[at]
        start, stop = _inside(der, at, kind)
        text = der[start:stop].decode("ascii")
    except (IndexError, UnicodeDecodeError):
        raise ValueError("not a certificate: it is truncated") from None
    if kind == UTC_TIME:
        # Two digits for the year: 1950 to 2049 (section 4.1.2.5.1).
        text = ("19" if text[:2] >= "50" else "20") + text
    elif kind != GENERALIZED_TIME:
        raise ValueError("not a certificate: it does not say until when it is good")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _inside(der: bytes, at: int, kind: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` begins and ends."""
    if der[at] != kind:
        raise ValueError("not a certificate")
    size = der[at + 1]
    start = at + 2
    if size & 0x80:
        octets = size & 0x7F
        size = int.from_bytes(der[start : start + octets], "big")
        start += octets
    return start, start + size


def _behind(der: bytes, at: int) -> int:
    return _inside(der, at, der[at])[1]
