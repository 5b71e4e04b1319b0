"""TLS for listeners: certificate, key and CA from files, and read again when these change."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from batonmq.server.config import TlsConfig
from batonmq.server.failures import ConfigError

__all__ = ["Tls", "unusable"]

logger = logging.getLogger(__name__)

# How often the files are checked, in seconds.
LOOK_SECONDS: Final = 1.0

VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

VERIFY: Final = {"none": ssl.CERT_NONE, "wanted": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

# OpenSSL's limit.
LONGEST_PASSPHRASE: Final = 1024

_Stamp = tuple[int, int, int] | None


class Tls:
    """The certificate and the demands of listeners with TLS.

    A handshake uses the files as they are when it begins; an open connection is not affected by changes.
    """

    def __init__(self, config: TlsConfig) -> None:
        """Read the files. Raises ConfigError with one line that says which of them is wrong, and how."""
        self.config = config
        self._files = _files(config)
        self._stamps = self._look_at_files()
        self._seen = self._stamps
        self._next_look = 0.0
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {(): _context(config)}

    def context(self, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """The context for one handshake; ``alpn``: the protocols for ALPN (RFC 7301), if any."""
        names = tuple(alpn)
        context = self._contexts.get(names)
        if context is None:
            context = _context(self.config)
            context.set_alpn_protocols(list(names))
            self._contexts[names] = context
        return context

    def look(self, now: float) -> None:
        """Called regularly with the monotonic time: read the files again if they have changed.

        A certificate and its key are seldom replaced at the same moment, so they are read once they have not changed
        from one check to the next.
        """
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        before, self._seen = self._seen, self._look_at_files()
        if self._seen == before and self._seen != self._stamps:
            self.reload()

    def reload(self, config: TlsConfig | None = None) -> bool:
        """Read the files again now, or those of another configuration.

        False: they are wrong, which is logged, and the old ones stay.
        """
        wanted = self.config if config is None else config
        try:
            contexts = {names: _context(wanted) for names in self._contexts}
        except ConfigError as error:
            self._seen = self._stamps = self._look_at_files()
            logger.error("%s; the certificate that was known before stays", error)
            return False
        self.config, self._files = wanted, _files(wanted)
        self._seen = self._stamps = self._look_at_files()
        for names, context in contexts.items():
            if names:
                context.set_alpn_protocols(list(names))
        self._contexts = contexts
        logger.info("the certificate %s was read again: new connections get it", wanted.certificate)
        return True

    def _look_at_files(self) -> list[_Stamp]:
        return [_stamp(path) for path in self._files]


def _files(config: TlsConfig) -> list[Path]:
    return [Path(name) for name in (config.certificate, config.key, config.passphrase_file, config.ca) if name]


def _stamp(path: Path) -> _Stamp:
    """Changes whenever the file does; None: there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


class _Context(ssl.SSLContext):
    def forbid_renegotiation(self) -> None:
        """Otherwise a TLS 1.2 client could renegotiate without end, which costs the server more."""
        self.options |= ssl.OP_NO_RENEGOTIATION


def _context(config: TlsConfig) -> ssl.SSLContext:
    """Raises ConfigError."""
    context = _Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[config.min_version]
    context.forbid_renegotiation()
    _load_certificate(context, config)
    if config.ca:
        _load_ca(context, config.ca)
    context.verify_mode = VERIFY[config.client_certificates]
    return context


def _load_certificate(context: ssl.SSLContext, config: TlsConfig) -> None:
    certificate, key = config.certificate, config.key or config.certificate
    if "-----BEGIN CERTIFICATE-----" not in _read("certificate", certificate):
        raise ConfigError(f"tls.certificate: {certificate}: there is no certificate in it (PEM)")
    if " PRIVATE KEY-----" not in _read("key", key):
        raise ConfigError(f"tls.key: {key}: there is no private key in it (PEM)")
    passphrase = _read_passphrase(config.passphrase_file)
    is_asked = False

    def answer() -> str:
        nonlocal is_asked
        is_asked = True
        return passphrase

    try:
        # Without a passphrase OpenSSL would ask on the terminal.
        context.load_cert_chain(certificate, key, password=answer)
    except ssl.SSLError as error:
        raise ConfigError(_why(error, config, key, is_asked=is_asked)) from None
    except OSError as error:
        raise ConfigError(f"tls.certificate: {certificate}: cannot be read: {error.strerror}") from None


def _why(error: ssl.SSLError, config: TlsConfig, key: str, *, is_asked: bool) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"tls.key: {key}: it is the key of another certificate than {config.certificate}"
    if is_asked and not config.passphrase_file:
        return f"tls.key: {key}: it is encrypted; tls.passphrase_file names the file with its passphrase"
    if is_asked:
        return f"tls.passphrase_file: {config.passphrase_file}: not the passphrase of {key}"
    return f"tls.certificate: {config.certificate}, with the key {key}: cannot be used: {_reason(error)}"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "damaged").replace("_", " ").lower()


def _load_ca(context: ssl.SSLContext, name: str) -> None:
    _read("ca", name)
    try:
        context.load_verify_locations(cafile=name)
    except ssl.SSLError:
        raise ConfigError(f"tls.ca: {name}: there is no certificate in it that can be used (PEM)") from None
    except OSError as error:
        raise ConfigError(f"tls.ca: {name}: cannot be read: {error.strerror}") from None


def _read_passphrase(name: str) -> str:
    """The first line of the file; empty when none is named."""
    if not name:
        return ""
    passphrase = _read("passphrase_file", name).partition("\n")[0].removesuffix("\r")
    if not passphrase or len(passphrase.encode()) > LONGEST_PASSPHRASE:
        raise ConfigError(
            f"tls.passphrase_file: {name}: expected a passphrase of 1 to {LONGEST_PASSPHRASE} bytes in its first line"
        )
    return passphrase


def _read(key: str, name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"tls.{key}: {name}: not a text file") from None
    except OSError as error:
        raise ConfigError(f"tls.{key}: {name}: cannot be read: {error.strerror}") from None


def unusable(config: TlsConfig) -> str | None:
    """The fault in the files, in one line; None: none."""
    try:
        _context(config)
    except ConfigError as error:
        return str(error)
    return None
