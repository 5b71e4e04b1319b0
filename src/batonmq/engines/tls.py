"""TLS to a broker, configured in the query of a URL such as ``amqps://`` with the parameters of RabbitMQ's clients.

``cacertfile``: the CAs to trust, as PEM, instead of the system's. ``certfile``, ``keyfile``: the client's certificate
with the chain to its CA, and its key, which may be in ``certfile``, too. ``password``, or ``passphrase_file``: the
passphrase of the key. ``verify``: ``verify_peer``, the default, or ``verify_none``. ``server_name_indication``: the
name that the broker's certificate must have, if it is not the URL's host.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CONTEXT_NAMES", "TLS_NAMES", "TlsTerms", "UnusableTls", "client_context", "tls_terms"]

# The parameters that describe a context; the name and the mechanism can be combined with any context.
CONTEXT_NAMES = frozenset({"cacertfile", "certfile", "keyfile", "password", "passphrase_file", "verify"})
TLS_NAMES = CONTEXT_NAMES | {"server_name_indication"}


class UnusableTls(ValueError):
    """A certificate, a key or a passphrase cannot be read, or they do not belong together."""


@dataclass(frozen=True, slots=True)
class TlsTerms:
    """TLS to one broker, and how to describe it to the user."""

    context: ssl.SSLContext
    server_hostname: str
    """The name that the broker's certificate must have."""
    trusted: str
    """Whose signature the broker's certificate needs, in words."""
    client_certificate: str | None
    """The certificate shown to the broker, in words; None: none."""
    scheme: str = "amqps"
    """The scheme of the URL; ``plain_scheme`` would be the one without TLS."""
    plain_scheme: str = "amqp"

    def __deepcopy__(self, memo: object) -> TlsTerms:
        """Return itself: pika copies all parameters of a connection, and a context cannot be copied."""
        return self


def tls_terms(
    options: Mapping[str, str],
    host: str,
    context: ssl.SSLContext | None,
    scheme: str = "amqps",
    plain_scheme: str = "amqp",
) -> TlsTerms:
    """The TLS terms in the query of a URL. ``context`` is used if the query describes none.

    Raises ValueError, also for a context both here and in the query, and UnusableTls.
    """
    asked = sorted(CONTEXT_NAMES & options.keys())
    name = options.get("server_name_indication", host)
    if not name:
        raise ValueError("server_name_indication names no host")
    if context is not None:
        if asked:
            raise ValueError(f"{asked[0]} and an SSLContext: give one of both")
        # A context does not reveal whether it has a certificate.
        return TlsTerms(context, name, "the CAs of the SSLContext", "that of the SSLContext", scheme, plain_scheme)
    trusted = f"the CAs in {options['cacertfile']!r}" if "cacertfile" in options else "the CAs that the system trusts"
    shown = repr(options["certfile"]) if "certfile" in options else None
    return TlsTerms(client_context(options), name, trusted, shown, scheme, plain_scheme)


def client_context(options: Mapping[str, str]) -> ssl.SSLContext:
    """The context that the options of a URL ask for. Raises ValueError, UnusableTls."""
    verify = options.get("verify", "verify_peer")
    if verify not in ("verify_peer", "verify_none"):
        raise ValueError(f"verify is verify_peer or verify_none, not {verify!r}")
    context = _trusting(options.get("cacertfile"))
    if verify == "verify_none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _show_certificate(context, options)
    return context


def _trusting(cacertfile: str | None) -> ssl.SSLContext:
    if cacertfile is None:
        return ssl.create_default_context()
    _require_file("cacertfile", cacertfile)
    try:
        return ssl.create_default_context(cafile=cacertfile)
    except ssl.SSLError:
        raise UnusableTls(f"cacertfile {cacertfile!r} holds no certificate in PEM") from None


def _show_certificate(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    certfile, keyfile = options.get("certfile"), options.get("keyfile")
    if certfile is None:
        for name in ("keyfile", "password", "passphrase_file"):
            if name in options:
                raise ValueError(f"{name} needs a certfile beside it")
        return
    _require_file("certfile", certfile)
    if keyfile is not None:
        _require_file("keyfile", keyfile)
    key = f"keyfile {keyfile!r}" if keyfile is not None else f"certfile {certfile!r}"
    passphrase = _passphrase(options)

    def asked() -> str:
        # Without an answer OpenSSL would ask on the terminal.
        if passphrase is None:
            raise UnusableTls(f"the key in {key} is encrypted: give passphrase_file, or password")
        return passphrase

    try:
        context.load_cert_chain(certfile, keyfile, password=asked)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UnusableTls(f"the key in {key} is not that of the certificate in certfile {certfile!r}") from None
        doubt = " and key" if keyfile is None else f", or {key} no key"
        wrong = "" if passphrase is None else ", or the passphrase is wrong"
        raise UnusableTls(f"certfile {certfile!r} holds no certificate{doubt} in PEM{wrong}") from None


def _passphrase(options: Mapping[str, str]) -> str | None:
    file = options.get("passphrase_file")
    if file is None:
        return options.get("password")
    if "password" in options:
        raise ValueError("password and passphrase_file say the same twice: give one")
    _require_file("passphrase_file", file)
    try:
        return Path(file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise UnusableTls(f"passphrase_file {file!r} is not UTF-8") from None


def _require_file(name: str, file: str) -> None:
    """Check that a file can be read, since OpenSSL does not say which of its files is missing."""
    if not file:
        raise ValueError(f"{name} names no file")
    try:
        with Path(file).open("rb"):
            pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UnusableTls(f"{name} {file!r} cannot be read: {why}") from None
