"""Users and their rights in RabbitMQ's form, for listings and definitions."""

from __future__ import annotations

from collections.abc import Iterator

from batonmq.broker.model.access import Permission, TopicPermission, User
from batonmq.server.user_changes import KnownUser

__all__ = ["described_permission", "described_user", "permissions_of", "topics_of"]


def described_user(known: KnownUser) -> dict[str, object]:
    """A user in RabbitMQ's form."""
    return {
        "name": known.user.name,
        "password_hash": known.password_hash,
        "hashing_algorithm": known.hashing_algorithm,
        "tags": sorted(known.user.tags),
        "limits": dict(known.user.limits),
    }


def described_permission(user: str, vhost: str, permission: Permission) -> dict[str, object]:
    """A permission in RabbitMQ's form."""
    return {
        "user": user,
        "vhost": vhost,
        "configure": permission.configure,
        "write": permission.write,
        "read": permission.read,
    }


def _described_topic(user: str, vhost: str, exchange: str, permission: TopicPermission) -> dict[str, object]:
    return {"user": user, "vhost": vhost, "exchange": exchange, "write": permission.write, "read": permission.read}


def permissions_of(user: User, vhost: str | None = None) -> Iterator[dict[str, object]]:
    """A user's permissions, in all virtual hosts or in one."""
    for name, permission in sorted(user.permissions.items(), key=lambda item: item[0]):
        if vhost in (None, name):
            yield described_permission(user.name, name, permission)


def topics_of(user: User, vhost: str | None = None) -> Iterator[dict[str, object]]:
    """A user's topic permissions, in all virtual hosts or in one."""
    for name, by_exchange in sorted(user.topic_permissions.items(), key=lambda item: item[0]):
        if vhost in (None, name):
            for exchange, permission in sorted(by_exchange.items(), key=lambda item: item[0]):
                yield _described_topic(user.name, name, exchange, permission)
