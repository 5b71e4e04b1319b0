"""Every composite type of AMQP 1.0 as one table: transport, SASL, messaging, transactions (parts 2 to 5).

`composites` has what the types of fields are. Only the first sentence of each class is said here; the section has the
rest. The table is longer than a file should be, because it is one: in pieces, nothing in it would be easier to find.
"""

from __future__ import annotations

from typing import TypeAlias, Union

from batonmq.protocols.amqp10.codec.composites import (
    Annotations,
    AnyMap,
    AnyValue,
    Binary,
    Boolean,
    Composite,
    DeliveryTag,
    Durability,
    Fields,
    MessageId,
    ReceiverSettleMode,
    SaslCode,
    SenderSettleMode,
    String,
    Symbol,
    Symbols,
    Timestamp,
    Ubyte,
    Uint,
    Ulong,
    Ushort,
    composite,
    decode_composite,
    encode_composite,
)

__all__ = [
    "Accepted",
    "Attach",
    "Begin",
    "Close",
    "Coordinator",
    "Declare",
    "Declared",
    "DeleteOnClose",
    "DeleteOnNoLinks",
    "DeleteOnNoLinksOrMessages",
    "DeleteOnNoMessages",
    "DeliveryState",
    "Detach",
    "Discharge",
    "Disposition",
    "End",
    "Error",
    "Flow",
    "Header",
    "LifetimePolicy",
    "MessageProperties",
    "Modified",
    "Open",
    "Outcome",
    "Performative",
    "Received",
    "Rejected",
    "Released",
    "SaslChallenge",
    "SaslInit",
    "SaslMechanisms",
    "SaslOutcome",
    "SaslPerformative",
    "SaslResponse",
    "Source",
    "Target",
    "TransactionalState",
    "Transfer",
    "decode_composite",
    "encode_composite",
]

# Archetypes: what may stand for one another in a field.
DeliveryState: TypeAlias = Union[
    "Received", "Accepted", "Rejected", "Released", "Modified", "Declared", "TransactionalState"
]
Outcome: TypeAlias = Union["Accepted", "Rejected", "Released", "Modified", "Declared"]
AnyTarget: TypeAlias = Union["Target", "Coordinator"]
LifetimePolicy: TypeAlias = Union["DeleteOnClose", "DeleteOnNoLinks", "DeleteOnNoMessages", "DeleteOnNoLinksOrMessages"]
Performative: TypeAlias = Union["Open", "Begin", "Attach", "Flow", "Transfer", "Disposition", "Detach", "End", "Close"]
SaslPerformative: TypeAlias = Union["SaslMechanisms", "SaslInit", "SaslChallenge", "SaslResponse", "SaslOutcome"]


# Transport: part 2


@composite(0x10, "amqp:open:list", "Performative")
class Open(Composite):
    """Negotiates what holds for the connection (§2.7.1). ``idle_time_out`` in milliseconds."""

    container_id: String
    hostname: String | None = None
    max_frame_size: Uint | None = None
    channel_max: Ushort | None = None
    idle_time_out: Uint | None = None
    outgoing_locales: Symbols | None = None
    incoming_locales: Symbols | None = None
    offered_capabilities: Symbols | None = None
    desired_capabilities: Symbols | None = None
    properties: Fields | None = None


@composite(0x11, "amqp:begin:list", "Performative")
class Begin(Composite):
    """Begins a session on a channel (§2.7.2). ``remote_channel`` names the session that it answers."""

    remote_channel: Ushort | None = None
    next_outgoing_id: Uint
    incoming_window: Uint
    outgoing_window: Uint
    handle_max: Uint | None = None
    offered_capabilities: Symbols | None = None
    desired_capabilities: Symbols | None = None
    properties: Fields | None = None


@composite(0x12, "amqp:attach:list", "Performative")
class Attach(Composite):
    """Attaches a link to a session (§2.7.3). ``role`` True: the sender of this is the link's receiver."""

    name: String
    handle: Uint
    role: Boolean
    snd_settle_mode: SenderSettleMode | None = None
    rcv_settle_mode: ReceiverSettleMode | None = None
    source: Source | None = None
    target: AnyTarget | None = None
    unsettled: AnyMap | None = None
    incomplete_unsettled: Boolean | None = None
    initial_delivery_count: Uint | None = None
    max_message_size: Ulong | None = None
    offered_capabilities: Symbols | None = None
    desired_capabilities: Symbols | None = None
    properties: Fields | None = None


@composite(0x13, "amqp:flow:list", "Performative")
class Flow(Composite):
    """Updates the flow state of a session, and of a link if it has a handle (§2.7.4)."""

    next_incoming_id: Uint | None = None
    incoming_window: Uint = 0
    next_outgoing_id: Uint = 0
    outgoing_window: Uint = 0
    handle: Uint | None = None
    delivery_count: Uint | None = None
    link_credit: Uint | None = None
    available: Uint | None = None
    drain: Boolean | None = None
    echo: Boolean | None = None
    properties: Fields | None = None


@composite(0x14, "amqp:transfer:list", "Performative")
class Transfer(Composite):
    """Transfers a message, or a part of one, over a link (§2.7.5)."""

    handle: Uint
    delivery_id: Uint | None = None
    delivery_tag: DeliveryTag | None = None
    message_format: Uint | None = None
    settled: Boolean | None = None
    more: Boolean | None = None
    rcv_settle_mode: ReceiverSettleMode | None = None
    state: DeliveryState | None = None
    resume: Boolean | None = None
    aborted: Boolean | None = None
    batchable: Boolean | None = None


@composite(0x15, "amqp:disposition:list", "Performative")
class Disposition(Composite):
    """Informs of the state of deliveries (§2.7.6). ``role`` True: those that its sender has received."""

    role: Boolean
    first: Uint
    last: Uint | None = None
    settled: Boolean | None = None
    state: DeliveryState | None = None
    batchable: Boolean | None = None


@composite(0x16, "amqp:detach:list", "Performative")
class Detach(Composite):
    """Detaches a link from its session (§2.7.7). ``closed`` True: its terminus ends as well."""

    handle: Uint
    closed: Boolean | None = None
    error: Error | None = None


@composite(0x17, "amqp:end:list", "Performative")
class End(Composite):
    """Ends a session (§2.7.8)."""

    error: Error | None = None


@composite(0x18, "amqp:close:list", "Performative")
class Close(Composite):
    """Closes the connection (§2.7.9)."""

    error: Error | None = None


@composite(0x1D, "amqp:error:list")
class Error(Composite):
    """The details of an error (§2.8.14)."""

    condition: Symbol
    description: String | None = None
    info: Fields | None = None


# Delivery states and outcomes: part 3 §3.4


@composite(0x23, "amqp:received:list", "DeliveryState")
class Received(Composite):
    """How much of a message was received (§3.4.1)."""

    section_number: Uint
    section_offset: Ulong


@composite(0x24, "amqp:accepted:list", "DeliveryState", "Outcome")
class Accepted(Composite):
    """The message was processed (§3.4.2)."""


@composite(0x25, "amqp:rejected:list", "DeliveryState", "Outcome")
class Rejected(Composite):
    """The message is invalid and cannot be processed (§3.4.3)."""

    error: Error | None = None


@composite(0x26, "amqp:released:list", "DeliveryState", "Outcome")
class Released(Composite):
    """The message was not processed, and will not be (§3.4.4)."""


@composite(0x27, "amqp:modified:list", "DeliveryState", "Outcome")
class Modified(Composite):
    """The message was not processed, and is changed for the next delivery (§3.4.5)."""

    delivery_failed: Boolean | None = None
    undeliverable_here: Boolean | None = None
    message_annotations: Annotations | None = None


# Sources and targets: part 3 §3.5


@composite(0x28, "amqp:source:list")
class Source(Composite):
    """Where the messages of a link come from (§3.5.3). ``timeout`` in seconds."""

    address: String | None = None
    durable: Durability | None = None
    expiry_policy: Symbol | None = None
    timeout: Uint | None = None
    dynamic: Boolean | None = None
    dynamic_node_properties: Fields | None = None
    distribution_mode: Symbol | None = None
    filter: Fields | None = None
    default_outcome: Outcome | None = None
    outcomes: Symbols | None = None
    capabilities: Symbols | None = None


@composite(0x29, "amqp:target:list", "AnyTarget")
class Target(Composite):
    """Where the messages of a link go to (§3.5.4). ``timeout`` in seconds."""

    address: String | None = None
    durable: Durability | None = None
    expiry_policy: Symbol | None = None
    timeout: Uint | None = None
    dynamic: Boolean | None = None
    dynamic_node_properties: Fields | None = None
    capabilities: Symbols | None = None


@composite(0x2B, "amqp:delete-on-close:list", "LifetimePolicy")
class DeleteOnClose(Composite):
    """A dynamic node goes with the link that made it (§3.5.10)."""


@composite(0x2C, "amqp:delete-on-no-links:list", "LifetimePolicy")
class DeleteOnNoLinks(Composite):
    """A dynamic node goes with the last link to it (§3.5.11)."""


@composite(0x2D, "amqp:delete-on-no-messages:list", "LifetimePolicy")
class DeleteOnNoMessages(Composite):
    """A dynamic node goes when its link has gone, and it has no messages (§3.5.12)."""


@composite(0x2E, "amqp:delete-on-no-links-or-messages:list", "LifetimePolicy")
class DeleteOnNoLinksOrMessages(Composite):
    """A dynamic node goes when it has neither links nor messages (§3.5.13)."""


# Transactions: part 4 §4.5


@composite(0x30, "amqp:coordinator:list", "AnyTarget")
class Coordinator(Composite):
    """The target of a link over which transactions are declared and discharged (§4.5.1)."""

    capabilities: Symbols | None = None


@composite(0x31, "amqp:declare:list")
class Declare(Composite):
    """The message that begins a transaction (§4.5.2)."""

    global_id: AnyValue | None = None


@composite(0x32, "amqp:discharge:list")
class Discharge(Composite):
    """The message that ends a transaction (§4.5.3). ``fail`` True: it is rolled back."""

    txn_id: Binary
    fail: Boolean | None = None


@composite(0x33, "amqp:declared:list", "DeliveryState", "Outcome")
class Declared(Composite):
    """The outcome of a declare: the transaction has begun (§4.5.5)."""

    txn_id: Binary


@composite(0x34, "amqp:transactional-state:list", "DeliveryState")
class TransactionalState(Composite):
    """The state of a delivery that a transaction publishes or settles (§4.5.8)."""

    txn_id: Binary
    outcome: Outcome | None = None


# SASL: part 5 §5.3.3


@composite(0x40, "amqp:sasl-mechanisms:list", "SaslPerformative")
class SaslMechanisms(Composite):
    """The mechanisms that the server takes (§5.3.3.1)."""

    sasl_server_mechanisms: Symbols


@composite(0x41, "amqp:sasl-init:list", "SaslPerformative")
class SaslInit(Composite):
    """The client chooses a mechanism (§5.3.3.2)."""

    mechanism: Symbol
    initial_response: Binary | None = None
    hostname: String | None = None


@composite(0x42, "amqp:sasl-challenge:list", "SaslPerformative")
class SaslChallenge(Composite):
    """What a mechanism asks (§5.3.3.3)."""

    challenge: Binary


@composite(0x43, "amqp:sasl-response:list", "SaslPerformative")
class SaslResponse(Composite):
    """What the client answers (§5.3.3.4)."""

    response: Binary


@composite(0x44, "amqp:sasl-outcome:list", "SaslPerformative")
class SaslOutcome(Composite):
    """How the log-in went (§5.3.3.5)."""

    code: SaslCode
    additional_data: Binary | None = None


# Sections of a message that are lists: part 3 §3.2


@composite(0x70, "amqp:header:list")
class Header(Composite):
    """How a message is to be delivered (§3.2.1). ``ttl`` in milliseconds."""

    durable: Boolean | None = None
    priority: Ubyte | None = None
    ttl: Uint | None = None
    first_acquirer: Boolean | None = None
    delivery_count: Uint | None = None


@composite(0x73, "amqp:properties:list")
class MessageProperties(Composite):
    """The properties of a bare message (§3.2.4). Ids are ULong, UUID, bytes or str; both times are of the epoch."""

    message_id: MessageId | None = None
    user_id: Binary | None = None
    to: String | None = None
    subject: String | None = None
    reply_to: String | None = None
    correlation_id: MessageId | None = None
    content_type: Symbol | None = None
    content_encoding: Symbol | None = None
    absolute_expiry_time: Timestamp | None = None
    creation_time: Timestamp | None = None
    group_id: String | None = None
    group_sequence: Uint | None = None
    reply_to_group_id: String | None = None
