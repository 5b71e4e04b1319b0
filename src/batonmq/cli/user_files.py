"""The users that `batonmq users` changes: those in a broker's file, and those in its configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import NAME, say
from batonmq.cli.serve import load

if TYPE_CHECKING:
    from batonmq.server.users import UserEntry, UserFile, UserTable

__all__ = ["GUEST", "change", "entry", "load_users", "place", "told_place", "user_file", "vhosts"]

GUEST = "guest"

Command = TypeVar("Command", bound=Callable[..., object])

GUEST = "guest"
LONGEST_NAME = 255


def place(command: Command) -> Command:
    """The options, the same as for `serve`, that say which broker's users are meant."""
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


def told_place(data: str | None, file: Path | None) -> list[str]:
    """The options of `place` as they were given, for the command to be typed next."""
    told = [] if data is None else ["--data", data]
    return told if file is None else [*told, "--config", str(file)]


def user_file(data: str | None, file: Path | None) -> UserFile:
    from batonmq.server.users import UserFile

    directory = Path(load(file).with_flags(data=data).server.data)
    if data is None and file is None and not directory.is_dir():
        where = directory.absolute()
        raise Failure(f"there is no {where}: --data DIR or --config FILE names the broker whose users these are", 2)
    return UserFile(directory)


def _file_for(name: str, data: str | None, file: Path | None) -> UserFile:
    if any(user.name == name for user in load(file).user):
        raise Failure(f"user {name!r} stands in {file}, which counts more than users.json: change it there")
    return user_file(data, file)


def load_users(name: str, data: str | None, file: Path | None) -> UserTable:
    """The users as they are. Failure when this user is in the TOML file, or the file is none of users."""
    from batonmq.server.failures import ConfigError

    try:
        return _file_for(name, data, file).load()
    except ConfigError as error:
        raise Failure(str(error), error.exit_code) from None


@contextlib.contextmanager
def change(name: str, data: str | None, file: Path | None) -> Iterator[UserTable]:
    """The users, for changing; Failure when this user is in the TOML file, or the users cannot be written."""
    from batonmq.server.failures import ConfigError

    users_file = _file_for(name, data, file)
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


def entry(found: UserTable, name: str, file: Path | None) -> UserEntry:
    """A user that exists. The built-in guest becomes an entry of its own with its first change."""
    from batonmq.server.users import EVERYTHING, UserEntry

    known = found.get(name)
    if known is not None:
        return known
    config = load(file)
    if name == GUEST and config.server.guest and not found.guest_deleted:
        from batonmq.server.passwords import hash_password

        return UserEntry(
            password_hash=hash_password(GUEST),
            tags=("administrator",),
            permissions=dict.fromkeys(config.vhosts, EVERYTHING),
        )
    raise Failure(f"there is no user {name!r}; `batonmq users list` lists those there are")


def vhosts(data: str | None, file: Path | None) -> set[str]:
    """The virtual hosts in the configuration, and those added to the running broker."""
    from batonmq.errors import StoreError
    from batonmq.server.broker_server import STORE_NAME
    from batonmq.store.looking import read_vhosts

    config = load(file).with_flags(data=data)
    try:
        return {*config.vhosts, *read_vhosts(str(Path(config.server.data) / STORE_NAME))}
    except StoreError as error:
        raise Failure(str(error)) from None
