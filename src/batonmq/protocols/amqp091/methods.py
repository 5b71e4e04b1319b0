"""Every method of AMQP 0-9-1 with RabbitMQ's extensions, as one table, by which `method_codec` goes.

A method is a class; its annotations, in order, are its fields with the types of the grammar (section 4.2.5). All fields
have defaults and are given by name. Bits that follow one another share an octet. Short strings that are not UTF-8 are
accepted and come back as the same bytes (decoded with surrogateescape), because RabbitMQ takes names as plain bytes.

The table is longer than a file should be, because it is one: to cut it in pieces would make nothing easier to find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias, TypeVar, dataclass_transform

from batonmq.fields import FieldValue

# The types of the grammar. The codec uses these names, mypy the types behind them.
Bit: TypeAlias = bool
Octet: TypeAlias = int
Short: TypeAlias = int
Long: TypeAlias = int
Longlong: TypeAlias = int
Shortstr: TypeAlias = str
Longstr: TypeAlias = bytes
Table: TypeAlias = dict[str, FieldValue]


class Method:
    """The base of all methods."""

    __slots__ = ()

    INDEX: ClassVar[int] = 0
    """Class id in the upper 16 bits, method id in the lower."""
    NAME: ClassVar[str] = ""
    """As in the grammar: queue.declare."""
    HAS_CONTENT: ClassVar[bool] = False
    """Do a content header and body follow?"""
    LAYOUT: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Field names with their types in the grammar."""


M = TypeVar("M", bound=Method)

METHODS: Final[dict[int, type[Method]]] = {}
"""All methods by index."""


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def method(index: tuple[int, int], name: str, *, has_content: bool = False) -> Callable[[type[M]], type[M]]:
    """Make a class with annotated fields a method of the table."""

    def complete(cls: type[M]) -> type[M]:
        made = dataclass(kw_only=True, slots=True)(cls)
        made.INDEX = index[0] << 16 | index[1]
        made.NAME = name
        made.HAS_CONTENT = has_content
        made.LAYOUT = tuple((key, kind) for key, kind in cls.__annotations__.items() if kind in _TYPES)
        METHODS[made.INDEX] = made
        return made

    return complete


def _table() -> Table:
    return {}


_TYPES = frozenset({"Bit", "Octet", "Short", "Long", "Longlong", "Shortstr", "Longstr", "Table"})


# Connection: class 10


@method((10, 10), "connection.start")
class ConnectionStart(Method):
    version_major: Octet = 0
    version_minor: Octet = 9
    server_properties: Table = field(default_factory=_table)
    mechanisms: Longstr = b"PLAIN"
    locales: Longstr = b"en_US"


@method((10, 11), "connection.start-ok")
class ConnectionStartOk(Method):
    client_properties: Table = field(default_factory=_table)
    mechanism: Shortstr = "PLAIN"
    response: Longstr = b""
    locale: Shortstr = "en_US"


@method((10, 20), "connection.secure")
class ConnectionSecure(Method):
    challenge: Longstr = b""


@method((10, 21), "connection.secure-ok")
class ConnectionSecureOk(Method):
    response: Longstr = b""


@method((10, 30), "connection.tune")
class ConnectionTune(Method):
    channel_max: Short = 0
    frame_max: Long = 0
    heartbeat: Short = 0


@method((10, 31), "connection.tune-ok")
class ConnectionTuneOk(Method):
    channel_max: Short = 0
    frame_max: Long = 0
    heartbeat: Short = 0


@method((10, 40), "connection.open")
class ConnectionOpen(Method):
    virtual_host: Shortstr = "/"
    reserved_1: Shortstr = ""
    reserved_2: Bit = False


@method((10, 41), "connection.open-ok")
class ConnectionOpenOk(Method):
    reserved_1: Shortstr = ""


@method((10, 50), "connection.close")
class ConnectionClose(Method):
    reply_code: Short = 200
    reply_text: Shortstr = ""
    class_id: Short = 0
    method_id: Short = 0


@method((10, 51), "connection.close-ok")
class ConnectionCloseOk(Method):
    pass


@method((10, 60), "connection.blocked")
class ConnectionBlocked(Method):
    reason: Shortstr = ""


@method((10, 61), "connection.unblocked")
class ConnectionUnblocked(Method):
    pass


@method((10, 70), "connection.update-secret")
class ConnectionUpdateSecret(Method):
    new_secret: Longstr = b""
    reason: Shortstr = ""


@method((10, 71), "connection.update-secret-ok")
class ConnectionUpdateSecretOk(Method):
    pass


# Channel: class 20


@method((20, 10), "channel.open")
class ChannelOpen(Method):
    reserved_1: Shortstr = ""


@method((20, 11), "channel.open-ok")
class ChannelOpenOk(Method):
    reserved_1: Longstr = b""


@method((20, 20), "channel.flow")
class ChannelFlow(Method):
    active: Bit = False


@method((20, 21), "channel.flow-ok")
class ChannelFlowOk(Method):
    active: Bit = False


@method((20, 40), "channel.close")
class ChannelClose(Method):
    reply_code: Short = 200
    reply_text: Shortstr = ""
    class_id: Short = 0
    method_id: Short = 0


@method((20, 41), "channel.close-ok")
class ChannelCloseOk(Method):
    pass


# Exchange: class 40


@method((40, 10), "exchange.declare")
class ExchangeDeclare(Method):
    reserved_1: Short = 0
    exchange: Shortstr = ""
    type: Shortstr = "direct"
    passive: Bit = False
    durable: Bit = False
    auto_delete: Bit = False
    internal: Bit = False
    no_wait: Bit = False
    arguments: Table = field(default_factory=_table)


@method((40, 11), "exchange.declare-ok")
class ExchangeDeclareOk(Method):
    pass


@method((40, 20), "exchange.delete")
class ExchangeDelete(Method):
    reserved_1: Short = 0
    exchange: Shortstr = ""
    if_unused: Bit = False
    no_wait: Bit = False


@method((40, 21), "exchange.delete-ok")
class ExchangeDeleteOk(Method):
    pass


@method((40, 30), "exchange.bind")
class ExchangeBind(Method):
    reserved_1: Short = 0
    destination: Shortstr = ""
    source: Shortstr = ""
    routing_key: Shortstr = ""
    no_wait: Bit = False
    arguments: Table = field(default_factory=_table)


@method((40, 31), "exchange.bind-ok")
class ExchangeBindOk(Method):
    pass


@method((40, 40), "exchange.unbind")
class ExchangeUnbind(Method):
    reserved_1: Short = 0
    destination: Shortstr = ""
    source: Shortstr = ""
    routing_key: Shortstr = ""
    no_wait: Bit = False
    arguments: Table = field(default_factory=_table)


@method((40, 51), "exchange.unbind-ok")
class ExchangeUnbindOk(Method):
    pass


# Queue: class 50


@method((50, 10), "queue.declare")
class QueueDeclare(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    passive: Bit = False
    durable: Bit = False
    exclusive: Bit = False
    auto_delete: Bit = False
    no_wait: Bit = False
    arguments: Table = field(default_factory=_table)


@method((50, 11), "queue.declare-ok")
class QueueDeclareOk(Method):
    queue: Shortstr = ""
    message_count: Long = 0
    consumer_count: Long = 0


@method((50, 20), "queue.bind")
class QueueBind(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    exchange: Shortstr = ""
    routing_key: Shortstr = ""
    no_wait: Bit = False
    arguments: Table = field(default_factory=_table)


@method((50, 21), "queue.bind-ok")
class QueueBindOk(Method):
    pass


@method((50, 30), "queue.purge")
class QueuePurge(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    no_wait: Bit = False


@method((50, 31), "queue.purge-ok")
class QueuePurgeOk(Method):
    message_count: Long = 0


@method((50, 40), "queue.delete")
class QueueDelete(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    if_unused: Bit = False
    if_empty: Bit = False
    no_wait: Bit = False


@method((50, 41), "queue.delete-ok")
class QueueDeleteOk(Method):
    message_count: Long = 0


@method((50, 50), "queue.unbind")
class QueueUnbind(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    exchange: Shortstr = ""
    routing_key: Shortstr = ""
    arguments: Table = field(default_factory=_table)


@method((50, 51), "queue.unbind-ok")
class QueueUnbindOk(Method):
    pass


# Basic: class 60


@method((60, 10), "basic.qos")
class BasicQos(Method):
    prefetch_size: Long = 0
    prefetch_count: Short = 0
    global_: Bit = False


@method((60, 11), "basic.qos-ok")
class BasicQosOk(Method):
    pass


@method((60, 20), "basic.consume")
class BasicConsume(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    consumer_tag: Shortstr = ""
    no_local: Bit = False
    no_ack: Bit = False
    exclusive: Bit = False
    no_wait: Bit = False
    arguments: Table = field(default_factory=_table)


@method((60, 21), "basic.consume-ok")
class BasicConsumeOk(Method):
    consumer_tag: Shortstr = ""


@method((60, 30), "basic.cancel")
class BasicCancel(Method):
    consumer_tag: Shortstr = ""
    no_wait: Bit = False


@method((60, 31), "basic.cancel-ok")
class BasicCancelOk(Method):
    consumer_tag: Shortstr = ""


@method((60, 40), "basic.publish", has_content=True)
class BasicPublish(Method):
    reserved_1: Short = 0
    exchange: Shortstr = ""
    routing_key: Shortstr = ""
    mandatory: Bit = False
    immediate: Bit = False


@method((60, 50), "basic.return", has_content=True)
class BasicReturn(Method):
    reply_code: Short = 0
    reply_text: Shortstr = ""
    exchange: Shortstr = ""
    routing_key: Shortstr = ""


@method((60, 60), "basic.deliver", has_content=True)
class BasicDeliver(Method):
    consumer_tag: Shortstr = ""
    delivery_tag: Longlong = 0
    redelivered: Bit = False
    exchange: Shortstr = ""
    routing_key: Shortstr = ""


@method((60, 70), "basic.get")
class BasicGet(Method):
    reserved_1: Short = 0
    queue: Shortstr = ""
    no_ack: Bit = False


@method((60, 71), "basic.get-ok", has_content=True)
class BasicGetOk(Method):
    delivery_tag: Longlong = 0
    redelivered: Bit = False
    exchange: Shortstr = ""
    routing_key: Shortstr = ""
    message_count: Long = 0


@method((60, 72), "basic.get-empty")
class BasicGetEmpty(Method):
    reserved_1: Shortstr = ""


@method((60, 80), "basic.ack")
class BasicAck(Method):
    delivery_tag: Longlong = 0
    multiple: Bit = False


@method((60, 90), "basic.reject")
class BasicReject(Method):
    delivery_tag: Longlong = 0
    requeue: Bit = False


@method((60, 100), "basic.recover-async")
class BasicRecoverAsync(Method):
    requeue: Bit = False


@method((60, 110), "basic.recover")
class BasicRecover(Method):
    requeue: Bit = False


@method((60, 111), "basic.recover-ok")
class BasicRecoverOk(Method):
    pass


@method((60, 120), "basic.nack")
class BasicNack(Method):
    delivery_tag: Longlong = 0
    multiple: Bit = False
    requeue: Bit = False


# Confirm: class 85


@method((85, 10), "confirm.select")
class ConfirmSelect(Method):
    no_wait: Bit = False


@method((85, 11), "confirm.select-ok")
class ConfirmSelectOk(Method):
    pass


# Tx: class 90


@method((90, 10), "tx.select")
class TxSelect(Method):
    pass


@method((90, 11), "tx.select-ok")
class TxSelectOk(Method):
    pass


@method((90, 20), "tx.commit")
class TxCommit(Method):
    pass


@method((90, 21), "tx.commit-ok")
class TxCommitOk(Method):
    pass


@method((90, 30), "tx.rollback")
class TxRollback(Method):
    pass


@method((90, 31), "tx.rollback-ok")
class TxRollbackOk(Method):
    pass
