"""Passwords are kept as scrypt hashes (RFC 7914): `scrypt$n$r$p$salt$hash`, salt and hash in base64.

Hashes of users imported from RabbitMQ are kept unchanged, after RabbitMQ's name for their algorithm:
`rabbit_password_hashing_sha256$...`, in base64 four octets of salt and the digest of salt and password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

__all__ = [
    "SCRYPT",
    "check_hash",
    "hash_password",
    "imported_hash",
    "named_hash",
    "unfitting_hash",
    "verify_password",
]

# RFC 7914, section 2: costs of an interactive log-in; each check takes 128 * N * r = 16 MiB for some tens of ms.
N, R, P = 2**14, 8, 1
SALT_BYTES = 16
# The prefix of our hashes.
MARK = "scrypt"
HASH_BYTES = 32
# The largest costs accepted from a file: 1 GiB. OpenSSL refuses more than it is allowed.
MOST_MEMORY = 1024 * 1024 * 1024

SCRYPT = "batonmq_scrypt"
"""Our own algorithm, where RabbitMQ has the name of one."""

# RabbitMQ's names, their algorithms, and the octets of their digests.
RABBITMQ = {
    "rabbit_password_hashing_sha256": ("sha256", 32),
    "rabbit_password_hashing_sha512": ("sha512", 64),
    "rabbit_password_hashing_md5": ("md5", 16),
}
RABBITMQ_SALT_BYTES = 4


def hash_password(password: str) -> str:
    """The hash to keep. Raises ValueError when the password is empty."""
    if not password:
        raise ValueError("a password must not be empty")
    salt = secrets.token_bytes(SALT_BYTES)
    return _written(
        salt, hashlib.scrypt(password.encode(), salt=salt, n=N, r=R, p=P, maxmem=MOST_MEMORY, dklen=HASH_BYTES)
    )


def unfitting_hash() -> str:
    """A hash that practically no password matches; checking against it takes as long as any other check.

    It is made quickly, as its digest is random.
    """
    return _written(secrets.token_bytes(SALT_BYTES), secrets.token_bytes(HASH_BYTES))


def _written(salt: bytes, digest: bytes) -> str:
    return f"scrypt${N}${R}${P}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Is this the password whose hash is kept?

    A wrong password takes as long as the right one, and RabbitMQ's hashes take as long as ours, so that timing does not
    reveal which users exist.
    """
    algorithm, _, encoded = stored.partition("$")
    octets = password.encode("utf-8", "surrogatepass")
    if algorithm in RABBITMQ:
        salt, expected = _parse_imported(algorithm, encoded)
        found = hashlib.new(RABBITMQ[algorithm][0], salt + octets, usedforsecurity=False).digest()
        hashlib.scrypt(octets, salt=salt, n=N, r=R, p=P, maxmem=MOST_MEMORY, dklen=HASH_BYTES)
        # RabbitMQ refuses empty passwords, whatever the hash.
        return bool(password) and hmac.compare_digest(found, expected)
    n, r, p, salt, expected = _parse(stored)
    found = hashlib.scrypt(octets, salt=salt, n=n, r=r, p=p, maxmem=MOST_MEMORY, dklen=len(expected))
    return hmac.compare_digest(found, expected)


def check_hash(stored: str) -> None:
    """Raise ValueError when this is not a hash of ours, or of RabbitMQ's behind the name of its algorithm."""
    algorithm, _, encoded = stored.partition("$")
    if algorithm in RABBITMQ:
        _parse_imported(algorithm, encoded)
    else:
        _parse(stored)


def imported_hash(encoded: str, algorithm: str = "") -> str:
    """The hash to keep for one exported by RabbitMQ or BatonMQ; "": no password is right.

    `algorithm` is RabbitMQ's name for it, or SCRYPT; without one it is recognized by its form. Raises ValueError.
    """
    if not encoded:
        return ""
    if algorithm in ("", SCRYPT) and (ours := _ours(encoded)) is not None:
        return ours
    if algorithm == SCRYPT:
        raise ValueError("expected a password hash of BatonMQ, as it is or in base64")
    if algorithm and algorithm not in RABBITMQ:
        raise ValueError(f"{algorithm} is no hashing algorithm; there are {', '.join((*RABBITMQ, SCRYPT))}")
    for name in (algorithm,) if algorithm else RABBITMQ:
        try:
            _parse_imported(name, encoded)
        except ValueError:
            continue
        return f"{name}${encoded}"
    raise ValueError(
        "expected a password hash as RabbitMQ exports it: in base64 four octets of salt and the digest"
        + (f" of {algorithm}" if algorithm else "")
    )


def named_hash(stored: str) -> tuple[str, str]:
    """A kept hash in RabbitMQ's form, and the name of its algorithm: the reverse of `imported_hash`."""
    algorithm, _, encoded = stored.partition("$")
    if algorithm in RABBITMQ:
        return encoded, algorithm
    if not stored:
        return "", "rabbit_password_hashing_sha256"
    # RabbitMQ rejects definitions with a hash that is not base64, whatever its algorithm.
    return base64.b64encode(stored.encode()).decode(), SCRYPT


def _ours(encoded: str) -> str | None:
    """A hash of ours, plain or in base64; None: it is another kind. Raises ValueError when it is damaged."""
    stored = encoded
    if not encoded.startswith(f"{MARK}$"):
        try:
            stored = base64.b64decode(encoded, validate=True).decode("ascii")
        except (ValueError, binascii.Error):
            return None
    if not stored.startswith(f"{MARK}$"):
        return None
    _parse(stored)
    return stored


def _parse_imported(algorithm: str, encoded: str) -> tuple[bytes, bytes]:
    """The salt and the digest of a hash of RabbitMQ's. Raises ValueError."""
    try:
        octets = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("a password hash of RabbitMQ's is in base64") from None
    if len(octets) != RABBITMQ_SALT_BYTES + RABBITMQ[algorithm][1]:
        raise ValueError(f"a hash of {algorithm} has {RABBITMQ_SALT_BYTES + RABBITMQ[algorithm][1]} octets")
    return octets[:RABBITMQ_SALT_BYTES], octets[RABBITMQ_SALT_BYTES:]


def _no_hash() -> ValueError:
    # Made anew for each: an error in a variable of whoever raises it is in a circle with its own traceback.
    return ValueError("expected a password hash, scrypt$n$r$p$salt$hash, as `batonmq users hash` prints it")


def _parse(stored: str) -> tuple[int, int, int, bytes, bytes]:
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        raise _no_hash()
    try:
        n, r, p = int(parts[1]), int(parts[2]), int(parts[3])
        salt, digest = base64.b64decode(parts[4], validate=True), base64.b64decode(parts[5], validate=True)
    except (ValueError, binascii.Error):
        raise _no_hash() from None
    is_power = n > 1 and n & (n - 1) == 0
    if not is_power or r < 1 or p < 1 or p > 16 or 128 * n * r > MOST_MEMORY // 2 or not salt or len(digest) < 16:
        raise _no_hash()
    return n, r, p, salt, digest
