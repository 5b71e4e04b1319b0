"""batonmq certificates"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import NAME, say

if TYPE_CHECKING:
    from batonmq.cli.authority import Issued

__all__ = ["certificates"]

LOCAL = ("localhost", "127.0.0.1", "::1")
# The longest user name: RFC 5280, appendix A.1, ub-common-name.
LONGEST_NAME = 64
# A DNS name as RFC 1123, section 2.1, has it; a certificate may have `*` for the first part (RFC 6125, section 6.4.3).
DNS_NAME = re.compile(
    r"(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
)
LONGEST_DNS_NAME = 253
CENTURY = 36500


@click.command(short_help="Make certificates for tests.")
@click.argument("folder", metavar="[DIR]", type=NAME, default="certificates")
@click.option(
    "--name",
    "names",
    type=NAME,
    multiple=True,
    help="A DNS name or an address of the broker. May be repeated. Default: localhost, 127.0.0.1 and ::1",
)
@click.option(
    "--user", type=NAME, default="guest", show_default=True, help="The user that the client certificate logs in."
)
@click.option(
    "--days", type=click.IntRange(1, CENTURY), default=365, show_default=True, help="How long they are valid."
)
@click.option("--force", is_flag=True, help="Overwrite existing certificates.")
def certificates(folder: str, names: tuple[str, ...], user: str, days: int, force: bool) -> None:
    """Make certificates for tests in DIR: of a CA, of a broker, and of a client.

    They will do for trying TLS and for a private network. Whoever has ca-key.pem can sign more, so keep it off the
    broker, or delete it. Prints what to write into the broker's TOML file, and the URLs for clients.

    \b
    Examples:
      batonmq certificates
      batonmq certificates /etc/batonmq/tls --name broker.example --name 192.0.2.7 --user ann
    """
    names = tuple(dict.fromkeys(names)) or LOCAL
    for name in names:
        _check_name(name)
    if len(user) > LONGEST_NAME:
        raise Failure(f"--user: a certificate has room for {LONGEST_NAME} characters of a name", 2)
    directory = Path(folder).absolute()
    files = _make(names, user, days)
    for path in (directory / name for name in files):
        if not force and (path.exists() or path.is_symlink()):
            raise Failure(f"{path} is there already; --force overwrites it")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(directory / name, content, mode=0o600 if name.endswith("key.pem") else 0o644, force=force)
    except OSError as error:
        raise Failure(f"{error.filename or directory} cannot be written: {error.strerror}") from None
    _tell(directory, names[0], user, sorted(files))


def _check_name(name: str) -> None:
    import ipaddress

    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return
    if len(name) > LONGEST_DNS_NAME or not DNS_NAME.fullmatch(name):
        raise Failure(f"--name: {name!r} is neither a DNS name nor an address", 2)


def _make(names: tuple[str, ...], user: str, days: int) -> dict[str, bytes]:
    """The files' contents, by name."""
    try:
        from batonmq.cli.authority import Authority
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cryptography":
            raise
        raise Failure("this needs the library cryptography: pip install 'batonmq[certificates]'") from None
    authority = Authority("BatonMQ test CA", days)
    made: dict[str, Issued] = {
        "ca": authority.own,
        "server": authority.server(names),
        "client": authority.client(user),
    }
    files: dict[str, bytes] = {}
    for name, issued in made.items():
        files[f"{name}.pem"] = issued.certificate
        files[f"{name}-key.pem"] = issued.key
    return files


def _write(path: Path, content: bytes, *, mode: int, force: bool) -> None:
    """Write a file whole or not at all, with its mode from the beginning. Raises OSError."""
    handle, written = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(written).chmod(mode)
        if force:
            Path(written).replace(path)
        else:
            # Unlike a rename, a link fails if somebody else was quicker.
            path.hardlink_to(written)
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(written).unlink()


def _tell(directory: Path, host: str, user: str, files: list[str]) -> None:
    where = f"[{host}]" if ":" in host else host.replace("*", "broker", 1)
    ca, client, key = (quote(str(directory / name)) for name in ("ca.pem", "client.pem", "client-key.pem"))
    say(f"{', '.join(files)} are in {directory}")
    say("")
    say("For the broker's TOML file:")
    say("")
    for line in _toml(directory):
        say(f"  {line}")
    say("")
    say("For clients that log in with a password:")
    say("")
    say(f"  amqps://{quote(user, safe='')}:PASSWORD@{where}:5671/?cacertfile={ca}")
    say("")
    say(f"For clients that log in as {user} with their certificate:")
    say("")
    say(f"  amqps://{where}:5671/?cacertfile={ca}&certfile={client}&keyfile={key}&auth_mechanism=external")


def _toml(directory: Path) -> list[str]:
    import json

    # A string of JSON is one of TOML.
    named = {"certificate": "server.pem", "key": "server-key.pem", "ca": "ca.pem"}
    return [
        "[tls]",
        *(f"{key} = {json.dumps(str(directory / name), ensure_ascii=False)}" for key, name in named.items()),
        'client_certificates = "wanted"',
    ]
