"""What can be changed about users, checked: the verbs of the management API on the table of `users.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from batonmq.broker.model.limits import OF_USERS, read_limit
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.field_encoding import text_octets
from batonmq.server.passwords import hash_password, imported_hash
from batonmq.server.users import Account, PermissionEntry, TopicEntry, UserEntry, UserTable, guest_hash

__all__ = ["UserEdit"]

# Octets of a user's name, characters of a tag, and how many tags a user has.
NAME_MAX = 255
TAG_MAX = 255
TAGS_MAX = 64

_Value = TypeVar("_Value")


class UserEdit:
    """One change to the users, in any number of steps: all are kept, or none.

    Each verb raises NotFound for a user that is not there, and PreconditionFailed for one of the configuration file.
    Passwords are hashed here, which takes tens of milliseconds: do not call this on a loop.
    """

    def __init__(self, table: UserTable, configured: Mapping[str, Account], guest: Account | None) -> None:
        """`configured` are the users of the configuration file; `guest` is the built-in one, None: there is none."""
        self._table = table
        self._configured = configured
        self._guest = guest

    def has(self, name: str) -> bool:
        """Does the user exist, whatever its source?"""
        return name in self._configured or name in self._table or self._is_built_in(name)

    # ------------------------------------------------------------------ users

    def put(
        self,
        name: str,
        *,
        tags: Iterable[str] | None = None,
        password: str | None = None,
        password_hash: str | None = None,
        hashing_algorithm: str = "",
    ) -> bool:
        """Create or change a user; returns whether it was created.

        `password` is a new one, `password_hash` one that RabbitMQ or BatonMQ has exported, with RabbitMQ's name for its
        algorithm; with an empty one, or neither for a new user, no password lets the user in. None: keep the current
        one. Permissions and limits stay. Raises PreconditionFailed for invalid values.
        """
        if not 0 < text_octets(name) <= NAME_MAX:
            raise PreconditionFailed(f"the name of a user has 1 to {NAME_MAX} octets of UTF-8")
        is_new = not self.has(name)
        known = UserEntry(password_hash="") if is_new else self._entry(name)
        if password is not None and password_hash is not None:
            raise PreconditionFailed("either password or password_hash can be given, and not both")
        kept = known.password_hash
        if password is not None:
            kept = _allowed(lambda: hash_password(password)) if password else ""
        elif password_hash is not None:
            kept = _allowed(lambda: imported_hash(password_hash, hashing_algorithm))
        self._table[name] = msgspec.structs.replace(
            known, password_hash=kept, tags=known.tags if tags is None else _tags(tags)
        )
        return is_new

    def delete(self, name: str) -> None:
        """Delete a user; a deleted built-in guest does not come back."""
        self._entry(name, hashed=False)
        self._table.remove(name)

    # ------------------------------------------------------------------ permissions

    def set_permission(self, name: str, vhost: str, configure: str, write: str, read: str) -> None:
        """Set what a user may do in a virtual host. Raises PreconditionFailed for an invalid regular expression."""
        permission = _allowed(lambda: PermissionEntry(configure=configure, write=write, read=read))
        self._replace(name, permissions={**self._entry(name).permissions, vhost: permission})

    def clear_permission(self, name: str, vhost: str) -> None:
        """Remove a user's access to a virtual host. Raises NotFound if it had no access."""
        permissions = dict(self._entry(name).permissions)
        if permissions.pop(vhost, None) is None:
            raise NotFound(f"user '{name}' has no permissions in vhost '{vhost}'")
        self._replace(name, permissions=permissions)

    def set_topic_permission(self, name: str, vhost: str, exchange: str, write: str, read: str) -> None:
        """Set which routing keys a user may use with a topic exchange.

        Raises PreconditionFailed for an invalid regular expression.
        """
        entry = _allowed(lambda: TopicEntry(write=write, read=read))
        topics = self._entry(name).topic_permissions
        self._replace(name, topic_permissions={**topics, vhost: {**topics.get(vhost, {}), exchange: entry}})

    def clear_topic_permission(self, name: str, vhost: str, exchange: str | None = None) -> None:
        """Remove a user's limits of routing keys for an exchange; None: for all in the virtual host.

        Raises NotFound if there are none.
        """
        topics = self._entry(name).topic_permissions
        there = topics.get(vhost, {})
        left = {} if exchange is None else {key: value for key, value in there.items() if key != exchange}
        if len(left) == len(there):
            raise NotFound(f"user '{name}' has no topic permissions in vhost '{vhost}' for exchange '{exchange or ''}'")
        others = {key: value for key, value in topics.items() if key != vhost}
        self._replace(name, topic_permissions={**others, vhost: left} if left else others)

    def forget_vhost(self, vhost: str) -> None:
        """Remove all permissions in a deleted virtual host. Users of the configuration file keep theirs."""
        for name, entry in list(self._table.items()):
            if vhost in entry.permissions or vhost in entry.topic_permissions:
                self._table[name] = msgspec.structs.replace(
                    entry,
                    permissions={key: value for key, value in entry.permissions.items() if key != vhost},
                    topic_permissions={key: value for key, value in entry.topic_permissions.items() if key != vhost},
                )

    # ------------------------------------------------------------------ limits

    def set_limit(self, name: str, limit: str, value: object) -> None:
        """Limit a user's `max-connections` or `max-channels`; a negative value means no limit.

        Raises PreconditionFailed.
        """
        checked = read_limit(limit, value, OF_USERS)
        self._replace(name, limits={**self._entry(name).limits, limit: checked})

    def clear_limit(self, name: str, limit: str) -> None:
        """Remove a limit, if there is one."""
        self._replace(name, limits={key: value for key, value in self._entry(name).limits.items() if key != limit})

    # ------------------------------------------------------------------ entries

    def _replace(self, name: str, **changes: object) -> None:
        self._table[name] = msgspec.structs.replace(self._entry(name), **changes)

    def _is_built_in(self, name: str) -> bool:
        guest = self._guest
        return guest is not None and name == guest.user.name and not self._table.guest_deleted

    def _entry(self, name: str, *, hashed: bool = True) -> UserEntry:
        """A user, for changing.

        The built-in guest becomes an entry of its own with its first change. Without ``hashed``: its password is not
        needed.
        """
        if name in self._configured:
            raise PreconditionFailed(f"user '{name}' comes from the configuration file; change it there")
        entry = self._table.get(name)
        if entry is not None:
            return entry
        guest = self._guest
        if guest is None or not self._is_built_in(name):
            raise NotFound(f"no user '{name}'")
        made = UserEntry(
            password_hash=guest_hash() if hashed else "",
            tags=tuple(sorted(guest.user.tags)),
            permissions={
                vhost: PermissionEntry(configure=permission.configure, write=permission.write, read=permission.read)
                for vhost, permission in guest.user.permissions.items()
            },
        )
        if hashed:
            self._table[name] = made
        return made


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    kept = tuple(dict.fromkeys(tags))
    if len(kept) > TAGS_MAX or any(not 0 < len(tag) <= TAG_MAX for tag in kept):
        raise PreconditionFailed(f"a user has at most {TAGS_MAX} tags, of 1 to {TAG_MAX} characters each")
    return kept


def _allowed(make: Callable[[], _Value]) -> _Value:
    """The result of ``make``. Raises PreconditionFailed for its ValueError, such as that of an invalid expression."""
    try:
        return make()
    except ValueError as error:
        raise PreconditionFailed(str(error)) from None
