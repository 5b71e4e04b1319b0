"""How RabbitMQ's listings show connections, channels and consumers, and who sees which of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from batonmq.broker.model.access import User
from batonmq.broker.model.channels import ChannelStatus
from batonmq.broker.model.clients import CLOSING, FLOW, RUNNING, Client
from batonmq.broker.model.consumer import Consumer
from batonmq.broker.queues.queue import Queue
from batonmq.management.api.message_stats import message_stats
from batonmq.management.http.errors import Unauthorized
from batonmq.management.http.rights import sees_everything

__all__ = [
    "Row",
    "channel_name",
    "connection_details",
    "describe_channel",
    "describe_connection",
    "describe_consumer",
    "require_sight",
    "sees",
]

Row = dict[str, object]

# Where RabbitMQ's word is another than that of the specification.
PROTOCOLS: Final = {"AMQP 1.0": "AMQP 1-0"}


# ---------------------------------------------------------------------- who sees what


def sees(user: User, client: Client) -> bool:
    """May the user see this connection? One's own, or all."""
    return client.user == user.name or sees_everything(user)


def require_sight(user: User, client: Client) -> None:
    """Raises Unauthorized, in RabbitMQ's words."""
    if not sees(user, client):
        raise Unauthorized("User not authorised to access object")


# ---------------------------------------------------------------------- connections


def describe_connection(client: Client, node: str, *, can_store: bool) -> Row:
    """A connection. ``can_store``: does the broker's store take messages?"""
    socket, said = client.socket, client.introduction
    ends = socket.ends
    row: Row = {
        "name": client.name,
        "node": node,
        "type": "network",
        "protocol": PROTOCOLS.get(said.protocol, said.protocol),
        "host": ends.host,
        "port": ends.port,
        "peer_host": ends.peer_host,
        "peer_port": ends.peer_port,
        "user": client.user,
        "user_who_performed_action": client.user,
        "user_provided_name": said.name,
        "vhost": client.vhost,
        "state": client.state(can_store=can_store),
        "channels": client.channel_count,
        "channel_max": said.channel_max,
        "frame_max": said.frame_max,
        "timeout": round(said.heartbeat),
        "auth_mechanism": said.mechanism,
        "client_properties": said.properties,
        "connected_at": client.connected_at,
        "recv_oct": socket.octets_received,
        "recv_oct_details": {"rate": 0.0},
        "recv_cnt": socket.reads,
        "send_oct": socket.octets_sent,
        "send_oct_details": {"rate": 0.0},
        "send_cnt": socket.writes,
        "send_pend": socket.pending,
        **_tls(client),
    }
    if said.container_id:
        row["container_id"] = said.container_id
    if not said.name:
        del row["user_provided_name"]
    return row


def _tls(client: Client) -> Row:
    terms = client.socket.tls
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
    """The connection, as what belongs to it names it."""
    ends = client.socket.ends
    return {"name": client.name, "peer_host": ends.peer_host, "peer_port": ends.peer_port}


# ---------------------------------------------------------------------- channels


def channel_name(client: Client, number: int) -> str:
    """The name of a channel: that of its connection, and its number."""
    return f"{client.name} ({number})"


def describe_channel(client: Client, number: int, node: str, *, can_store: bool) -> Row:
    """A channel; what is left of it, if it is closed by now."""
    status = client.channel(number)
    row: Row = {
        "name": channel_name(client, number),
        "node": node,
        "number": number,
        "user": client.user,
        "user_who_performed_action": client.user,
        "vhost": client.vhost,
        "connection_details": connection_details(client),
        "state": CLOSING,
    }
    if status is not None:
        row |= {
            "state": _state(client, status, can_store=can_store),
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
        stats = message_stats(status.counts.listed())
        if stats:
            row["message_stats"] = stats
    return row


def _state(client: Client, status: ChannelStatus, *, can_store: bool) -> str:
    if status.is_closing:
        return CLOSING
    state = client.state(can_store=can_store)
    return state if state in (FLOW, CLOSING) else RUNNING


# ---------------------------------------------------------------------- consumers


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
