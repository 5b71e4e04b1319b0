"""Who may log in: the users of the configuration file, those of `users.json` in the data directory, and guest.

`batonmq users` writes `users.json`, and a running broker reads it again when it changes. The file is replaced as a
whole, so that a reader never sees half of it, and only its owner may read it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import msgspec

from batonmq.broker.model.access import Permission, TopicPermission, User
from batonmq.broker.patterns.expressions import PatternError, compile_pattern
from batonmq.json_text import JsonError, read_json_as
from batonmq.server.data_directory import exclusive_lock
from batonmq.server.failures import ConfigError
from batonmq.server.passwords import check_hash, hash_password
from batonmq.store.files import system

__all__ = [
    "EVERYTHING",
    "GUEST",
    "Account",
    "PermissionEntry",
    "TopicEntry",
    "UserEntry",
    "UserFile",
    "UserTable",
    "accounts_of",
    "guest_account",
    "guest_hash",
    "make_user",
]

logger = logging.getLogger(__name__)

GUEST = "guest"


def _check_expressions(entry: object, keys: tuple[str, ...]) -> None:
    """Raises ValueError."""
    for key in keys:
        expression: str = getattr(entry, key)
        try:
            compile_pattern(expression)
        except PatternError as error:
            raise ValueError(f"{key}: {expression!r} is not a regular expression: {error}") from None


class PermissionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Three regular expressions: the names of queues and exchanges a user may configure, write to, read from.

    An expression is searched for in the name, so use `^` and `$` to match it as a whole; an empty one matches
    nothing.
    """

    configure: str = ""
    write: str = ""
    read: str = ""

    def __post_init__(self) -> None:
        _check_expressions(self, ("configure", "write", "read"))


EVERYTHING = PermissionEntry(configure=".*", write=".*", read=".*")


class TopicEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two regular expressions: the routing keys that a user may publish with to a topic exchange, and bind with.

    `{username}` and `{vhost}` in them stand for those names.
    """

    write: str = ".*"
    read: str = ".*"

    def __post_init__(self) -> None:
        _check_expressions(self, ("write", "read"))


class UserEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A user as `users.json` keeps it."""

    password_hash: str
    """Empty: no password is right, and only a certificate lets the user in."""
    tags: tuple[str, ...] = ()
    permissions: dict[str, PermissionEntry] = {}
    topic_permissions: dict[str, dict[str, TopicEntry]] = {}
    """By virtual host and exchange."""
    limits: dict[str, int] = {}

    def __post_init__(self) -> None:
        if self.password_hash:
            check_hash(self.password_hash)


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    users: dict[str, UserEntry] = {}
    guest_deleted: bool = False
    checksum: int = 0
    """The checksum of the rest, from `_sum`; 0: none."""


def _sum(data: bytes) -> int:
    """A checksum of the users, independent of order and layout: 1 to 2^32."""
    said = msgspec.json.decode(data)
    said.pop("checksum", None)
    return zlib.crc32(msgspec.json.encode(said, order="sorted")) + 1


class UserTable(dict[str, UserEntry]):
    """The users of the file by name."""

    def __init__(self, users: Mapping[str, UserEntry], *, guest_deleted: bool, doubt: str = "") -> None:
        """`guest_deleted`: the built-in guest was deleted. `doubt`: see the field."""
        super().__init__(users)
        self.guest_deleted = guest_deleted
        self.doubt = doubt
        """Why users may be missing or altered, in a line that names the file; "": they are as written."""

    def remove(self, name: str) -> None:
        """Delete a user, who may be the built-in guest, or may not exist."""
        self.pop(name, None)
        if name == GUEST:
            self.guest_deleted = True


@dataclass(frozen=True, slots=True)
class Account:
    """A user with its hash or, only from the configuration file, its password."""

    user: User
    password_hash: str = ""
    password: str = field(default="", repr=False)


def make_user(
    name: str,
    tags: tuple[str, ...],
    permissions: Mapping[str, PermissionEntry],
    topic_permissions: Mapping[str, Mapping[str, TopicEntry]] | None = None,
    limits: Mapping[str, int] | None = None,
) -> User:
    """The broker's view of a user."""
    return User(
        name=name,
        tags=frozenset(tags),
        permissions={
            vhost: Permission(configure=entry.configure, write=entry.write, read=entry.read)
            for vhost, entry in permissions.items()
        },
        topic_permissions={
            vhost: {exchange: TopicPermission(entry.write, entry.read) for exchange, entry in entries.items()}
            for vhost, entries in (topic_permissions or {}).items()
        },
        limits=dict(limits or {}),
    )


def accounts_of(users: Mapping[str, UserEntry]) -> dict[str, Account]:
    """The users of the file, ready for a broker."""
    return {
        name: Account(
            make_user(name, entry.tags, entry.permissions, entry.topic_permissions, entry.limits),
            password_hash=entry.password_hash,
        )
        for name, entry in users.items()
    }


def guest_account(vhosts: list[str]) -> Account:
    """The built-in user, so that a new broker can be tried at once; it may log in from this machine only."""
    return Account(make_user(GUEST, ("administrator",), dict.fromkeys(vhosts, EVERYTHING)), password=GUEST)


@cache
def guest_hash() -> str:
    """The hash of guest's well-known password, for when the built-in user is changed.

    It is the same throughout the process, so that clients logged in as guest need not log in again.
    """
    return hash_password(GUEST)


_GONE = (
    "gone, though there were users: restore it from a backup;"
    " if there are to be none, users.lock beside it may go as well"
)
_CHANGED = (
    "not as it was written: changed by hand, or damaged; its users count as they stand there,"
    " and the next change with `batonmq users` makes that right"
)


class UserFile:
    """`users.json` in a data directory."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "users.json"
        self._new = directory / "users.json.new"
        self._lock = directory / "users.lock"

    def stamp(self) -> tuple[int, int, int] | None:
        """A value that changes with the file; None: there is no file."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def load(self) -> UserTable:
        """The users by name. Raises ConfigError if the file cannot be read, or is not a file of users."""
        return self._read(is_wanted=self._were_changed())

    def _were_changed(self) -> bool:
        """Were users ever changed here? A first change that was interrupted does not count."""
        return self._lock.exists() and not self._new.exists()

    def _read(self, *, is_wanted: bool) -> UserTable:
        """`is_wanted`: users were changed here before, so the file has to exist."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return UserTable({}, guest_deleted=False, doubt=f"{self.path}: {_GONE}" if is_wanted else "")
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from None
        try:
            content = read_json_as(data, _Content)
        except (JsonError, msgspec.ValidationError) as error:
            raise ConfigError(f"{self.path}: not a file of users: {error}") from None
        is_changed = content.checksum and content.checksum != _sum(data)
        doubt = f"{self.path}: {_CHANGED}" if is_changed else ""
        return UserTable(content.users, guest_deleted=content.guest_deleted, doubt=doubt)

    @contextlib.contextmanager
    def change(self) -> Iterator[UserTable]:
        """The users, for changing; written when the block ends without an exception.

        One change at a time. Nothing is written if nothing was changed. Raises ConfigError like `load`, OSError when
        the file cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_wanted = self._were_changed()
        is_first = not self._lock.exists()
        with exclusive_lock(self._lock, wait=True):
            try:
                users = self._read(is_wanted=is_wanted)
                if users.doubt:
                    logger.error("%s", users.doubt)
                before = _Content(dict(users), users.guest_deleted)
                yield users
                after = _Content(dict(users), users.guest_deleted)
                if after != before or not self.path.exists():
                    summed = msgspec.structs.replace(after, checksum=_sum(msgspec.json.encode(after)))
                    self._replace(msgspec.json.format(msgspec.json.encode(summed), indent=2) + b"\n")
            finally:
                if is_first and not self.path.exists():
                    # Alone it would say that there were users once. Whoever waits for it notices.
                    with contextlib.suppress(OSError):
                        self._lock.unlink()

    def _replace(self, data: bytes) -> None:
        """Replace the file: a reader sees the old or the new one, even after a crash."""
        # Under the lock nobody else writes it; the next change replaces one left by a crash.
        files, new = system(), str(self._new)
        with contextlib.suppress(FileNotFoundError):
            files.delete(new)
        try:
            self._write(new, data)
            files.rename(new, str(self.path))
        except BaseException:
            with contextlib.suppress(OSError):
                files.delete(new)
            raise
        files.sync_folder(str(self.path.parent))

    @staticmethod
    def _write(path: str, data: bytes) -> None:
        files = system()
        handle = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            while data:
                data = data[files.put(handle, data) :]
            files.sync(handle)
        finally:
            files.close(handle)
