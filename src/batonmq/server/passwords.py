"""Passwords are kept as scrypt hashes (RFC 7914): `scrypt$n$r$p$salt$hash`, salt and hash in base64."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

__all__ = ["check_hash", "hash_password", "verify_password"]

# RFC 7914, section 2: costs of an interactive log-in; each check takes 128 * N * r = 16 MiB for some tens of ms.
N, R, P = 2**14, 8, 1
SALT_BYTES = 16
HASH_BYTES = 32
# The largest costs accepted from a file: 1 GiB. OpenSSL refuses more than it is allowed.
MOST_MEMORY = 1024 * 1024 * 1024


def hash_password(password: str) -> str:
    """The hash to keep. Raises ValueError when the password is empty."""
    if not password:
        raise ValueError("a password must not be empty")
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=N, r=R, p=P, maxmem=MOST_MEMORY, dklen=HASH_BYTES)
    return f"scrypt${N}${R}${P}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Is this the password whose hash is kept? Takes as long for a wrong one as for the right one."""
    n, r, p, salt, expected = _parse(stored)
    found = hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY, dklen=len(expected)
    )
    return hmac.compare_digest(found, expected)


def check_hash(stored: str) -> None:
    """Raise ValueError when this is not a hash of ours."""
    _parse(stored)


def _parse(stored: str) -> tuple[int, int, int, bytes, bytes]:
    wrong = ValueError("expected a password hash, scrypt$n$r$p$salt$hash, as `batonmq users hash` prints it")
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        raise wrong
    try:
        n, r, p = int(parts[1]), int(parts[2]), int(parts[3])
        salt, digest = base64.b64decode(parts[4], validate=True), base64.b64decode(parts[5], validate=True)
    except (ValueError, binascii.Error):
        raise wrong from None
    is_power = n > 1 and n & (n - 1) == 0
    if not is_power or r < 1 or p < 1 or p > 16 or 128 * n * r > MOST_MEMORY // 2 or not salt or len(digest) < 16:
        raise wrong
    return n, r, p, salt, digest
