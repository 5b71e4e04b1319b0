"""A certificate authority for tests, and the certificates that it signs."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Issued"]

# RFC 5280, appendix A.1: ub-common-name.
LONGEST_COMMON_NAME = 64
# Clocks differ: a certificate is valid from a little before its creation.
EARLIER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A CA whose key is in memory only, unless the caller writes ``own`` to disk: elliptic curve P-256, SHA-256."""

    def __init__(self, name: str, days: float, *, now: datetime | None = None) -> None:
        """``days``: how long the CA's certificate, and all that it signs, are valid; ``now``: since when."""
        self._begin = (now or datetime.now(UTC)) - EARLIER
        self._end = self._begin + EARLIER + timedelta(days=days)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _common_name(name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(identifier, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(is_ca=True), critical=True)
            .sign(self._key, SHA256())
        )
        self.own = Issued(certificate.public_bytes(Encoding.PEM), _pem(self._key, NoEncryption()))

    def server(self, names: Sequence[str]) -> Issued:
        """A certificate for a broker with these DNS names and addresses. Raises ValueError for one that is neither."""
        # A name too long for this field is among the alternative names, where all clients look.
        subject = names[0] if len(names[0]) <= LONGEST_COMMON_NAME else "BatonMQ"
        return self._issue(subject, [_alternative(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH, None)

    def client(self, user: str, passphrase: str | None = None) -> Issued:
        """A certificate whose common name is the user's, of 1 to 64 characters. Raises ValueError."""
        return self._issue(user, [], ExtendedKeyUsageOID.CLIENT_AUTH, passphrase)

    def _issue(
        self, name: str, alternatives: list[x509.GeneralName], usage: x509.ObjectIdentifier, passphrase: str | None
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(_common_name(name), key)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(self._identifier, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(is_ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self._key, SHA256())
        how = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
        return Issued(certificate.public_bytes(Encoding.PEM), _pem(key, how))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._begin)
            .not_valid_after(self._end)
        )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem
