"""What brokers do differently where STOMP leaves it open, or where they depart from it: a listener speaks one of these.

``spec`` follows the specification, and where that is silent does what loses nothing. docs/stomp.md has the same table.
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
"""Done with, as if it had been an ACK."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The answers of one kind of broker. The defaults are those of ``spec``."""

    name: str

    # Connecting.
    requires_known_host: bool = False
    """Is a host header that names no virtual host an error? Else the default one is meant."""
    ignores_host: bool = False
    """Is the default virtual host meant, whatever the host header says?"""
    echoes_request_id: bool = False
    """Does CONNECTED carry the request-id of CONNECT as response-id, and its receipt as receipt-id?"""

    connects_again: bool = False
    """After a CONNECT that was refused, may another follow on the same connection, within the time for it?"""

    # Errors and receipts.
    closes_on_error: bool = True
    """Does every ERROR end the connection? Else only those after which it cannot go on."""
    confirms_transactions_late: bool = True
    """Does the receipt of a frame in a transaction come after COMMIT? Else it tells that the frame has come."""

    # Destinations.
    names_have_slashes: bool = False
    """Is ``/queue/a/b`` the queue ``a/b``? Else the slash has to be written as %2F."""
    temp_queues_are_destinations: bool = True
    """Can a client send to its own ``/temp-queue/`` and subscribe to it?"""
    subscribes_to_replies: bool = True
    """Does a reply-to of ``/temp-queue/x`` bring the replies by itself, as of subscription ``/temp-queue/x``?"""
    has_wildcards: bool = False
    """Is ``>`` in a topic what ``#`` is elsewhere?"""
    names_queues_as_asked: bool = True
    """Does a MESSAGE name its queue as the subscriber did? Else always in the form ``/queue/NAME``."""

    has_bare_names: bool = False
    """Is a name without a prefix a queue or a topic, by what there is of it, and ``ADDRESS::QUEUE`` that queue?"""
    has_composites: bool = False
    """Does ``/queue/a,/queue/b`` mean both, and what stands behind ``?`` options? Then queues have wildcards, too."""
    customs: Customs = NO_CUSTOMS
    """What is done unasked for queues that are made here."""

    # Messages.
    is_persistent: bool = False
    """Is a message without the header persistent to survive a restart?"""
    forbids_message_id: bool = False
    """Is message-id on SEND an error? Else it becomes the message id of AMQP."""
    reply_to_is_bare: bool = True
    """Does an AMQP client see the name alone of a reply-to of ``/queue/NAME``?"""
    shows_defaults: bool = False
    """Do MESSAGE frames have priority and expires, set or not?"""
    shows_expires: bool = True
    """Do MESSAGE frames of messages that end tell when, as expires?"""
    shows_expiration: bool = True
    """Do they tell for how long they were sent, as expiration?"""
    shows_origin: bool = False
    """Do they tell of a dead letter of which destination it is, and why, in the headers that the broker has for it?"""
    shows_time: bool = False
    """Do all of them have a timestamp, in milliseconds, of when they were sent?"""
    tells_text: frozenset[str] = frozenset()
    """In which versions does a MESSAGE of what was sent without content-length, which is text, have none either?"""
    has_user_ids: bool = True
    """Is user-id the property of AMQP, to be that of the log-in? Else a header as any other."""
    shows_persistent: bool = False
    """Do MESSAGE frames of messages that are not persistent say so?"""
    shows_redelivered: bool = True
    """Do MESSAGE frames say redelivered:false?"""

    # Subscriptions.
    requires_id: bool = True
    """Must SUBSCRIBE and UNSUBSCRIBE have an id in 1.1 and 1.2?"""
    prefetch: int = 1_000
    """How many messages a client with acknowledgements holds at once, unless it says otherwise; 0: no limit."""
    window: int = 0
    """The octets of message bodies that a subscription may hold, unless SUBSCRIBE says otherwise; 0: no limit."""
    no_local: tuple[str, ...] = ()
    """Headers of SUBSCRIBE to a topic, each of which keeps what the connection itself sends away from it."""
    keeps_unacknowledged: bool = True
    """After UNSUBSCRIBE, can what was delivered still be acknowledged? Else it goes back to the queue."""

    # Acknowledging.
    acknowledges_connection: bool = False
    """Does ACK in mode client reach over all subscriptions of the connection?"""
    ack_needs_subscription: bool = True
    """In 1.1, must ACK and NACK name the subscription of the message? Else message-id alone counts."""
    ack_fails_as_amqp: bool = False
    """Is settling what is not unsettled AMQP's "unknown delivery tag", which ends the connection?"""
    nack: str = RELEASE
    nack_is_cumulative: bool = True
    """Does NACK in mode client mean the earlier messages too?"""
    allows_nack_in_10: bool = False

    # Transactions.
    begins_anew: bool = False
    """Does BEGIN of a transaction that is open start it anew? Else it is an error."""
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
