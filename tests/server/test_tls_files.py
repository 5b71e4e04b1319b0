"""What TLS needs from files: one clear line when it is wrong, and read again when it changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trustme
from tests.support.certificates import Certificates

from batonmq.server.config import Config, TlsConfig
from batonmq.server.config_file import parse_config
from batonmq.server.failures import ConfigError
from batonmq.server.tls import Tls


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def test_the_certificate_may_hold_its_key(made: Certificates) -> None:
    made.certificate.write_bytes(made.certificate.read_bytes() + made.key.read_bytes())
    Tls(TlsConfig(certificate=str(made.certificate)))


def test_a_key_with_a_passphrase(made: Certificates) -> None:
    made.encrypt_key()
    Tls(made.config(passphrase_file=str(made.passphrase_file)))


def _other_key(made: Certificates) -> TlsConfig:
    before = made.certificate.read_bytes()
    made.make_server()
    made.certificate.write_bytes(before)
    return made.config()


def _encrypted(made: Certificates) -> TlsConfig:
    made.encrypt_key()
    return made.config()


def _wrong_passphrase(made: Certificates) -> TlsConfig:
    made.encrypt_key("another")
    return made.config(passphrase_file=str(made.passphrase_file))


def _empty_passphrase(made: Certificates) -> TlsConfig:
    made.encrypt_key()
    made.passphrase_file.write_text("\n")
    return made.config(passphrase_file=str(made.passphrase_file))


def _no_file(made: Certificates) -> TlsConfig:
    made.certificate.unlink()
    return made.config()


def _no_pem(made: Certificates) -> TlsConfig:
    made.certificate.write_text("this is a letter")
    return made.config()


def _binary(made: Certificates) -> TlsConfig:
    made.certificate.write_bytes(bytes(range(256)))
    return made.config()


def _no_key(made: Certificates) -> TlsConfig:
    made.key.write_text("this is a letter")
    return made.config()


def _damaged(made: Certificates) -> TlsConfig:
    made.certificate.write_text(made.certificate.read_text()[:200])
    return made.config()


def _ca_is_no_certificate(made: Certificates) -> TlsConfig:
    made.ca_file.write_text("this is a letter")
    return made.asking()


def _ca_is_not_there(made: Certificates) -> TlsConfig:
    made.ca_file.unlink()
    return made.asking()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_file, "tls.certificate: .*server.pem: cannot be read: No such file or directory"),
        (_no_pem, "tls.certificate: .*server.pem: there is no certificate in it"),
        (_binary, "tls.certificate: .*server.pem: not a text file"),
        (_damaged, "tls.certificate: .*server.pem, with the key .*server.key: cannot be used: "),
        (_no_key, "tls.key: .*server.key: there is no private key in it"),
        (_other_key, "tls.key: .*server.key: it is the key of another certificate than .*server.pem"),
        (_encrypted, "tls.key: .*server.key: it is encrypted; tls.passphrase_file names"),
        (_wrong_passphrase, "tls.passphrase_file: .*passphrase: not the passphrase of .*server.key"),
        (_empty_passphrase, "tls.passphrase_file: .*passphrase: expected a passphrase of 1 to 1024 bytes"),
        (_ca_is_no_certificate, "tls.ca: .*ca.pem: there is no certificate in it"),
        (_ca_is_not_there, "tls.ca: .*ca.pem: cannot be read: No such file"),
    ],
)
def test_what_is_wrong_is_one_line(made: Certificates, spoil: Callable[[Certificates], TlsConfig], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        Tls(spoil(made))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[tls]\nkey = "k.pem"', "key: without a certificate there is no TLS"),
        ('[tls]\ncertificate = "c"\nclient_certificates = "required"', "client_certificates: 'required' needs a"),
        ('[tls]\nmin_version = "1.1"', "tls: min_version: expected one of 1.2, 1.3, got '1.1'"),
        ("[[listener]]\ntls = true", "listener.tls: true needs a tls.certificate"),
    ],
)
def test_a_configuration_that_cannot_be_meant(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_config(text, "batonmq.toml")


def test_files_that_have_changed_are_read_when_they_are_left_alone(made: Certificates) -> None:
    tls = Tls(made.config())
    before = tls.context()
    tls.look(0.0)
    made.make_server()
    tls.look(0.5)
    assert tls.context() is before, "looked at again too soon"
    tls.look(1.0)
    assert tls.context() is before, "it may be half of what is being written"
    tls.look(2.0)
    assert tls.context() is not before
    after = tls.context()
    tls.look(3.0)
    tls.look(4.0)
    assert tls.context() is after


def test_wrong_files_change_nothing_and_are_told_once(made: Certificates, caplog: pytest.LogCaptureFixture) -> None:
    tls = Tls(made.config())
    before = tls.context()
    made.certificate.write_text("this is a letter")
    with caplog.at_level(logging.INFO):
        for now in range(6):
            tls.look(float(now))
    assert tls.context() is before
    (line,) = caplog.messages
    assert "there is no certificate in it (PEM); the certificate that was known before stays" in line
    made.make_server(by=trustme.CA())
    for now in range(6, 9):
        tls.look(float(now))
    assert tls.context() is not before


def test_alpn_is_kept_by_a_reload(made: Certificates) -> None:
    tls = Tls(made.config())
    before = tls.context(("http/1.1",))
    assert before is tls.context(("http/1.1",))
    assert tls.reload()
    assert tls.context(("http/1.1",)) not in {before, tls.context()}


def test_without_a_certificate_nothing_is_different() -> None:
    assert msgspec.structs.asdict(Config().tls)["certificate"] == ""
