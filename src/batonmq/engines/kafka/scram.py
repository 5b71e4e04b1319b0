"""SCRAM (RFC 5802) as in Kafka: the client's side, without channel binding."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from batonmq.errors import AccessRefused

__all__ = ["Scram"]

HASHES: Final = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
# The limit that RFC 5802 advises, against a broker that makes us compute for ever.
ITERATIONS_MAX: Final = 1_000_000
DIGITS_MAX: Final = len(str(ITERATIONS_MAX))


class Scram:
    """One log-in: ``first``, ``final``, ``check``, in this order. They raise AccessRefused for invalid messages."""

    def __init__(self, mechanism: str, user: str, password: str, nonce: str | None = None) -> None:
        self._hash = HASHES[mechanism]
        self._password = password.encode()
        self._nonce = nonce or secrets.token_urlsafe(24)
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        """The client's first message (section 7)."""
        return f"n,,{self._bare}".encode()

    def final(self, answer: bytes) -> bytes:
        """The client's last message, to what the broker answered to the first."""
        said = _attributes(answer)
        nonce, salt, count = said.get("r", ""), said.get("s", ""), said.get("i", "")
        is_number = count.isascii() and count.isdigit() and len(count) <= DIGITS_MAX
        if not nonce.startswith(self._nonce) or not is_number or not 0 < int(count) <= ITERATIONS_MAX:
            raise AccessRefused("the broker's answer to the log-in is not SCRAM")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, _decoded(salt), int(count))
        bare = f"c=biws,r={nonce}"
        signed = f"{self._bare},{answer.decode()},{bare}".encode()
        key = self._hmac(salted, b"Client Key")
        mask = self._hmac(hashlib.new(self._hash, key).digest(), signed)
        proof = bytes(one ^ other for one, other in zip(key, mask, strict=True))
        self._signature = self._hmac(self._hmac(salted, b"Server Key"), signed)
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def check(self, answer: bytes) -> None:
        """Verify that the broker knows the password, too."""
        shown = _attributes(answer).get("v", "")
        if not hmac.compare_digest(_decoded(shown), self._signature):
            raise AccessRefused("the broker does not know the password that it asks for")

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, self._hash)


def _attributes(answer: bytes) -> dict[str, str]:
    try:
        pairs = [part.partition("=") for part in answer.decode().split(",")]
    except UnicodeDecodeError:
        raise AccessRefused("the broker's answer to the log-in is not SCRAM") from None
    return {name: value for name, _, value in pairs}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise AccessRefused("the broker's answer to the log-in is not SCRAM") from None
