"""Users and their rights: imported from definitions, and exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batonmq.management.definitions.checking import naming
from batonmq.management.definitions.described import described_user, permissions_of, topics_of
from batonmq.management.definitions.entries import Definitions
from batonmq.management.definitions.exporting import Section
from batonmq.server.extensions import Parts
from batonmq.server.user_changes import KnownUser
from batonmq.server.user_edit import UserEdit
from batonmq.server.users import GUEST

__all__ = ["account_sections", "edit_of", "who_there_is"]


def who_there_is(parts: Parts) -> dict[str, bool]:
    """All users by name, and whether each is from the configuration file."""
    return {known.user.name: known.is_configured for known in parts.users.all()}


def edit_of(found: Definitions) -> Callable[[UserEdit], None]:
    """A single change that applies the users of definitions. It raises BadRequest, which names the entry."""

    def change(edit: UserEdit) -> None:
        for user in found.users:
            with naming(f"user '{user.name}'"):
                edit.put(
                    user.name,
                    tags=user.tags,
                    password_hash=user.password_hash,
                    hashing_algorithm=user.hashing_algorithm if user.password_hash else "",
                )
                for name, value in user.limits.items():
                    edit.set_limit(user.name, name, value)
        for one in found.permissions:
            with naming(f"permission of user '{one.user}' in vhost '{one.vhost}'"):
                edit.set_permission(one.user, one.vhost, one.configure, one.write, one.read)
        for topic in found.topic_permissions:
            with naming(f"topic permission of user '{topic.user}' in vhost '{topic.vhost}'"):
                edit.set_topic_permission(topic.user, topic.vhost, topic.exchange, topic.write, topic.read)

    return change


def account_sections(parts: Parts) -> Iterator[Section]:
    """Users, permissions and topic permissions, without users of the configuration file, and built-in ones."""
    users = [known for known in parts.users.all() if not known.is_configured and not _is_built_in(parts, known)]
    yield "users", (described_user(known) for known in users)
    yield "permissions", (one for known in users for one in permissions_of(known.user))
    yield "topic_permissions", (one for known in users for one in topics_of(known.user))


def _is_built_in(parts: Parts, known: KnownUser) -> bool:
    """Is it the unchanged built-in guest, whose password is not hashed?"""
    account = parts.authenticator.accounts().get(known.user.name)
    return known.user.name == GUEST and account is not None and bool(account.password)
