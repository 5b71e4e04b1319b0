"""AMQP 0-9-1 section 1.7: queues are declared, compared, bound, purged, deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pamqp import commands as spec

from tests.conftest import Connect
from tests.support.codec import Typed, typed
from tests.support.wire import Channel, ChannelClosed, Content, channel_error

Operation = Callable[[Channel, str], object]
LOCKED = (
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{}' in vhost '/'. It could be originally "
    "declared on another connection or the exclusive property value does not match that of the original declaration."
)
OPERATIONS: dict[str, Operation] = {
    "declare": lambda ch, queue: ch.queue(queue, exclusive=True),
    "passive": lambda ch, queue: ch.queue(queue, passive=True),
    "consume": lambda ch, queue: ch.consume(queue),
    "get": lambda ch, queue: ch.get(queue),
    "purge": lambda ch, queue: ch.call(spec.Queue.Purge(0, queue)),
    "delete": lambda ch, queue: ch.delete(queue),
    "bind": lambda ch, queue: ch.bind(queue, "amq.direct", queue),
    "unbind": lambda ch, queue: ch.unbind(queue, "amq.direct", queue),
}


def inequivalent(argument: str, queue: str) -> str:
    return f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue '{queue}' in vhost '/': "


# Names


def test_the_broker_names_a_queue_without_a_name(ch: Channel) -> None:
    first, second = ch.queue(exclusive=True).queue, ch.queue(exclusive=True).queue
    assert first is not None
    assert first.startswith("amq.gen-")
    assert first != second


def test_the_last_declared_queue_is_meant_by_an_empty_name(ch: Channel) -> None:
    queue = ch.queue(exclusive=True).queue or ""
    ch.bind("", "amq.direct", queue)
    ch.publish(queue, b"1", exchange="amq.direct")
    ch.await_count(queue, 1)
    assert ch.get_one("").body == b"1"
    ch.unbind("", "amq.direct", queue)
    ch.consume("")
    ch.call(spec.Queue.Purge(0, ""))
    assert ch.delete("") == 0


def test_binding_with_neither_queue_nor_key_means_the_last_queue_twice(ch: Channel) -> None:
    queue = ch.queue(exclusive=True).queue or ""
    ch.bind("", "amq.direct", "")
    ch.publish(queue, b"1", exchange="amq.direct")
    assert ch.await_one(queue).body == b"1"


@pytest.mark.parametrize(
    "method",
    [
        spec.Queue.Bind(0, "", "amq.direct", "k"),
        spec.Queue.Unbind(0, "", "amq.direct", "k"),
        spec.Queue.Purge(0, ""),
        spec.Queue.Delete(0, ""),
        spec.Basic.Get(0, ""),
        spec.Basic.Consume(0, ""),
    ],
    ids=lambda method: method.name,
)
def test_an_empty_name_before_any_declaration_is_not_found(ch: Channel, method: spec.Basic.Get) -> None:
    with channel_error(404, "NOT_FOUND - no previously declared queue", type(method)):
        ch.call(method)


def test_a_reserved_name_is_refused(ch: Channel) -> None:
    text = "ACCESS_REFUSED - queue name 'amq.t-new' contains reserved prefix 'amq.*'"
    with channel_error(403, text, spec.Queue.Declare):
        ch.queue("amq.t-new")


@pytest.mark.parametrize("dirty", ["\n{}", "{}\r\n", "{0:.4}\r\n{0}"])
def test_line_ends_in_a_name_are_dropped(ch: Channel, name: str, dirty: str) -> None:
    spelled = dirty.format(name)
    clean = spelled.replace("\n", "").replace("\r", "")
    assert ch.queue(spelled, exclusive=True).queue == clean


@pytest.mark.parametrize("length", [1, 127, 128, 255])
def test_a_name_has_up_to_255_octets(ch: Channel, name: str, length: int) -> None:
    queue = (name + "-" * length)[-length:] if length > 1 else "¤"
    assert ch.queue(queue, exclusive=True).queue == queue


# Declaration


def test_declare_ok_counts_ready_messages_and_consumers(ch: Channel, name: str) -> None:
    ch.queue(name)
    for _ in range(3):
        ch.publish(name)
    ch.await_count(name, 3)
    ch.get(name)
    ch.qos(1)
    ch.consume(name)
    ch.message()
    reply = ch.queue(name)
    assert (reply.queue, reply.message_count, reply.consumer_count) == (name, 1, 1)


def test_a_passive_declaration_of_what_is_missing_is_not_found(ch: Channel, name: str) -> None:
    with channel_error(404, f"NOT_FOUND - no queue '{name}' in vhost '/'", spec.Queue.Declare):
        ch.queue(name, passive=True)


def test_a_passive_declaration_looks_at_nothing_but_the_name(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.queue(name, {"x-max-length": 5, "x-queue-type": "quorum"}, passive=True, durable=True, auto_delete=True)


@pytest.mark.parametrize("field", ["durable", "auto_delete"])
def test_another_value_of_a_flag_is_inequivalent(ch: Channel, name: str, field: str) -> None:
    ch.queue(name)
    with channel_error(406, inequivalent(field, name) + "received 'true' but current is 'false'", spec.Queue.Declare):
        ch.queue(name, durable=field == "durable", auto_delete=field == "auto_delete")


@pytest.mark.parametrize("exclusive", [False, True])
def test_another_value_of_exclusive_is_locked(ch: Channel, name: str, exclusive: bool) -> None:
    ch.queue(name, exclusive=exclusive)
    with channel_error(405, LOCKED.format(name), spec.Queue.Declare):
        ch.queue(name, exclusive=not exclusive)


@pytest.mark.parametrize(
    ("first", "second", "ending"),
    [
        (typed("I", 10), typed("I", 20), "received '20' but current is '10'"),
        (typed("b", 10), typed("l", 20), "received '20' but current is '10'"),
        (typed("I", 10), None, "received none but current is the value '10' of type 'signedint'"),
        (None, typed("I", 10), "received the value '10' of type 'signedint' but current is none"),
        (None, typed("l", 10), "received the value '10' of type 'long' but current is none"),
        (None, typed("b", 10), "received the value '10' of type 'byte' but current is none"),
        (None, typed("s", 10), "received the value '10' of type 'short' but current is none"),
        (None, typed("B", 10), "received the value '10' of type 'unsignedbyte' but current is none"),
        (None, typed("u", 10), "received the value '10' of type 'unsignedshort' but current is none"),
        (None, typed("i", 10), "received the value '10' of type 'unsignedint' but current is none"),
    ],
    ids=["other", "widths", "absent", "I", "l", "b", "s", "B", "u", "i"],
)
def test_another_value_of_an_argument_is_inequivalent(
    ch: Channel, name: str, first: Typed | None, second: Typed | None, ending: str
) -> None:
    ch.queue(name, {"x-message-ttl": first} if first else {})  # type: ignore[dict-item]
    with channel_error(406, inequivalent("x-message-ttl", name) + ending, spec.Queue.Declare):
        ch.queue(name, {"x-message-ttl": second} if second else {})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("argument", "value", "changed"),
    [
        ("x-expires", 60000, 70000),
        ("x-max-length", 5, 6),
        ("x-max-length-bytes", 5, 6),
        ("x-max-priority", 5, 6),
        ("x-overflow", "drop-head", "reject-publish"),
        ("x-dead-letter-exchange", "a", "b"),
        ("x-single-active-consumer", True, False),
    ],
)
def test_known_arguments_are_compared(ch: Channel, name: str, argument: str, value: object, changed: object) -> None:
    ch.queue(name, {argument: value})  # type: ignore[dict-item]
    ch.queue(name, {argument: value})  # type: ignore[dict-item]
    with channel_error(406):
        ch.queue(name, {argument: changed})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("argument", "value", "changed", "shown"),
    [
        ("x-overflow", "drop-head", 5, "received '5' but current is 'drop-head'"),
        ("x-message-ttl", 5, "5", "received '5' but current is '5'"),
        ("x-single-active-consumer", True, "yes", "received 'yes' but current is 'true'"),
        ("x-queue-type", "classic", False, "received 'false' but current is 'classic'"),
    ],
)
def test_an_argument_of_another_type_is_inequivalent(
    ch: Channel, name: str, argument: str, value: object, changed: object, shown: str
) -> None:
    ch.queue(name, {argument: value})  # type: ignore[dict-item]
    with channel_error(406, inequivalent(argument, name) + shown, spec.Queue.Declare):
        ch.queue(name, {argument: changed})  # type: ignore[dict-item]


@pytest.mark.parametrize("tag", "bBsuIilL")
def test_an_integer_is_the_same_in_any_width(ch: Channel, name: str, tag: str) -> None:
    ch.queue(name, {"x-message-ttl": typed("I", 10)})  # type: ignore[dict-item]
    ch.queue(name, {"x-message-ttl": typed(tag, 10)})  # type: ignore[dict-item]


def test_unknown_arguments_are_not_compared(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-mine": 1})
    ch.queue(name, {"x-mine": "two", "x-yours": True})


def test_the_type_classic_is_what_a_queue_is_by_default(ch: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.queue(name, {"x-queue-type": "classic"}, durable=True)


def test_a_quorum_queue_is_accepted(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-queue-type": "quorum"}, durable=True)
    ch.publish(name, b"1")
    assert ch.await_one(name, no_ack=False).body == b"1"


def test_a_quorum_queue_has_a_name(ch: Channel) -> None:
    with channel_error(406, method=spec.Queue.Declare):
        ch.queue("", {"x-queue-type": "quorum"}, durable=True)


# Exclusive queues


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_exclusive_queue_is_locked_for_other_connections(
    ch: Channel, other: Channel, name: str, operation: str
) -> None:
    ch.queue(name, exclusive=True)
    ch.bind(name, "amq.direct", name)
    with channel_error(405, LOCKED.format(name)):
        OPERATIONS[operation](other, name)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_exclusive_queue_is_open_to_other_channels_of_its_connection(ch: Channel, name: str, operation: str) -> None:
    ch.queue(name, exclusive=True)
    OPERATIONS[operation](ch.wire.channel(2), name)


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("end", ["close", "abort"])
def test_an_exclusive_queue_goes_with_its_connection(
    connect: Connect, other: Channel, name: str, durable: bool, end: str
) -> None:
    wire = connect()
    wire.channel().queue(name, exclusive=True, durable=durable)
    getattr(wire, end)()
    if end == "abort":
        await_gone(other, name)
    with channel_error(404):
        other.wire.channel(2).queue(name, passive=True)


def test_an_exclusive_queue_is_not_durable_whatever_is_said(ch: Channel, name: str) -> None:
    ch.queue(name, exclusive=True, durable=True)
    ch.queue(name, exclusive=True, durable=False)


def await_gone(ch: Channel, queue: str) -> None:
    """Returns when the broker has noticed that the owner of an exclusive queue died."""
    for _ in range(500):
        try:
            ch.queue(queue, passive=True)
        except ChannelClosed as closed:
            if closed.code == 404:
                return
            ch = ch.wire.channel(ch.number + 2)
    raise AssertionError(f"{queue} is still there")


# Auto-delete queues


def test_an_auto_delete_queue_never_consumed_stays(ch: Channel, name: str) -> None:
    ch.queue(name, auto_delete=True)
    ch.publish(name)
    ch.get(name, no_ack=True)
    ch.queue(name, passive=True)


@pytest.mark.parametrize("end", ["cancel", "channel", "connection"])
def test_the_end_of_the_last_consumer_deletes_an_auto_delete_queue(
    connect: Connect, ch: Channel, name: str, end: str
) -> None:
    ch.queue(name, auto_delete=True)
    first, second = connect().channel(), connect().channel()
    tags = [first.consume(name), second.consume(name)]
    first.cancel(tags[0])
    ch.queue(name, passive=True)
    if end == "cancel":
        second.cancel(tags[1])
    elif end == "channel":
        second.close()
    else:
        second.wire.close()
    with channel_error(404):
        ch.queue(name, passive=True)


# Deletion and purge


def test_deletion_of_what_is_missing_counts_zero(ch: Channel, name: str) -> None:
    assert ch.delete(name) == 0


def test_delete_ok_counts_ready_messages(ch: Channel, name: str) -> None:
    ch.queue(name)
    for _ in range(3):
        ch.publish(name)
    ch.await_count(name, 3)
    ch.get(name)
    assert ch.delete(name) == 2


def test_if_unused_spares_a_queue_with_consumers(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.consume(name)
    with channel_error(406, f"PRECONDITION_FAILED - queue '{name}' in vhost '/' in use", spec.Queue.Delete):
        ch.delete(name, if_unused=True)


def test_if_empty_spares_a_queue_with_messages(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name)
    ch.await_count(name, 1)
    with channel_error(406, f"PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty", spec.Queue.Delete):
        ch.delete(name, if_empty=True)


def test_if_unused_and_if_empty_let_go_of_what_is_both(ch: Channel, name: str) -> None:
    ch.queue(name)
    assert ch.delete(name, if_unused=True, if_empty=True) == 0


def test_deletion_takes_the_bindings(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.bind(name, "amq.direct", name)
    ch.delete(name)
    ch.queue(name)
    ch.publish(name, exchange="amq.direct")
    ch.barrier()
    assert ch.count(name) == 0


def test_purge_counts_and_removes_ready_messages_only(ch: Channel, name: str) -> None:
    ch.queue(name)
    for number in range(3):
        ch.publish(name, b"%d" % number)
    ch.await_count(name, 3)
    held = ch.get_one(name)
    assert ch.ask(spec.Queue.Purge(0, name), spec.Queue.PurgeOk).message_count == 2
    assert ch.count(name) == 0
    ch.nack(held.tag)
    assert ch.await_one(name).body == b"0"


def test_purging_what_is_missing_is_not_found(ch: Channel, name: str) -> None:
    with channel_error(404, f"NOT_FOUND - no queue '{name}' in vhost '/'", spec.Queue.Purge):
        ch.call(spec.Queue.Purge(0, name))


# Bindings


@pytest.mark.parametrize("missing", ["queue", "exchange"])
def test_binding_what_is_missing_is_not_found(ch: Channel, name: str, missing: str) -> None:
    ch.queue(name)
    pair = (name + "-gone", "amq.direct") if missing == "queue" else (name, name + "-gone")
    with channel_error(404, f"NOT_FOUND - no {missing} '{name}-gone' in vhost '/'", spec.Queue.Bind):
        ch.bind(*pair)


def test_a_binding_made_twice_is_one(ch: Channel, name: str) -> None:
    ch.queue(name)
    for _ in range(2):
        ch.bind(name, "amq.direct", name)
    ch.publish(name, exchange="amq.direct")
    ch.barrier()
    ch.await_count(name, 1)
    ch.unbind(name, "amq.direct", name)
    ch.publish(name, exchange="amq.direct")
    ch.barrier()
    assert ch.count(name) == 1


@pytest.mark.parametrize("missing", ["binding", "queue", "exchange"])
def test_unbinding_what_is_missing_is_answered(ch: Channel, name: str, missing: str) -> None:
    ch.queue(name)
    queue = name + "-gone" if missing == "queue" else name
    exchange = name + "-gone" if missing == "exchange" else "amq.direct"
    ch.unbind(queue, exchange, "key")


def test_a_durable_queue_may_be_bound_to_a_transient_exchange(ch: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.exchange(name)
    ch.bind(name, name)


@pytest.mark.parametrize("verb", ["declare", "bind", "purge", "delete"])
def test_nowait_has_no_reply(ch: Channel, name: str, verb: str) -> None:
    ch.queue(name)
    method = {
        "declare": spec.Queue.Declare(0, name, nowait=True),
        "bind": spec.Queue.Bind(0, name, "amq.direct", name, nowait=True),
        "purge": spec.Queue.Purge(0, name, nowait=True),
        "delete": spec.Queue.Delete(0, name, nowait=True),
    }[verb]
    ch.send(method)
    ch.send(spec.Channel.Flow(True))
    ch.take(spec.Channel.FlowOk)


# Argument checks


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("x-message-ttl", -1, "{value_negative,-1}"),
        ("x-message-ttl", 1.5, '"expected integer, got float"'),
        ("x-message-ttl", True, '"expected integer, got bool"'),
        ("x-message-ttl", 2**62, f"{{value_too_large,{2**62}}}"),
        ("x-expires", 0, "{value_zero,0}"),
        ("x-queue-version", 3, "\"unsupported queue version '3'\""),
        ("x-overflow", "drop-tail", "invalid_overflow"),
        ("x-overflow", 5, "{unacceptable_type,byte}"),
        ("x-dead-letter-routing-key", "k", "routing_key_but_no_dlx_defined"),
        ("x-dead-letter-routing-key", "k" * 256, '"a routing key has at most 255 octets, not 256"'),
        ("x-single-active-consumer", "yes", "{unacceptable_type,longstr}"),
        ("x-queue-mode", "fast", "\"unsupported queue mode 'fast'\""),
        ("x-queue-type", "imaginary", "\"unsupported queue type 'imaginary'\""),
    ],
)
def test_a_wrong_argument_is_refused_with_its_reason(
    ch: Channel, name: str, argument: str, value: float | str, reason: str
) -> None:
    text = f"PRECONDITION_FAILED - invalid arg '{argument}' for queue '{name}' in vhost '/': {reason}"
    with channel_error(406, text, spec.Queue.Declare):
        ch.queue(name, {argument: value})


@pytest.mark.parametrize(("value", "kind"), [(5, "byte"), (None, "void")])
def test_a_dead_letter_exchange_is_named_by_a_string(ch: Channel, name: str, value: int | None, kind: str) -> None:
    what = f"invalid type '{kind}' for arg 'x-dead-letter-exchange' in queue '{name}' in vhost '/'"
    with channel_error(406, f"PRECONDITION_FAILED - {what}", spec.Queue.Declare):
        ch.queue(name, {"x-dead-letter-exchange": value})


def test_a_dead_letter_routing_key_is_a_string(ch: Channel, name: str) -> None:
    text = f"PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue '{name}' in vhost '/': "
    with channel_error(406, text + "{unacceptable_type,byte}", spec.Queue.Declare):
        ch.queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": 5})


def test_a_get_from_an_empty_queue_is_empty(ch: Channel, name: str) -> None:
    ch.queue(name)
    assert not isinstance(ch.call(spec.Basic.Get(0, name)), Content)
