"""batonmq users list"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import shown
from batonmq.cli.serve import load
from batonmq.cli.tables import table
from batonmq.cli.user_files import GUEST, place, user_file

if TYPE_CHECKING:
    from batonmq.server.users import UserTable

__all__ = ["list_users"]

NOTHING = ("-", "-", "-")


@click.command("list")
@place
def list_users(data: str | None, file: Path | None) -> None:
    """List users, and what they may do."""
    from batonmq.server.failures import ConfigError

    config = load(file)
    rows: list[tuple[str, ...]] = []

    def row(name: str, tags: tuple[str, ...], kept: str, vhost: str, rights: tuple[str, str, str]) -> None:
        rows.append((name, vhost, *_shown(rights), " ".join(tags), kept))

    try:
        kept = user_file(data, file).load()
    except ConfigError as error:
        raise Failure(str(error), error.exit_code) from None
    if kept.doubt:
        click.echo(shown(kept.doubt), err=True)
    configured = {user.name for user in config.user}
    for user in config.user:
        for each in user.permission:
            row(user.name, user.tags, str(file), each.vhost, (each.configure, each.write, each.read))
        if not user.permission:
            row(user.name, user.tags, str(file), "-", NOTHING)
    for name, entry in kept.items():
        if name in configured:
            continue
        for vhost, right in entry.permissions.items():
            row(name, entry.tags, "users.json", vhost, (right.configure, right.write, right.read))
        if not entry.permissions:
            row(name, entry.tags, "users.json", "-", NOTHING)
    if config.server.guest and not {GUEST} & (kept.keys() | configured) and not kept.guest_deleted:
        for vhost in config.vhosts:
            row(GUEST, ("administrator",), "built in, from this machine only", vhost, (".*", ".*", ".*"))
    if not rows:
        click.echo("there are no users; `batonmq users add` adds one")
        return
    click.echo(table(("USER", "VHOST", "CONFIGURE", "WRITE", "READ", "TAGS", "KEPT IN"), sorted(rows)))
    for head, found in (
        (("USER", "VHOST", "TOPICS OF", "WRITE", "READ"), sorted(_topics(kept))),
        (("USER", "LIMIT", "VALUE"), sorted(_limits(kept))),
        (("USER", "LOGS IN BY"), sorted(_unusual(kept))),
    ):
        if found:
            click.echo("\n" + table(head, found))


def _topics(kept: UserTable) -> Iterator[tuple[str, ...]]:
    for name, entry in kept.items():
        for vhost, topics in entry.topic_permissions.items():
            for exchange, topic in topics.items():
                yield name, vhost, exchange, *_shown((topic.write, topic.read))


def _limits(kept: UserTable) -> Iterator[tuple[str, ...]]:
    for name, entry in kept.items():
        for limit, value in entry.limits.items():
            yield name, limit, str(value)


def _unusual(kept: UserTable) -> Iterator[tuple[str, ...]]:
    """The users whose password is stored in an unusual form."""
    for name, entry in kept.items():
        algorithm = entry.password_hash.partition("$")[0]
        if algorithm != "scrypt":
            yield name, f"a password, kept by {algorithm}" if algorithm else "a certificate alone"


def _shown(expressions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(expression or "''" for expression in expressions)
