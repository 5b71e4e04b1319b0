"""Who may do what: users, and their permissions in a virtual host as regular expressions over names."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from batonmq.broker.patterns.expressions import PatternError, compile_pattern
from batonmq.errors import AccessRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Permission:
    """Regular expressions over the names of queues and exchanges, searched in the name; "" permits nothing."""

    configure: str = ".*"
    write: str = ".*"
    read: str = ".*"


@dataclass(frozen=True, slots=True)
class TopicPermission:
    """Regular expressions over the routing keys of one topic exchange, searched in the key.

    An empty one permits no key but the empty one.
    ``{username}`` and ``{vhost}`` in them stand for the names of the user and the virtual host.
    """

    write: str = ".*"
    """The keys that messages may be published with."""
    read: str = ".*"
    """The keys, patterns included, that queues and exchanges may be bound with."""


class Busy(enum.Enum):
    """The answer to a log-in that was not checked because too many came at once."""

    BUSY = "busy"


BUSY: Final = Busy.BUSY
TOO_MANY_LOG_INS: Final = "too many log-ins at once, try again later"


@dataclass(frozen=True, slots=True)
class User:
    """A user who has logged in. ``permissions`` are by virtual host; one without an entry is closed to the user."""

    name: str
    tags: frozenset[str] = frozenset()
    permissions: Mapping[str, Permission] = field(default_factory=dict)
    topic_permissions: Mapping[str, Mapping[str, TopicPermission]] = field(default_factory=dict)
    """By virtual host and exchange; an exchange without an entry is open as far as ``permissions`` have it."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """By their names (``limits.OF_USERS``)."""

    def may_open(self, vhost: str) -> bool:
        """Whether the user may connect to that virtual host."""
        return vhost in self.permissions

    def may(self, vhost: str, operation: str, name: str) -> bool:
        """Whether the user may 'configure', 'write' or 'read' the queue or exchange of this name."""
        permission = self.permissions.get(vhost)
        return permission is not None and _permits(getattr(permission, operation), name or "amq.default")

    def require(self, vhost: str, operation: str, kind: str, name: str) -> None:
        """Check one of 'configure', 'write', 'read' on a 'queue' or an 'exchange'. Raises AccessRefused."""
        if not self.may(vhost, operation, name):
            shown = name or "amq.default"
            raise AccessRefused(
                f"{operation} access to {kind} '{shown}' in vhost '{vhost}' refused for user '{self.name}'"
            )

    def require_topics(self, vhost: str, operation: str, exchange: str, keys: Iterable[str]) -> None:
        """Check 'write' or 'read' of routing keys of a topic exchange. Raises AccessRefused."""
        permission = self.topic_permissions.get(vhost, {}).get(exchange)
        if permission is None:
            return
        pattern = _filled_in(getattr(permission, operation), self.name, vhost)
        for key in keys:
            if not _permits_key(pattern, key):
                raise AccessRefused(
                    f"{operation} access to topic '{key}' in exchange '{exchange}' in vhost '{vhost}'"
                    f" refused for user '{self.name}'"
                )


LogInAnswer = User | Busy | None
"""The user; BUSY if the log-in was not checked; None if the name or the password is wrong."""


class Authenticator(Protocol):
    """Checks a log-in."""

    def check(self, user: str, password: str, *, is_loopback: bool) -> User | None:
        """Return the user, or None if the password is wrong or the user may not log in from there. Slow on purpose."""
        ...


@lru_cache(maxsize=4096)
def _permits(pattern: str, name: str) -> bool:
    if pattern == "":
        return name == ""
    try:
        return compile_pattern(pattern).found_in(name)
    except PatternError:
        return False


def _permits_key(pattern: str, key: str) -> bool:
    """Like ``_permits``, but uncached: clients use any number of routing keys."""
    if pattern == "":
        return key == ""
    try:
        return compile_pattern(pattern).found_in(key)
    except PatternError:
        return False


def _filled_in(pattern: str, user: str, vhost: str) -> str:
    """The pattern with the names in place of its variables, escaped to match literally."""
    if "{" not in pattern:
        return pattern
    return pattern.replace("{username}", re.escape(user)).replace("{vhost}", re.escape(vhost))
