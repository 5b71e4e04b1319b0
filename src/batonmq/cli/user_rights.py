"""batonmq users: the rights and limits of a user"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from batonmq.cli.failure import Failure
from batonmq.cli.names import NAME, TEXT, say
from batonmq.cli.user_files import change, entry, place, vhosts

__all__ = ["RIGHTS"]


@click.command(short_help="Give user NAME access to a virtual host.")
@click.argument("name", type=TEXT)
@click.option("--vhost", type=NAME, default="/", help="In which virtual host. Default: /")
@click.option("--configure", type=TEXT, metavar="RE", default=".*", help="Names it may declare and delete. Default: .*")
@click.option("--write", type=TEXT, metavar="RE", default=".*", help="Names it may publish and bind to. Default: .*")
@click.option(
    "--read", type=TEXT, metavar="RE", default=".*", help="Names it may consume, get and bind from. Default: .*"
)
@place
def permit(name: str, vhost: str, configure: str, write: str, read: str, data: str | None, file: Path | None) -> None:
    """Give user NAME access to a virtual host, and say which queues and exchanges it may use there.

    RE is a regular expression that is searched for in their names; '' permits nothing.
    """
    from batonmq.server.users import PermissionEntry

    try:
        permission = PermissionEntry(configure=configure, write=write, read=read)
    except ValueError as error:
        raise Failure(f"--{error}", 2) from None
    _require_vhost(vhost, data, file)
    with change(name, data, file) as found:
        known = entry(found, name, file)
        found[name] = msgspec.structs.replace(known, permissions={**known.permissions, vhost: permission})
    say(f"user {name} may use virtual host {vhost}")


@click.command()
@click.argument("name", type=TEXT)
@click.option("--vhost", type=NAME, default="/", help="Which virtual host. Default: /")
@place
def forbid(name: str, vhost: str, data: str | None, file: Path | None) -> None:
    """Deny user NAME access to a virtual host."""
    with change(name, data, file) as found:
        known = entry(found, name, file)
        if vhost not in known.permissions:
            raise Failure(f"user {name!r} has no access to virtual host {vhost!r}")
        left = {key: value for key, value in known.permissions.items() if key != vhost}
        found[name] = msgspec.structs.replace(known, permissions=left)
    say(f"user {name} may not use virtual host {vhost} any more")


@click.command("permit-topics", short_help="Restrict user NAME to some routing keys.")
@click.argument("name", type=TEXT)
@click.option("--vhost", type=NAME, default="/", help="In which virtual host. Default: /")
@click.option("--exchange", type=NAME, default="amq.topic", help="Of which topic exchange. Default: amq.topic")
@click.option("--write", type=TEXT, metavar="RE", default=".*", help="Routing keys it may publish with. Default: .*")
@click.option("--read", type=TEXT, metavar="RE", default=".*", help="Routing keys it may bind with. Default: .*")
@place
def permit_topics(
    name: str, vhost: str, exchange: str, write: str, read: str, data: str | None, file: Path | None
) -> None:
    """Say which routing keys of a topic exchange user NAME may use; the default is all.

    RE is a regular expression that is searched for in routing keys; {username} and {vhost} in it stand for those names.
    """
    from batonmq.server.users import TopicEntry

    try:
        topics = TopicEntry(write=write, read=read)
    except ValueError as error:
        raise Failure(f"--{error}", 2) from None
    _require_vhost(vhost, data, file)
    with change(name, data, file) as found:
        known = entry(found, name, file)
        there = known.topic_permissions
        changed = {**there, vhost: {**there.get(vhost, {}), exchange: topics}}
        found[name] = msgspec.structs.replace(known, topic_permissions=changed)
    say(f"user {name} has topics of its own in {exchange} of virtual host {vhost}")


@click.command("free-topics", short_help="Let user NAME use all routing keys again.")
@click.argument("name", type=TEXT)
@click.option("--vhost", type=NAME, default="/", help="In which virtual host. Default: /")
@click.option("--exchange", type=NAME, default="amq.topic", help="Of which topic exchange. Default: amq.topic")
@place
def free_topics(name: str, vhost: str, exchange: str, data: str | None, file: Path | None) -> None:
    """Let user NAME use all routing keys of a topic exchange again."""
    with change(name, data, file) as found:
        known = entry(found, name, file)
        there = known.topic_permissions
        if exchange not in there.get(vhost, {}):
            raise Failure(f"nothing is said of the topics of user {name!r} in {exchange!r} of virtual host {vhost!r}")
        left = {key: value for key, value in there[vhost].items() if key != exchange}
        others = {key: value for key, value in there.items() if key != vhost}
        found[name] = msgspec.structs.replace(known, topic_permissions={**others, vhost: left} if left else others)
    say(f"user {name} may use all topics in {exchange} of virtual host {vhost}")


@click.command("limit", short_help="Limit the connections and channels of user NAME.")
@click.argument("name", type=TEXT)
@click.option("--max-connections", type=int, metavar="N", help="How many connections it may have; -1: any number.")
@click.option("--max-channels", type=int, metavar="N", help="How many channels it may have; -1: any number.")
@place
def limit(
    name: str, max_connections: int | None, max_channels: int | None, data: str | None, file: Path | None
) -> None:
    """Limit how many connections and channels user NAME may have at once."""
    asked = {"max-connections": max_connections, "max-channels": max_channels}
    said = {key: value for key, value in asked.items() if value is not None}
    if not said:
        raise Failure("say --max-connections N, --max-channels N, or both", 2)
    with change(name, data, file) as found:
        known = entry(found, name, file)
        limits = {key: value for key, value in {**known.limits, **said}.items() if value >= 0}
        found[name] = msgspec.structs.replace(known, limits=limits)
    say(f"user {name} has other limits")


def _require_vhost(vhost: str, data: str | None, file: Path | None) -> None:
    known = vhosts(data, file)
    if vhost not in known:
        shown = ", ".join(map(repr, sorted(known)))
        hint = "" if file is not None else "; --config FILE names the TOML file of one that has others"
        raise Failure(f"there is no virtual host {vhost!r}: the broker has {shown}{hint}")


RIGHTS = (permit, forbid, permit_topics, free_topics, limit)
