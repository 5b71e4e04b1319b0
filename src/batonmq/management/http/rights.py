"""Which users may use which endpoints, by their tags, as in RabbitMQ."""

from __future__ import annotations

import enum

from batonmq.broker.model.access import User

__all__ = ["Tag", "may", "sees_everything"]


class Tag(enum.Enum):
    """The least that a user must be to use an endpoint."""

    NOBODY = "nobody"
    """No log-in is needed."""
    EVERYBODY = "everybody"
    """Anyone who can log in, even without a tag."""
    MANAGEMENT = "management"
    MONITORING = "monitoring"
    POLICYMAKER = "policymaker"
    ADMINISTRATOR = "administrator"


# A tag, and those that include it.
INCLUDED_BY: dict[Tag, frozenset[str]] = {
    Tag.MANAGEMENT: frozenset({"management", "monitoring", "policymaker", "administrator"}),
    Tag.MONITORING: frozenset({"monitoring", "administrator"}),
    Tag.POLICYMAKER: frozenset({"policymaker", "administrator"}),
    Tag.ADMINISTRATOR: frozenset({"administrator"}),
}


def may(user: User, tag: Tag) -> bool:
    """Does the user have at least that role?"""
    return tag in (Tag.NOBODY, Tag.EVERYBODY) or not INCLUDED_BY[tag].isdisjoint(user.tags)


def sees_everything(user: User) -> bool:
    """May the user see the objects of others: connections, and virtual hosts without a permission?"""
    return may(user, Tag.MONITORING)
