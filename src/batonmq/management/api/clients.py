"""Connections, channels and consumers in the form of RabbitMQ's listings, and who may see which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from batonmq.broker.model.access import User
from batonmq.broker.model.channels import ChannelStatus, Counted
from batonmq.broker.model.clients import CLOSING, FLOW, RUNNING, Client
from batonmq.broker.model.consumer import Consumer
from batonmq.broker.model.sockets import TlsTerms
from batonmq.broker.queues.queue import Queue
from batonmq.management.api.ranges import ranges
from batonmq.management.http.call import Call
from batonmq.management.http.errors import Unauthorized
from batonmq.management.http.rights import sees_everything
from batonmq.management.slices import STRIDE, Slices
from batonmq.management.statistics.shown import Figures

__all__ = [
    "Row",
    "View",
    "channel_name",
    "connection_details",
    "describe_consumer",
    "each_consumer",
    "require_sight",
    "sees",
]

Row = dict[str, object]

# RabbitMQ's names that differ from the specification's.
PROTOCOLS: Final = {"AMQP 1.0": "AMQP 1-0"}

PUBLISHES: Final = ("publish", "confirm", "return_unroutable", "drop_unroutable")
DELIVERIES: Final = ("ack", "deliver", "deliver_get", "deliver_no_ack", "get", "get_empty", "get_no_ack", "redeliver")


# ---------------------------------------------------------------------- who sees what


def sees(user: User, client: Client) -> bool:
    """May the user see this connection: one's own, or any with the right to see everything?"""
    return client.user == user.name or sees_everything(user)


def require_sight(user: User, client: Client) -> None:
    """Raises Unauthorized, with RabbitMQ's text."""
    if not sees(user, client):
        raise Unauthorized("User not authorised to access object")


# ---------------------------------------------------------------------- connections and channels


class View:
    """Shows connections and channels in the answer to one request, with the requested samples."""

    def __init__(self, call: Call) -> None:
        """Raises BadRequest for too many samples."""
        context = call.context
        self._node = context.node
        self._statistics = context.statistics
        self._can_store = context.parts.broker.store.error is None
        self._ranges = ranges(call.query)

    def connection(self, client: Client) -> Row:
        """A connection."""
        socket, said = client.socket, client.introduction
        ends = socket.ends
        row: Row = {
            "name": client.name,
            "node": self._node,
            "type": "network",
            "protocol": PROTOCOLS.get(said.protocol, said.protocol),
            "host": ends.host,
            "port": ends.port,
            "peer_host": ends.peer_host,
            "peer_port": ends.peer_port,
            "user": client.user,
            "user_who_performed_action": client.user,
            "vhost": client.vhost,
            "state": client.state(can_store=self._can_store),
            "channels": client.channel_count,
            "channel_max": said.channel_max,
            "frame_max": said.frame_max,
            "timeout": round(said.heartbeat),
            "auth_mechanism": said.mechanism,
            "client_properties": said.properties,
            "connected_at": client.connected_at,
            **self._statistics.connection(client).show(("recv_oct", "send_oct"), self._ranges.data),
            "recv_cnt": socket.reads,
            "send_cnt": socket.writes,
            "send_pend": socket.pending,
            **_tls(socket.tls),
        }
        if said.name:
            row["user_provided_name"] = said.name
        if said.container_id:
            row["container_id"] = said.container_id
        return row

    def channel(self, client: Client, number: int) -> Row:
        """A channel; the remains of one that has been closed meanwhile."""
        row: Row = {
            "name": channel_name(client, number),
            "node": self._node,
            "number": number,
            "user": client.user,
            "user_who_performed_action": client.user,
            "vhost": client.vhost,
            "connection_details": connection_details(client),
        }
        status = client.channel(number)
        if status is None:
            row["state"] = CLOSING
            return row
        row |= {
            "state": self._state(client, status),
            "prefetch_count": status.prefetch,
            "global_prefetch_count": status.shared_prefetch,
            "consumer_count": status.consumers,
            "messages_unacknowledged": status.unacknowledged,
            "messages_unconfirmed": status.unconfirmed,
            "messages_uncommitted": status.uncommitted,
            "acks_uncommitted": status.uncommitted_acks,
            "confirm": status.confirms,
            "transactional": status.is_transactional,
        }
        figures = self._statistics.channel(status.counts)
        stats = self._message_stats(figures)
        if stats:
            row["message_stats"] = stats
        idle_since = figures.idle_since()
        if idle_since is not None:
            row["idle_since"] = datetime.fromtimestamp(idle_since, UTC).isoformat(timespec="milliseconds")
        return row

    def _state(self, client: Client, status: ChannelStatus) -> str:
        if status.is_closing:
            return CLOSING
        state = client.state(can_store=self._can_store)
        return state if state in (FLOW, CLOSING) else RUNNING

    def message_stats(self, counts: Counted) -> Row:
        """The counters of published and of delivered messages; a group is left out while all its numbers are 0."""
        return self._message_stats(self._statistics.channel(counts))

    def _message_stats(self, figures: Figures) -> Row:
        shown: Row = {}
        if figures.are_nothing:
            return shown
        for names in (PUBLISHES, DELIVERIES):
            if any(figures.value(name) for name in names):
                shown |= figures.show(names, self._ranges.messages)
        return shown


def _tls(terms: TlsTerms | None) -> Row:
    certificate = terms.certificate if terms is not None else None
    return {
        "ssl": terms is not None,
        "ssl_protocol": terms.protocol if terms is not None else None,
        "ssl_cipher": terms.cipher if terms is not None else None,
        "ssl_key_exchange": terms.key_exchange if terms is not None else None,
        "ssl_hash": terms.hash if terms is not None else None,
        "peer_cert_subject": certificate.subject if certificate is not None else None,
        "peer_cert_issuer": certificate.issuer if certificate is not None else None,
        "peer_cert_validity": certificate.validity if certificate is not None else None,
        "peer_cert_serial_number": certificate.serial_number if certificate is not None else None,
    }


def connection_details(client: Client) -> Row:
    """The connection, as its channels and consumers name it."""
    ends = client.socket.ends
    return {"name": client.name, "peer_host": ends.peer_host, "peer_port": ends.peer_port}


def channel_name(client: Client, number: int) -> str:
    """The name of a channel: that of its connection, and its number."""
    return f"{client.name} ({number})"


# ---------------------------------------------------------------------- consumers


async def each_consumer(queues: Iterable[Queue]) -> AsyncIterator[tuple[Queue, Consumer]]:
    """The consumers of these queues one by one, yielding to the loop in between; they may come and go meanwhile."""
    slices = Slices()
    for number, queue in enumerate(queues):
        for at, consumer in enumerate(list(queue.consumers)):
            yield queue, consumer
            if at % STRIDE == STRIDE - 1 and slices.is_over:
                await slices.rest()
        if number % STRIDE == STRIDE - 1 and slices.is_over:
            await slices.rest()


def describe_consumer(queue: Queue, consumer: Consumer, node: str) -> Row:
    """A consumer of a queue."""
    is_active, activity = _activity(queue, consumer)
    prefetch, details = _whose(consumer, node)
    return {
        "consumer_tag": consumer.tag,
        "queue": {"name": queue.name, "vhost": queue.vhost_name},
        "channel_details": details,
        "ack_required": not consumer.no_ack,
        "exclusive": consumer.exclusive,
        "prefetch_count": prefetch,
        "active": is_active,
        "activity_status": activity,
        "arguments": consumer.arguments,
        "consumer_timeout": consumer.timeout if consumer.timeout is not None else queue.settings.consumer_timeout,
    }


def _activity(queue: Queue, consumer: Consumer) -> tuple[bool, str]:
    if queue.settings.single_active:
        is_active = consumer is queue.active
        return is_active, "single_active" if is_active else "waiting"
    return True, "up"


def _whose(consumer: Consumer, node: str) -> tuple[int, Mapping[str, object]]:
    subscriber = consumer.subscriber()
    if subscriber is None:
        return 0, {}
    client = subscriber.client
    ends = client.socket.ends
    return subscriber.prefetch, {
        "name": channel_name(client, subscriber.channel),
        "number": subscriber.channel,
        "node": node,
        "user": client.user,
        "connection_name": client.name,
        "peer_host": ends.peer_host,
        "peer_port": ends.peer_port,
    }
