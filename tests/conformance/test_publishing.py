"""AMQP 0-9-1 section 1.8.3.7 and the confirm extension: publish, return, confirm; contents come out as they went in."""

from __future__ import annotations

import struct
import time

import pytest
from pamqp import commands as spec

from tests.support.codec import encode_table, short_string, typed
from tests.support.wire import Channel, Content, channel_error

PERSISTENT = spec.Basic.Properties(delivery_mode=2)
FLAGS = {name: flag for name, flag in spec.Basic.Properties.flags.items() if name != "cluster_id"}
VALUES: dict[str, bytes] = {
    "content_type": short_string("text/plain"),
    "content_encoding": short_string("gzip"),
    "headers": encode_table({"key": "value"}),
    "delivery_mode": b"\x01",
    "priority": b"\x07",
    "correlation_id": short_string("correlated"),
    "reply_to": short_string("somewhere"),
    "expiration": short_string("600000"),
    "message_id": short_string("id-1"),
    "timestamp": struct.pack(">Q", 1_700_000_000),
    "message_type": short_string("type"),
    "user_id": short_string("guest"),
    "app_id": short_string("app"),
    "cluster_id": short_string("cluster"),
}
FIELDS: dict[str, object] = {
    "true": typed("t", True),
    "false": typed("t", False),
    "byte": typed("b", -5),
    "unsignedbyte": typed("B", 250),
    "short": typed("s", -300),
    "unsignedshort": typed("u", 65535),
    "int": typed("I", -70000),
    "unsignedint": typed("i", 4294967295),
    "long": typed("l", -(2**63)),
    "float": typed("f", 1.5),
    "double": typed("d", -2.25e300),
    "decimal": typed("D", 2, 314),
    "string": typed("S", "schön".encode()),
    "bytes": typed("S", b"\xff\xfe\x00"),
    "binary": typed("x", bytes(range(256))),
    "timestamp": typed("T", 2**62),
    "timestamp before 1970": typed("T", -1),
    "void": typed("V"),
    "array": [typed("b", 1), "two", [typed("V")], {}],
    "empty array": [],
    "table": {"nested": {"deeper": [{"still": typed("t", True)}]}},
    "empty table": {},
    "empty string": "",
    "schlüssel": "unicode key",
}


def raw_properties(*names: str) -> bytes:
    flags = sum(spec.Basic.Properties.flags[name] for name in names)
    return struct.pack(">H", flags) + b"".join(VALUES[name] for name in VALUES if name in names)


# What went in comes out


@pytest.mark.parametrize("prop", VALUES)
def test_a_property_comes_out_as_it_went_in(ch: Channel, name: str, prop: str) -> None:
    ch.queue(name)
    ch.publish(name, properties=raw_properties(prop))
    assert ch.await_one(name).raw_properties == raw_properties(prop)


def test_all_properties_come_out_as_they_went_in(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, properties=raw_properties(*VALUES))
    assert ch.await_one(name).raw_properties == raw_properties(*VALUES)


def test_absent_properties_stay_absent(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name)
    assert ch.await_one(name).raw_properties == b"\0\0"


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_a_table_comes_out_as_it_went_in(ch: Channel, name: str, field: str) -> None:
    properties = struct.pack(">H", FLAGS["headers"]) + encode_table({field: FIELDS[field]})
    ch.queue(name)
    ch.publish(name, properties=properties)
    assert ch.await_one(name).raw_properties == properties


@pytest.mark.parametrize("size", [0, 1, 255, 4096, 131064, 131065, 300_000, 5_000_000])
def test_a_body_comes_out_as_it_went_in(ch: Channel, name: str, size: int) -> None:
    ch.queue(name)
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    ch.publish(name, body)
    assert ch.await_one(name).body == body


def test_exchange_and_routing_key_come_with_the_message(ch: Channel, name: str) -> None:
    key = "schlüssel." + "x" * 200
    ch.queue(name)
    ch.bind(name, "amq.direct", key)
    ch.publish(key, exchange="amq.direct")
    content = ch.await_one(name)
    assert (content.exchange, content.key) == ("amq.direct", key)


@pytest.mark.parametrize("mode", [None, 1, 2])
@pytest.mark.parametrize("durable", [False, True])
def test_any_delivery_mode_goes_to_any_queue(ch: Channel, name: str, mode: int | None, durable: bool) -> None:
    ch.queue(name, durable=durable)
    ch.publish(name, delivery_mode=mode)
    assert ch.await_one(name).properties.delivery_mode == mode


# Returns


def test_an_unroutable_mandatory_message_is_returned(ch: Channel, name: str) -> None:
    ch.publish(name, b"body", mandatory=True, properties=raw_properties(*VALUES))
    content = ch.message()
    returned = content.method
    assert isinstance(returned, spec.Basic.Return)
    assert (returned.reply_code, returned.reply_text, returned.exchange, returned.routing_key) == (
        312,
        "NO_ROUTE",
        "",
        name,
    )
    assert (content.raw_properties, content.body) == (raw_properties(*VALUES), b"body")


def test_an_empty_message_is_returned_too(ch: Channel, name: str) -> None:
    ch.publish(name, exchange="amq.topic", mandatory=True)
    content = ch.message()
    assert isinstance(content.method, spec.Basic.Return)
    assert (content.method.exchange, content.size) == ("amq.topic", 0)


def test_a_routed_mandatory_message_is_not_returned(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, mandatory=True)
    ch.await_count(name, 1)
    assert ch.quiet()


def test_an_unroutable_message_that_nobody_insists_on_is_dropped(ch: Channel, name: str) -> None:
    ch.publish(name)
    ch.barrier()
    assert ch.quiet()


def test_the_return_comes_before_the_confirm(ch: Channel, name: str) -> None:
    ch.select()
    ch.publish(name, mandatory=True)
    assert isinstance(ch.message().method, spec.Basic.Return)
    assert ch.take(spec.Basic.Ack).delivery_tag == 1


# Confirms


@pytest.mark.parametrize("durable", [False, True])
def test_every_publish_is_confirmed(ch: Channel, name: str, durable: bool) -> None:
    ch.queue(name, durable=durable)
    ch.select()
    for number in range(500):
        ch.publish(name, b"%d" % number, properties=PERSISTENT)
    assert set(ch.confirmed().values()) == {True}
    assert ch.drain(name) == [b"%d" % number for number in range(500)]


def test_an_unroutable_message_is_confirmed(ch: Channel, name: str) -> None:
    ch.select()
    ch.publish(name)
    assert ch.confirmed() == {1: True}


def test_a_single_publish_is_confirmed_at_once(ch: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.select()
    took: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        ch.publish(name, properties=PERSISTENT)
        ch.confirmed()
        took.append(time.monotonic() - began)
    # Nobody waits for a second one; only a busy disk may be late once.
    assert min(took) < 0.5


def test_bursts_are_confirmed_together(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.select()
    acks = 0
    for _ in range(40):
        for _ in range(100):
            ch.publish(name)
        while True:
            ack = ch.take(spec.Basic.Ack)
            acks += 1
            if ack.multiple:
                return
            if ack.delivery_tag == ch.published:
                break
    raise AssertionError(f"{acks} confirms, none for several")


def test_confirm_select_may_be_repeated_without_counting_anew(ch: Channel, name: str) -> None:
    ch.select()
    ch.publish(name)
    ch.confirmed()
    ch.call(spec.Confirm.Select())
    ch.publish(name)
    assert ch.take(spec.Basic.Ack).delivery_tag == 2


def test_confirms_count_from_the_select_and_by_channel(ch: Channel, name: str) -> None:
    second = ch.wire.channel(2)
    second.select()
    ch.publish(name)
    ch.select()
    for channel in (ch, second):
        channel.publish(name)
        assert channel.take(spec.Basic.Ack).delivery_tag == 1


def test_confirm_select_nowait_has_no_reply(ch: Channel, name: str) -> None:
    ch.send(spec.Confirm.Select(nowait=True))
    ch.publish(name)
    assert ch.take(spec.Basic.Ack).delivery_tag == 1


def test_a_channel_that_confirms_cannot_become_transactional(ch: Channel) -> None:
    ch.select()
    with channel_error(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode", spec.Tx.Select):
        ch.call(spec.Tx.Select())


def test_a_transactional_channel_cannot_confirm(ch: Channel) -> None:
    ch.call(spec.Tx.Select())
    with channel_error(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode", spec.Confirm.Select):
        ch.select()


def test_messages_purged_or_deleted_are_confirmed(ch: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.select()
    for number in range(300):
        ch.publish(name, properties=PERSISTENT)
        if number % 50 == 0:
            ch.send(spec.Queue.Purge(0, name, nowait=True))
    ch.send(spec.Queue.Delete(0, name, nowait=True))
    ch.publish(name, properties=PERSISTENT)
    assert set(ch.confirmed().values()) == {True}


def test_what_came_before_an_error_is_confirmed_before_the_close(ch: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.select()
    for _ in range(3):
        ch.publish(name, properties=PERSISTENT)
    ch.confirmed()
    with channel_error(404):
        ch.publish(name, exchange=name + "-missing")
        ch.next()
    again = ch.wire.channel(2)
    again.await_count(name, 3)


def test_a_confirm_means_that_the_message_is_there(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    ch.select()
    for number in range(20):
        ch.publish(name, properties=PERSISTENT)
        ch.confirmed()
        assert other.count(name) == number + 1


def test_confirms_do_not_wait_for_consumers(ch: Channel, other: Channel, name: str) -> None:
    ch.queue(name, durable=True)
    other.qos(1)
    other.consume(name)
    ch.select()
    for _ in range(10):
        ch.publish(name, properties=PERSISTENT)
    assert set(ch.confirmed().values()) == {True}


# What is refused


def test_the_user_id_is_the_login(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, user_id=ch.wire.amqp.user)
    assert ch.await_one(name).properties.user_id == ch.wire.amqp.user


def test_another_user_id_is_refused(ch: Channel, name: str) -> None:
    text = "PRECONDITION_FAILED - user_id property set to 'eve' but authenticated user was 'guest'"
    with channel_error(406, text, spec.Basic.Publish):
        ch.publish(name, user_id="eve")
        ch.barrier()


@pytest.mark.parametrize("expiration", ["foobar", "10000foobar", "-10", "", " 5", "1.5"])
def test_an_expiration_is_a_number_of_milliseconds(ch: Channel, name: str, expiration: str) -> None:
    with channel_error(406, method=spec.Basic.Publish):
        ch.publish(name, properties=spec.Basic.Properties(expiration=expiration))
        ch.barrier()


@pytest.mark.parametrize(("value", "kind"), [("not an array", "longstr"), (None, "void"), (1, "byte")])
@pytest.mark.parametrize("header", ["CC", "BCC"])
def test_copies_are_addressed_by_an_array(
    ch: Channel, name: str, header: str, value: str | int | None, kind: str
) -> None:
    text = f'PRECONDITION_FAILED - invalid message: {{unacceptable_type_in_header,"{header}",{kind}}}'
    with channel_error(406, text, spec.Basic.Publish):
        ch.publish(name, headers={header: value})
        ch.barrier()


def test_contents_follow_each_other_in_order(ch: Channel, name: str) -> None:
    ch.queue(name)
    for number in range(1000):
        ch.publish(name, b"%d" % number)
    ch.await_count(name, 1000)
    assert ch.drain(name) == [b"%d" % number for number in range(1000)]


def test_two_channels_of_a_connection_publish_side_by_side(ch: Channel, name: str) -> None:
    ch.queue(name)
    channels = [ch, ch.wire.channel(2)]
    for number in range(100):
        channels[number % 2].publish(name, b"%d" % number)
    ch.await_count(name, 100)
    bodies = [int(body) for body in ch.drain(name)]
    assert [body for body in bodies if body % 2] == list(range(1, 100, 2))
    assert [body for body in bodies if not body % 2] == list(range(0, 100, 2))


def test_a_get_is_a_content(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, b"x")
    ch.await_count(name, 1)
    assert isinstance(ch.get(name), Content)
