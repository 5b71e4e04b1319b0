"""batonmq users"""

from __future__ import annotations

import contextlib
import getpass
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from batonmq.cli.names import NAME, TEXT, say
from batonmq.cli.options import Failure
from batonmq.cli.serve import load
from batonmq.cli.tables import table

if TYPE_CHECKING:
    from batonmq.server.users import UserEntry, UserFile

__all__ = ["users"]

Command = TypeVar("Command", bound=Callable[..., object])

GUEST = "guest"
LONGEST_NAME = 255


def _place(command: Command) -> Command:
    """Which broker's users: the options that `serve` has."""
    command = click.option("--data", type=NAME, metavar="DIR", help="The broker's data directory. Default: ./data")(
        command
    )
    return click.option(
        "--config",
        "file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The broker's TOML file, if it has one.",
    )(command)


_from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def users() -> None:
    """Say who may log in to a broker.

    Users are kept in users.json in the broker's data directory, passwords as scrypt hashes. A running broker notices
    changes within a second. Users of the broker's TOML file are changed there.

    \b
    Examples:
      batonmq users add ann
      batonmq users permit ann --vhost / --configure '' --write '^orders$' --read '.*'
      batonmq users list
    """


@users.command()
@click.argument("name", type=TEXT)
@_from_stdin
@click.option(
    "--tag", "tags", type=NAME, multiple=True, help="Mark the user, as `administrator` for instance. May be repeated."
)
@_place
def add(name: str, password_stdin: bool, tags: tuple[str, ...], data: str | None, file: Path | None) -> None:
    """Add user NAME. What the user may do is said with `batonmq users permit`."""
    from batonmq.server.users import UserEntry

    if not 0 < len(name) <= LONGEST_NAME:
        raise Failure(f"a user's name has 1 to {LONGEST_NAME} characters", 2)
    with _change(name, data, file) as found:
        if name in found:
            raise Failure(f"there is a user {name!r} already; `batonmq users password` gives a new password")
        found[name] = UserEntry(password_hash=_hash(from_stdin=password_stdin), tags=tags)
    say(f"user {name} added; next, say what it may do: batonmq users permit {name} --vhost /")


@users.command()
@click.argument("name", type=TEXT)
@_from_stdin
@_place
def password(name: str, password_stdin: bool, data: str | None, file: Path | None) -> None:
    """Give user NAME a new password."""
    with _change(name, data, file) as found:
        entry = _entry(found, name, file)
        found[name] = msgspec.structs.replace(entry, password_hash=_hash(from_stdin=password_stdin))
    say(f"user {name} has a new password")


@users.command()
@click.argument("name", type=TEXT)
@_place
def delete(name: str, data: str | None, file: Path | None) -> None:
    """Delete user NAME. Connections that it has are closed."""
    with _change(name, data, file) as found:
        if name not in found and name == GUEST:
            raise Failure("guest is built in: write `guest = false` under [server] in the broker's TOML file")
        _entry(found, name, file)
        del found[name]
    say(f"user {name} deleted")


@users.command()
@click.argument("name", type=TEXT)
@click.option("--vhost", type=NAME, default="/", help="In which virtual host. Default: /")
@click.option("--configure", type=TEXT, metavar="RE", default=".*", help="Names it may declare and delete. Default: .*")
@click.option("--write", type=TEXT, metavar="RE", default=".*", help="Names it may publish and bind to. Default: .*")
@click.option(
    "--read", type=TEXT, metavar="RE", default=".*", help="Names it may consume, get and bind from. Default: .*"
)
@_place
def permit(name: str, vhost: str, configure: str, write: str, read: str, data: str | None, file: Path | None) -> None:
    """Let user NAME into a virtual host, and say which queues and exchanges it may use there.

    RE is a regular expression, searched for in the names of queues and exchanges; '' permits nothing.
    """
    from batonmq.server.users import PermissionEntry

    try:
        permission = PermissionEntry(configure=configure, write=write, read=read)
    except ValueError as error:
        raise Failure(f"--{error}", 2) from None
    vhosts = load(file).vhosts
    if vhost not in vhosts:
        known = "a broker without a TOML file has '/' alone; --config FILE names one that has others"
        if file is not None:
            known = f"{file} has {', '.join(map(repr, vhosts))}"
        raise Failure(f"there is no virtual host {vhost!r}: {known}")
    with _change(name, data, file) as found:
        entry = _entry(found, name, file)
        found[name] = msgspec.structs.replace(entry, permissions={**entry.permissions, vhost: permission})
    say(f"user {name} may use virtual host {vhost}")


@users.command()
@click.argument("name", type=TEXT)
@click.option("--vhost", type=NAME, default="/", help="Which virtual host. Default: /")
@_place
def forbid(name: str, vhost: str, data: str | None, file: Path | None) -> None:
    """Keep user NAME out of a virtual host."""
    with _change(name, data, file) as found:
        entry = _entry(found, name, file)
        if vhost not in entry.permissions:
            raise Failure(f"user {name!r} has no access to virtual host {vhost!r}")
        left = {key: value for key, value in entry.permissions.items() if key != vhost}
        found[name] = msgspec.structs.replace(entry, permissions=left)
    say(f"user {name} may not use virtual host {vhost} any more")


@users.command("list")
@_place
def list_users(data: str | None, file: Path | None) -> None:
    """List users, and what they may do."""
    from batonmq.server.failures import ConfigError

    config = load(file)
    rows: list[tuple[str, str, str, str, str, str, str]] = []

    def row(name: str, tags: tuple[str, ...], kept: str, vhost: str, rights: tuple[str, str, str]) -> None:
        rows.append((name, vhost, *(right or "''" for right in rights), " ".join(tags), kept))  # type: ignore[arg-type]

    nothing = ("-", "-", "-")
    try:
        kept = _file(data, file).load()
    except ConfigError as error:
        raise Failure(str(error), error.exit_code) from None
    configured = {user.name for user in config.user}
    for user in config.user:
        for each in user.permission:
            row(user.name, user.tags, str(file), each.vhost, (each.configure, each.write, each.read))
        if not user.permission:
            row(user.name, user.tags, str(file), "-", nothing)
    for name, entry in kept.items():
        if name in configured:
            continue
        for vhost, right in entry.permissions.items():
            row(name, entry.tags, "users.json", vhost, (right.configure, right.write, right.read))
        if not entry.permissions:
            row(name, entry.tags, "users.json", "-", nothing)
    if config.server.guest and GUEST not in kept and GUEST not in configured:
        for vhost in config.vhosts:
            row(GUEST, ("administrator",), "built in, from this machine only", vhost, (".*", ".*", ".*"))
    if not rows:
        click.echo("there are no users; `batonmq users add` adds one")
        return
    click.echo(table(("USER", "VHOST", "CONFIGURE", "WRITE", "READ", "TAGS", "KEPT IN"), sorted(rows)))


@users.command("hash")
@_from_stdin
def hash_command(password_stdin: bool) -> None:
    """Print the hash of a password, for `password_hash` in a TOML file."""
    click.echo(_hash(from_stdin=password_stdin))


def _file(data: str | None, file: Path | None) -> UserFile:
    from batonmq.server.users import UserFile

    directory = Path(load(file).with_flags(data=data).server.data)
    if data is None and file is None and not directory.is_dir():
        where = directory.absolute()
        raise Failure(f"there is no {where}: --data DIR or --config FILE names the broker whose users these are", 2)
    return UserFile(directory)


@contextlib.contextmanager
def _change(name: str, data: str | None, file: Path | None) -> Iterator[dict[str, UserEntry]]:
    """The users, to be changed; Failure when this one stands in the TOML file, or the users cannot be written."""
    from batonmq.server.failures import ConfigError

    if any(user.name == name for user in load(file).user):
        raise Failure(f"user {name!r} stands in {file}, which counts more than users.json: change it there")
    users_file = _file(data, file)
    directory = users_file.path.parent
    is_new = not directory.is_dir()
    try:
        with users_file.change() as found:
            yield found
    except ConfigError as error:
        raise Failure(str(error), error.exit_code) from None
    except OSError as error:
        raise Failure(f"{users_file.path}: cannot be written: {error.strerror}") from None
    if is_new and directory.is_dir():
        say(f"{directory.absolute()} was not there, and was made")


def _entry(found: dict[str, UserEntry], name: str, file: Path | None) -> UserEntry:
    """A user that exists. The built-in guest becomes an entry of its own with its first change."""
    from batonmq.server.users import EVERYTHING, UserEntry

    entry = found.get(name)
    if entry is not None:
        return entry
    config = load(file)
    if name == GUEST and config.server.guest:
        from batonmq.server.passwords import hash_password

        return UserEntry(
            password_hash=hash_password(GUEST),
            tags=("administrator",),
            permissions=dict.fromkeys(config.vhosts, EVERYTHING),
        )
    raise Failure(f"there is no user {name!r}; `batonmq users list` lists those there are")


def _hash(*, from_stdin: bool) -> str:
    from batonmq.server.passwords import hash_password

    try:
        return hash_password(_from_input() if from_stdin else _asked())
    except UnicodeError:
        raise Failure("a password is a text in UTF-8", 2) from None
    except ValueError as error:
        raise Failure(str(error), 2) from None


def _from_input() -> str:
    # As bytes: what Python makes of others depends on the locale.
    return sys.stdin.buffer.readline().decode().rstrip("\r\n")


def _asked() -> str:
    with warnings.catch_warnings():
        # Where there is no terminal getpass warns, and reads from standard input.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            secret: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        except getpass.GetPassWarning:
            raise Failure("there is no terminal to ask at for the password: say --password-stdin", 2) from None
    return secret
