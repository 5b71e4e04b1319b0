"""The performative open: the client's request, and our answer (part 2 §2.7.1)."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.codec.performatives import Open
from batonmq.protocols.amqp10.codec.values import Symbol
from batonmq.protocols.amqp10.failures import ConnectionFailure
from batonmq.protocols.amqp10.terms import UNLIMITED_FRAME, Terms
from batonmq.version import __version__

if TYPE_CHECKING:
    from batonmq.protocols.amqp10.settings import Amqp10Settings

# The smallest limit of a frame's size that a peer may set (part 2 §2.7.1, min-max-frame-size).
FRAME_MIN: Final = 512
# RabbitMQ's clients put this before the name of a virtual host.
VHOST_PREFIX: Final = "vhost:"
# The shortest time-out accepted, in milliseconds: more frequent signs of life are of no use.
IDLE_MIN: Final = 500
# The supported ones of the capabilities that clients desire.
CAPABILITIES: Final = (
    "ANONYMOUS-RELAY",
    "DELAYED_DELIVERY",
    "LINK_PAIR_V1_0",
    "SHARED-SUBS",
    "sole-connection-for-container",
)


def vhost_name(wanted: Open, settings: Amqp10Settings) -> str:
    """The name of the virtual host that a client opens."""
    hostname = wanted.hostname or ""
    if not hostname.startswith(VHOST_PREFIX):
        return settings.default_vhost
    # RabbitMQ's clients escape it as in a URL.
    return unquote(hostname.removeprefix(VHOST_PREFIX))


def agree(wanted: Open, settings: Amqp10Settings) -> Terms:
    """The terms that follow from a client's open. Raises ConnectionFailure for unacceptable values."""
    size = wanted.max_frame_size if wanted.max_frame_size is not None else UNLIMITED_FRAME
    if size < FRAME_MIN:
        text = f"max-frame-size {size} is below {FRAME_MIN}"
        raise ConnectionFailure(conditions.INVALID_FIELD, text, {"invalid-field": "max-frame-size"})
    idle = wanted.idle_time_out or 0
    if 0 < idle < IDLE_MIN:
        text = f"idle-time-out {idle} ms is below {IDLE_MIN} ms"
        raise ConnectionFailure(conditions.NOT_ALLOWED, text, {"invalid-field": "idle-time-out"})
    channel_max = wanted.channel_max if wanted.channel_max is not None else 0xFFFF
    return Terms(
        settings=settings,
        dialect=settings.dialect,
        container_id=wanted.container_id,
        channel_max=min(channel_max, settings.channel_max),
        max_frame_size=min(size, settings.max_frame_size),
        idle_time_out=idle / 1000,
        desired=frozenset(str(name) for name in wanted.desired_capabilities or ()),
    )


def answer(settings: Amqp10Settings, *, is_refusal: bool = False) -> Open:
    """Our open.

    A refusal announces that the connection was not established, and that a close follows: Qpid's convention.
    """
    dialect = settings.dialect
    properties: dict[object, object] = {
        Symbol("product"): settings.product or dialect.product,
        Symbol("version"): settings.version or dialect.version,
        Symbol("platform"): f"Python {platform.python_version()}",
        Symbol("information"): f"BatonMQ {__version__}",
        # RabbitMQ's client for Java refuses a broker that does not name its node, and compares it with queues' leaders.
        Symbol("node"): settings.container_id,
    }
    if is_refusal:
        properties[Symbol("amqp:connection-establishment-failed")] = True
    else:
        # Qpid JMS adds these prefixes to the names of its destinations, and removes them again.
        for name, prefix in (("queue-prefix", dialect.queue_prefix), ("topic-prefix", dialect.topic_prefix)):
            if prefix:
                properties[Symbol(name)] = prefix
    half = int(settings.idle_time_out * 500)
    return Open(
        container_id=settings.container_id,
        max_frame_size=settings.max_frame_size,
        channel_max=settings.channel_max,
        idle_time_out=half or None,
        offered_capabilities=[Symbol(name) for name in CAPABILITIES],
        properties=properties,
    )
