"""What TLS has come to, in the words of RabbitMQ's listings: seen there with the same certificates and ciphers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pika
import pytest
from tests.support.certificates import Certificates
from tests.support.managed import ManagedServer, a_config

from batonmq.server.tls_terms import _certificate, _suite


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TLS_AES_256_GCM_SHA384", ("aes_256_gcm", "any", "aead")),
        ("TLS_CHACHA20_POLY1305_SHA256", ("chacha20_poly1305", "any", "aead")),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", ("aes_128_gcm", "ecdhe_ecdsa", "aead")),
        ("ECDHE-ECDSA-AES256-SHA384", ("aes_256_cbc", "ecdhe_ecdsa", "sha384")),
        ("ECDHE-RSA-CHACHA20-POLY1305", ("chacha20_poly1305", "ecdhe_rsa", "aead")),
        ("DHE-RSA-AES256-CCM", ("aes_256_ccm", "dhe_rsa", "aead")),
        ("AES256-SHA", ("aes_256_cbc", "rsa", "sha")),
        ("AES128-GCM-SHA256", ("aes_128_gcm", "rsa", "aead")),
    ],
)
def test_a_cipher_suite_is_told_in_three_words(name: str, expected: tuple[str, str, str]) -> None:
    assert _suite(name) == expected


def test_names_in_a_certificate_are_written_by_rfc_4514() -> None:
    found = _certificate(
        {
            "subject": (
                (("countryName", "GB"),),
                (("organizationName", "Org; x"),),
                (("commonName", "#ann, the 1st "),),
            ),
            "issuer": ((("organizationalUnitName", 'a "unit"'), ("emailAddress", "a+b@example.org")),),
            "notBefore": "Nov 29 11:00:00 2026 GMT",
            "notAfter": "Jan  1 00:00:00 2036 GMT",
            "serialNumber": "0A1B",
        }
    )
    assert found is not None
    assert found.subject == "CN=\\#ann\\, the 1st\\ ,O=Org\\; x,C=GB"
    assert found.issuer == 'OU=a \\"unit\\"+emailAddress=a\\+b@example.org'
    assert found.validity == "2026-11-29T11:00:00Z - 2036-01-01T00:00:00Z"
    assert found.serial_number == "0A1B"


def test_who_shows_no_certificate_has_none() -> None:
    assert _certificate(None) is None
    assert _certificate({}) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, made: Certificates) -> Iterator[ManagedServer]:
    tls = made.asking()
    with ManagedServer(tmp_path_factory.mktemp("secure"), a_config(tls=tls)) as server:
        yield server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("is_shown", [True, False])
def test_listings_show_what_was_agreed_on_and_whose_certificate_was_verified(
    secure: ManagedServer, made: Certificates, version: ssl.TLSVersion, *, is_shown: bool
) -> None:
    client = made.client_file("till.example", common_name="till 4") if is_shown else None
    context = made.context(client)
    context.minimum_version = context.maximum_version = version
    options = pika.SSLOptions(context, "localhost")
    connection = pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", secure.ports["amqps"], ssl_options=options, socket_timeout=30)
    )
    try:
        (row,) = secure.http().get("/api/connections")
    finally:
        connection.close()
    assert (row["ssl"], row["ssl_protocol"]) == (True, "tlsv1.2" if version == ssl.TLSVersion.TLSv1_2 else "tlsv1.3")
    assert row["ssl_cipher"].startswith(("aes_", "chacha20"))
    assert row["ssl_key_exchange"] == ("any" if row["ssl_protocol"] == "tlsv1.3" else "ecdhe_ecdsa")
    assert row["ssl_hash"] == "aead"
    if is_shown:
        assert row["peer_cert_subject"].startswith("CN=till 4")
        assert row["peer_cert_validity"] == "2000-01-01T00:00:00Z - 3000-01-01T00:00:00Z"
        assert "O=trustme v" in row["peer_cert_issuer"]
        assert int(row["peer_cert_serial_number"], 16)
    else:
        assert row["peer_cert_subject"] is row["peer_cert_serial_number"] is None
