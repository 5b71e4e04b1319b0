"""batonmq users"""

from __future__ import annotations

import getpass
import shlex
import sys
import warnings
from pathlib import Path

import click
import msgspec

from batonmq.cli.failure import Failure
from batonmq.cli.names import NAME, TEXT, say
from batonmq.cli.user_files import change, entry, load_users, place, told_place
from batonmq.cli.user_listing import list_users
from batonmq.cli.user_rights import RIGHTS

__all__ = ["users"]

LONGEST_NAME = 255

_from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group(short_help="Say who may log in, and what they may do.")
def users() -> None:
    """Say who may log in to a broker.

    Users are kept in users.json in the broker's data directory, passwords as hashes. A running broker notices
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
    "--tag", "tags", type=NAME, multiple=True, help="Give the user a tag, such as `administrator`. May be repeated."
)
@place
def add(name: str, password_stdin: bool, tags: tuple[str, ...], data: str | None, file: Path | None) -> None:
    """Add user NAME. Set what the user may do with `batonmq users permit`."""
    from batonmq.server.users import UserEntry

    if not 0 < len(name) <= LONGEST_NAME:
        raise Failure(f"a user's name has 1 to {LONGEST_NAME} characters", 2)
    # Before the file is locked: a terminal at which nobody types holds up no other change of users.
    if name in load_users(name, data, file):
        raise _there_is_one(name)
    password_hash = _hash(from_stdin=password_stdin)
    with change(name, data, file) as found:
        if name in found:
            raise _there_is_one(name)
        found[name] = UserEntry(password_hash=password_hash, tags=tags)
    permit = shlex.join(["batonmq", "users", "permit", name, "--vhost", "/", *told_place(data, file)])
    say(f"user {name} added; next, say what it may do: {permit}")


@users.command()
@click.argument("name", type=TEXT)
@_from_stdin
@place
def password(name: str, password_stdin: bool, data: str | None, file: Path | None) -> None:
    """Give user NAME a new password."""
    entry(load_users(name, data, file), name, file)
    password_hash = _hash(from_stdin=password_stdin)
    with change(name, data, file) as found:
        found[name] = msgspec.structs.replace(entry(found, name, file), password_hash=password_hash)
    say(f"user {name} has a new password")


@users.command()
@click.argument("name", type=TEXT)
@place
def delete(name: str, data: str | None, file: Path | None) -> None:
    """Delete user NAME, who may be the built-in guest. Its connections are closed."""
    with change(name, data, file) as found:
        entry(found, name, file)
        found.remove(name)
    say(f"user {name} deleted")


@users.command("hash", short_help="Print the hash of a password, for a TOML file.")
@_from_stdin
def hash_command(password_stdin: bool) -> None:
    """Print the hash of a password, for `password_hash` in a TOML file."""
    click.echo(_hash(from_stdin=password_stdin))


def _there_is_one(name: str) -> Failure:
    """For a user that cannot be added."""
    return Failure(f"there is a user {name!r} already; `batonmq users password` gives a new password")


def _hash(*, from_stdin: bool) -> str:
    from batonmq.server.passwords import hash_password

    try:
        return hash_password(_from_input() if from_stdin else _asked())
    except UnicodeError:
        raise Failure("a password is a text in UTF-8", 2) from None
    except ValueError as error:
        raise Failure(str(error), 2) from None


def _from_input() -> str:
    # As bytes: how Python decodes text depends on the locale.
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


for command in (list_users, *RIGHTS):
    users.add_command(command)
