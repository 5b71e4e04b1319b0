"""The protocols: how to create a session of each, with the configuration current when a client connects."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batonmq.broker import Broker
from batonmq.protocols.amqp091.handshake import PROTOCOL_HEADER
from batonmq.protocols.amqp091.session import amqp_session
from batonmq.protocols.amqp091.settings import AmqpSettings
from batonmq.protocols.amqp10 import DIALECTS as AMQP10_DIALECTS, Amqp10Settings, Containers, amqp10_session
from batonmq.protocols.stomp import DIALECTS, StompSettings, stomp_session
from batonmq.server.config import Amqp10Config, AmqpConfig, StompConfig, WebSocketConfig
from batonmq.server.interface import Host, Session
from batonmq.server.live import Live
from batonmq.server.recognise import ServedProtocol, begins_amqp10, begins_stomp
from batonmq.server.tls_failures import NO_TLS_HERE
from batonmq.server.websocket import WebSocketSession
from batonmq.server.websocket_settings import WebSocketSettings

__all__ = ["amqp10_protocol", "amqp_protocol", "stomp_protocol", "websocket_protocol"]


def amqp_protocol(broker: Broker, live: Live[AmqpConfig]) -> ServedProtocol:
    """AMQP 0-9-1.

    It takes what no other protocol does: a wrong header is answered with the right one (section 4.2.2).
    """
    defaults = AmqpSettings()

    def settings() -> AmqpSettings:
        configured = live.value
        return AmqpSettings(
            product=configured.product or defaults.product,
            version=configured.version or defaults.version,
            heartbeat=configured.heartbeat,
            channel_max=configured.channel_max,
            frame_max=configured.frame_max,
            max_message_size=configured.max_message_size,
            max_transaction_size=configured.max_transaction_size,
            handshake_timeout=configured.handshake_timeout,
        )

    return ServedProtocol(
        "AMQP 0-9-1",
        lambda _: True,
        lambda host: amqp_session(broker, host, settings()),
        word="amqp091",
        # Answered like any other wrong header (section 4.2.2).
        answer_to_tls=PROTOCOL_HEADER,
    )


def amqp10_protocol(broker: Broker, live: Live[Amqp10Config], dialect: str, containers: Containers) -> ServedProtocol:
    """AMQP 1.0 for one listener; an empty ``dialect`` stands for that of ``[amqp10]``.

    ``containers`` are those of all listeners.
    """

    def settings() -> Amqp10Settings:
        configured = live.value
        return Amqp10Settings(
            dialect=AMQP10_DIALECTS[dialect or configured.dialect],
            product=configured.product,
            version=configured.version,
            container_id=configured.container_id,
            default_vhost=configured.default_vhost,
            anonymous_login=configured.anonymous_login or None,
            anonymous_passcode=configured.anonymous_passcode,
            idle_time_out=configured.idle_time_out,
            channel_max=configured.channel_max,
            max_frame_size=configured.max_frame_size,
            handle_max=configured.handle_max,
            max_message_size=configured.max_message_size,
            max_transaction_size=configured.max_transaction_size,
            handshake_timeout=configured.handshake_timeout,
        )

    return ServedProtocol(
        "AMQP 1.0", begins_amqp10, lambda host: amqp10_session(broker, host, settings(), containers), word="amqp10"
    )


def stomp_protocol(broker: Broker, live: Live[StompConfig], dialect: str) -> ServedProtocol:
    """STOMP for one listener; an empty ``dialect`` stands for that of ``[stomp]``."""

    def settings() -> StompSettings:
        configured = live.value
        return StompSettings(
            dialect=DIALECTS[dialect or configured.dialect],
            default_vhost=configured.default_vhost,
            default_login=configured.default_login or None,
            default_passcode=configured.default_passcode,
            takes_certificates=configured.certificate_login,
            is_persistent=configured.persistent or None,
            heart_beat_min=configured.heart_beat_min,
            max_headers=configured.max_headers,
            max_head=configured.max_head_size,
            max_body=configured.max_message_size,
            max_subscriptions=configured.max_subscriptions,
            max_transaction_size=configured.max_transaction_size,
            handshake_timeout=configured.handshake_timeout,
        )

    return ServedProtocol(
        "STOMP",
        begins_stomp,
        lambda host: stomp_session(broker, host, settings()),
        word="stomp",
        answer_to_tls=NO_TLS_HERE,
    )


def websocket_protocol(
    live: Live[WebSocketConfig],
    make_session: Callable[[Host], Session],
    binary: Mapping[str, Callable[[Host], Session]],
) -> ServedProtocol:
    """WebSocket, which carries sessions of other protocols.

    ``binary``: the protocols with binary data, by subprotocol.
    """

    def settings() -> WebSocketSettings:
        configured = live.value
        return WebSocketSettings(
            path=configured.path,
            origins=configured.origins,
            max_message_size=configured.max_message_size,
            ping_interval=configured.ping_interval,
            handshake_timeout=configured.handshake_timeout,
        )

    return ServedProtocol(
        "WebSocket",
        lambda _: True,
        lambda host: WebSocketSession(host, settings(), make_session, binary),
        word="websocket",
    )
