"""Who may see what of a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batonmq.broker.model.access import User
    from batonmq.broker.model.clients import Client

__all__ = ["sees", "sees_all"]

# Tags of users who may see everything, as in RabbitMQ.
MONITORS: Final = frozenset({"administrator", "monitoring"})


def sees_all(user: User) -> bool:
    """May the user see the objects of others?"""
    return not MONITORS.isdisjoint(user.tags)


def sees(user: User, client: Client) -> bool:
    """May the user see this connection?"""
    return sees_all(user) or client.user == user.name
