"""Requests about channels and consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.management.descriptions import describe_progress, readable
from batonmq.broker.management.rights import sees, sees_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.model.clients import Client
    from batonmq.queued import Holder


def _channels(request: Request) -> Answer:
    user = request.operations.user
    seen = [client for client in request.operations.vhost.directory.clients if sees(user, client)]
    return {"channels": [channel for client in seen for channel in _channels_of(client)]}


def _channels_of(client: Client) -> Iterator[Answer]:
    """The channels: those of AMQP 0-9-1 and STOMP, or the sessions of AMQP 1.0."""
    whose: Answer = {"connection": client.name, "user": client.user, "vhost": client.vhost}
    sessions = client.sessions()
    if sessions is not None:
        for session in sessions:
            yield {
                **whose,
                "number": session.number,
                "consumers": len(session.outgoing),
                "unacknowledged": session.unsettled,
                "counters": session.counts.listed(),
            }
        return
    for number in client.channel_numbers():
        channel = client.channel(number)
        if channel is not None:
            yield {
                **whose,
                "number": channel.number,
                "consumers": channel.consumers,
                "unacknowledged": channel.unacknowledged,
                "prefetch": channel.prefetch,
                "shared_prefetch": channel.shared_prefetch,
                "unconfirmed": channel.unconfirmed,
                "uncommitted": channel.uncommitted,
                "confirms": channel.confirms,
                "transactional": channel.is_transactional,
                "counters": channel.counts.listed(),
            }


def _consumers(request: Request) -> Answer:
    """The consumers in the virtual host, on queues that the user may read."""
    user, vhost = request.operations.user, request.operations.vhost
    found: list[Answer] = []
    at_work: dict[Holder, list[Answer]] = {}
    for queued, progress in vhost.progress.all():
        if queued.holder is not None:
            described = {"message_id": queued.message.properties.message_id, **describe_progress(progress)}
            at_work.setdefault(queued.holder, []).append(described)
    for queue in sorted(vhost.queues.values(), key=lambda queue: queue.name):
        if not (sees_all(user) or user.may(vhost.name, "read", queue.name)):
            continue
        for consumer in queue.consumers:
            whose = consumer.subscriber()
            found.append(
                {
                    "queue": queue.name,
                    "vhost": vhost.name,
                    "tag": consumer.tag,
                    "connection": whose.client.name if whose is not None else None,
                    "channel": whose.channel if whose is not None else None,
                    "prefetch": whose.prefetch if whose is not None else None,
                    "acknowledges": not consumer.no_ack,
                    "exclusive": consumer.exclusive,
                    "priority": consumer.priority,
                    "arguments": readable(dict(consumer.arguments)),
                    "progress": at_work.get(consumer, []),
                }
            )
    return {"consumers": found}


CLIENT_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "channels.list": _channels,
    "consumers.list": _consumers,
}
