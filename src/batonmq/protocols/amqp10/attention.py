"""A connection of AMQP 1.0 and its sessions, as listings show them, found out on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from batonmq.broker.model.clients import Introduction
from batonmq.protocols.amqp10 import conditions
from batonmq.protocols.amqp10.failures import ConnectionFailure
from batonmq.protocols.amqp10.messages.field_values import to_field
from batonmq.protocols.amqp10.states import CLOSING
from batonmq.protocols.sessions.introductions import bounded, bounded_text

if TYPE_CHECKING:
    from batonmq.broker.model.channels import ChannelStatus, SessionStatus
    from batonmq.protocols.amqp10.codec.performatives import Open
    from batonmq.protocols.amqp10.failures import Failure
    from batonmq.protocols.amqp10.sessions import Sessions
    from batonmq.protocols.amqp10.terms import Terms
    from batonmq.queued import QueuedMessage


class Closable(Protocol):
    """The part of a connection that is needed here."""

    state: int

    def fail(self, failure: Failure, *, is_expected: bool = False) -> None:
        """Close it with an error."""


def introduce(wanted: Open, terms: Terms, mechanism: str) -> Introduction:
    """What the client announced, and the negotiated terms."""
    properties = bounded({str(key): to_field(value) for key, value in (wanted.properties or {}).items()})
    name = properties.get("connection_name")
    return Introduction(
        protocol="AMQP 1.0",
        product=" ".join(str(properties[key]) for key in ("product", "version") if key in properties),
        name=bounded_text(name if isinstance(name, str) and name else terms.container_id),
        mechanism=mechanism or "none",
        channel_max=terms.channel_max,
        frame_max=terms.max_frame_size,
        heartbeat=terms.settings.idle_time_out,
        properties=properties,
        container_id=terms.container_id,
    )


class Attention:
    """An open connection; answers for its ``Client``."""

    __slots__ = ("_connection", "_sessions")

    def __init__(self, connection: Closable, sessions: Sessions) -> None:
        self._connection = connection
        self._sessions = sessions

    @property
    def channel_count(self) -> int:
        """The number of its sessions."""
        return len(self._sessions)

    def channel_numbers(self) -> list[int]:
        """It has no channels, but sessions."""
        return []

    def channel(self, number: int) -> ChannelStatus | None:
        """It has no channels."""
        return None

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        """The messages that the client holds, at most that many of each session."""
        return [session.held(most) for session in self._sessions]

    def sessions(self) -> list[SessionStatus] | None:
        """The state of its sessions."""
        return [session.status() for session in self._sessions]

    @property
    def is_closing(self) -> bool:
        """Has the broker closed it, and is it waiting for the client's answer?"""
        return self._connection.state >= CLOSING

    def force_close(self, reason: str) -> None:
        """close with amqp:connection:forced; the client has some time to answer."""
        self._connection.fail(ConnectionFailure(conditions.CONNECTION_FORCED, reason), is_expected=True)
