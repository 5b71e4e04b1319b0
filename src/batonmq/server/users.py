"""Who may log in: the users of the configuration file, those of `users.json` in the data directory, and guest.

`users.json` is written by `batonmq users` and read again by a running broker when it has changed. It is replaced
whole, so that a reader never sees half a file, and only its owner may read it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batonmq.broker.model.access import Permission, User
from batonmq.broker.patterns.expressions import PatternError, compile_pattern
from batonmq.server.data_directory import exclusive_lock
from batonmq.server.failures import ConfigError
from batonmq.server.passwords import check_hash

__all__ = ["EVERYTHING", "GUEST", "Account", "PermissionEntry", "UserEntry", "UserFile", "guest_account"]

GUEST = "guest"


class PermissionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Three regular expressions: the names of queues and exchanges a user may configure, write to, read from.

    An expression is searched for in the name, so `^` and `$` say where it begins and ends; an empty one matches
    nothing.
    """

    configure: str = ""
    write: str = ""
    read: str = ""

    def __post_init__(self) -> None:
        for key in ("configure", "write", "read"):
            expression: str = getattr(self, key)
            try:
                compile_pattern(expression)
            except PatternError as error:
                raise ValueError(f"{key}: {expression!r} is not a regular expression: {error}") from None


EVERYTHING = PermissionEntry(configure=".*", write=".*", read=".*")


class UserEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user as `users.json` keeps it."""

    password_hash: str
    tags: tuple[str, ...] = ()
    permissions: dict[str, PermissionEntry] = {}

    def __post_init__(self) -> None:
        check_hash(self.password_hash)


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    users: dict[str, UserEntry] = {}


@dataclass(frozen=True, slots=True)
class Account:
    """A user with what proves it: a hash, or, from the configuration file alone, the password itself."""

    user: User
    password_hash: str = ""
    password: str = field(default="", repr=False)


def make_user(name: str, tags: tuple[str, ...], permissions: Mapping[str, PermissionEntry]) -> User:
    """The broker's view of a user."""
    return User(
        name=name,
        tags=frozenset(tags),
        permissions={
            vhost: Permission(configure=entry.configure, write=entry.write, read=entry.read)
            for vhost, entry in permissions.items()
        },
    )


def guest_account(vhosts: list[str]) -> Account:
    """The user that is there from the start, so that a new broker can be tried at once: from this machine only."""
    return Account(make_user(GUEST, ("administrator",), dict.fromkeys(vhosts, EVERYTHING)), password=GUEST)


class UserFile:
    """`users.json` in a data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "users.json"
        self._lock = directory / "users.lock"

    def stamp(self) -> tuple[int, int, int] | None:
        """Changes whenever the file does; None: there is no file."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def load(self) -> dict[str, UserEntry]:
        """The users by name. Raises ConfigError when the file cannot be read or is not one of ours."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from None
        try:
            return msgspec.json.decode(data, type=_Content).users
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path}: not a file of users: {error}") from None

    def accounts(self) -> dict[str, Account]:
        """The users, ready for a broker. Raises as `load` does."""
        return {
            name: Account(make_user(name, entry.tags, entry.permissions), password_hash=entry.password_hash)
            for name, entry in self.load().items()
        }

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, UserEntry]]:
        """The users, to be changed; written when the block ends without an exception. One change at a time.

        Raises ConfigError as `load` does, OSError when the file cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive_lock(self._lock, wait=True):
            users = self.load()
            yield users
            self._replace(msgspec.json.format(msgspec.json.encode(_Content(users)), indent=2))

    def _replace(self, data: bytes) -> None:
        """Put a new file in the place of the old one: whoever reads sees the one or the other, also after a crash."""
        handle, name = tempfile.mkstemp(prefix=".users-", dir=self.path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if os.name == "posix":
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
