"""Dialects: how brokers differ where STOMP leaves things open, or where they depart from it.

Each listener has one. ``spec`` follows the specification, and where that is silent does what loses nothing.
docs/stomp.md has the same table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from batonmq.protocols.sessions.customs import NO_CUSTOMS, OF_ACTIVEMQ, OF_ARTEMIS, Customs
from batonmq.protocols.stomp.codec import V10, V11, V12

__all__ = ["ACCEPT", "ACTIVEMQ", "ARTEMIS", "DIALECTS", "RABBITMQ", "REJECT", "RELEASE", "SPEC", "Dialect"]

# What a NACK does to a message.
RELEASE: Final = "release"
"""Back to its old place in the queue, its delivery count one higher."""
REJECT: Final = "reject"
"""To the queue's dead letters."""
ACCEPT: Final = "accept"
"""Accepted, as by an ACK."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The behaviour of one kind of broker. The defaults are those of ``spec``."""

    name: str

    # Connecting.
    requires_known_host: bool = False
    """Is a host header with an unknown virtual host an error? Otherwise it means the default one."""
    ignores_host: bool = False
    """Is the host header ignored in favour of the default virtual host?"""
    echoes_request_id: bool = False
    """Does CONNECTED carry the request-id of CONNECT as response-id, and its receipt as receipt-id?"""

    connects_again: bool = False
    """May another CONNECT follow a refused one on the same connection, within the time limit?"""

    # Errors and receipts.
    closes_on_error: bool = True
    """Does every ERROR end the connection? Otherwise only those after which it cannot continue."""
    confirms_transactions_late: bool = True
    """Is the receipt of a frame in a transaction sent after COMMIT? Otherwise it confirms the arrival of the frame."""

    # Destinations.
    names_have_slashes: bool = False
    """Is ``/queue/a/b`` the queue ``a/b``? Otherwise the slash has to be written as %2F."""
    temp_queues_are_destinations: bool = True
    """Can a client send to its own ``/temp-queue/`` and subscribe to it?"""
    subscribes_to_replies: bool = True
    """Does a reply-to of ``/temp-queue/x`` subscribe to the replies, as subscription ``/temp-queue/x``?"""
    has_wildcards: bool = False
    """Does ``>`` in a topic mean ``#``?"""
    names_queues_as_asked: bool = True
    """Does a MESSAGE name its queue as the subscriber did? Otherwise always in the form ``/queue/NAME``."""

    has_bare_names: bool = False
    """Is a name without a prefix a queue or a topic, whichever exists, and ``ADDRESS::QUEUE`` that queue?"""
    has_composites: bool = False
    """Does ``/queue/a,/queue/b`` mean both, and do options follow ``?``? Then queues have wildcards, too."""
    customs: Customs = NO_CUSTOMS
    """The customs for queues declared here."""

    # Messages.
    is_persistent: bool = False
    """Does a message without the header persistent survive a restart?"""
    forbids_message_id: bool = False
    """Is message-id on SEND an error? Otherwise it becomes AMQP's message-id."""
    reply_to_is_bare: bool = True
    """Does an AMQP client see only the name of a reply-to of ``/queue/NAME``?"""
    shows_defaults: bool = False
    """Do MESSAGE frames have priority and expires, set or not?"""
    shows_expires: bool = True
    """Do MESSAGE frames of messages with a time to live have the header expires?"""
    shows_expiration: bool = True
    """Do they have the original time to live, as expiration?"""
    shows_origin: bool = False
    """Do they give a dead letter's destination and reason in the broker's own headers?"""
    shows_time: bool = False
    """Do they all have the time of sending as timestamp, in milliseconds?"""
    tells_text: frozenset[str] = frozenset()
    """The versions in which a message sent without content-length, as text, is also delivered without it."""
    has_user_ids: bool = True
    """Is user-id AMQP's property, which must match the log-in? Otherwise it is an ordinary header."""
    shows_persistent: bool = False
    """Do MESSAGE frames say persistent:false?"""
    shows_redelivered: bool = True
    """Do MESSAGE frames say redelivered:false?"""

    # Subscriptions.
    requires_id: bool = True
    """Must SUBSCRIBE and UNSUBSCRIBE have an id in 1.1 and 1.2?"""
    prefetch: int = 1_000
    """The default prefetch of a client with acknowledgements; 0: no limit."""
    window: int = 0
    """The default limit of a subscription's unsettled bodies in octets; 0: no limit."""
    no_local: tuple[str, ...] = ()
    """Headers of SUBSCRIBE to a topic that exclude messages sent on the same connection."""
    keeps_unacknowledged: bool = True
    """Can deliveries still be acknowledged after UNSUBSCRIBE? Otherwise they go back to the queue."""

    # Acknowledging.
    acknowledges_connection: bool = False
    """Does ACK in mode client apply to all subscriptions of the connection?"""
    ack_needs_subscription: bool = True
    """Must ACK and NACK name the subscription in 1.1? Otherwise only message-id counts."""
    ack_fails_as_amqp: bool = False
    """Is settling a delivery that is not unsettled AMQP's "unknown delivery tag", which ends the connection?"""
    nack: str = RELEASE
    nack_is_cumulative: bool = True
    """Does NACK in mode client mean the earlier messages too?"""
    allows_nack_in_10: bool = False

    # Transactions.
    begins_anew: bool = False
    """Does BEGIN of an open transaction restart it? Otherwise it is an error."""
    transactions_max: int = 1_000
    transaction_frames_max: int = 50_000


SPEC: Final = Dialect("spec")

RABBITMQ: Final = Dialect(
    "rabbitmq",
    requires_known_host=True,
    connects_again=True,
    closes_on_error=False,
    temp_queues_are_destinations=False,
    names_queues_as_asked=False,
    shows_expires=False,
    forbids_message_id=True,
    reply_to_is_bare=False,
    requires_id=False,
    prefetch=0,
    acknowledges_connection=True,
    ack_needs_subscription=False,
    ack_fails_as_amqp=True,
    allows_nack_in_10=True,
    begins_anew=True,
    transactions_max=16,
    transaction_frames_max=1_024,
)

ACTIVEMQ: Final = Dialect(
    "activemq",
    ignores_host=True,
    echoes_request_id=True,
    closes_on_error=False,
    confirms_transactions_late=False,
    names_have_slashes=True,
    subscribes_to_replies=False,
    has_wildcards=True,
    has_composites=True,
    customs=OF_ACTIVEMQ,
    shows_defaults=True,
    shows_expiration=False,
    shows_origin=True,
    shows_time=True,
    tells_text=frozenset({V10, V11, V12}),
    has_user_ids=False,
    shows_redelivered=False,
    no_local=("activemq.noLocal",),
    keeps_unacknowledged=False,
    nack=REJECT,
    nack_is_cumulative=False,
)

ARTEMIS: Final = Dialect(
    "artemis",
    ignores_host=True,
    echoes_request_id=True,
    closes_on_error=False,
    confirms_transactions_late=False,
    names_have_slashes=True,
    subscribes_to_replies=False,
    has_wildcards=True,
    has_bare_names=True,
    customs=OF_ARTEMIS,
    shows_defaults=True,
    shows_expiration=False,
    shows_origin=True,
    shows_time=True,
    tells_text=frozenset({V10}),
    has_user_ids=False,
    shows_persistent=True,
    prefetch=0,
    window=10_240,
    no_local=("no-local", "activemq.noLocal"),
    keeps_unacknowledged=False,
    nack=ACCEPT,
)

DIALECTS: Final[dict[str, Dialect]] = {dialect.name: dialect for dialect in (SPEC, RABBITMQ, ACTIVEMQ, ARTEMIS)}
