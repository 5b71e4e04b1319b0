"""AMQP 0-9-1 section 1.6: exchanges are declared, compared, deleted, bound to each other."""

from __future__ import annotations

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from tests.support.marks import differs_from
from tests.support.wire import Channel, channel_error, connection_error

PREDECLARED = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}
ON_DEFAULT = "ACCESS_REFUSED - operation not permitted on the default exchange"
TYPES = ["direct", "fanout", "topic", "headers"]


@pytest.mark.parametrize("exchange", [*PREDECLARED, "amq.rabbitmq.trace"])
def test_the_standard_exchange_is_there(ch: Channel, exchange: str) -> None:
    ch.exchange(exchange, passive=True)


@pytest.mark.parametrize(("exchange", "kind"), PREDECLARED.items())
def test_a_standard_exchange_may_be_declared_as_it_is(ch: Channel, exchange: str, kind: str) -> None:
    ch.exchange(exchange, kind, durable=True)


@pytest.mark.parametrize("kind", TYPES)
def test_a_declaration_may_be_repeated(ch: Channel, name: str, kind: str) -> None:
    for _ in range(2):
        ch.exchange(name, kind, auto_delete=True)


def test_a_passive_declaration_of_what_is_missing_is_not_found(ch: Channel, name: str) -> None:
    with channel_error(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", spec.Exchange.Declare):
        ch.exchange(name, passive=True)


def test_a_passive_declaration_looks_at_nothing_but_the_name(ch: Channel, name: str) -> None:
    ch.exchange(name, "topic")
    ch.exchange(
        name, "fanout", {"alternate-exchange": "x"}, passive=True, durable=True, auto_delete=True, internal=True
    )


@pytest.mark.parametrize("field", ["durable", "auto_delete", "internal"])
def test_another_value_of_a_flag_is_inequivalent(ch: Channel, name: str, field: str) -> None:
    ch.exchange(name)
    text = f"PRECONDITION_FAILED - inequivalent arg '{field}' for exchange '{name}' in vhost '/': "
    with channel_error(406, text + "received 'true' but current is 'false'", spec.Exchange.Declare):
        ch.exchange(name, durable=field == "durable", auto_delete=field == "auto_delete", internal=field == "internal")


def test_another_type_is_inequivalent(ch: Channel, name: str) -> None:
    ch.exchange(name, "fanout")
    text = f"PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{name}' in vhost '/': "
    with channel_error(406, text + "received 'topic' but current is 'fanout'", spec.Exchange.Declare):
        ch.exchange(name, "topic")


@pytest.mark.parametrize(
    ("first", "second", "ending"),
    [
        ({}, {"alternate-exchange": "a"}, "received the value 'a' of type 'longstr' but current is none"),
        ({"alternate-exchange": "a"}, {}, "received none but current is the value 'a' of type 'longstr'"),
        ({"alternate-exchange": "a"}, {"alternate-exchange": "b"}, "received 'b' but current is 'a'"),
    ],
)
def test_another_alternate_exchange_is_inequivalent(
    ch: Channel, name: str, first: FieldTable, second: FieldTable, ending: str
) -> None:
    ch.exchange(name, "direct", first)
    text = f"PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange '{name}' in vhost '/': "
    with channel_error(406, text + ending):
        ch.exchange(name, "direct", second)


def test_unknown_arguments_are_not_compared(ch: Channel, name: str) -> None:
    ch.exchange(name, "direct", {"x-mine": 1})
    ch.exchange(name, "direct", {"x-mine": 2, "x-yours": "other"})


@differs_from("rabbitmq 3.10", why="it closes the connection with 503, as before 4.0")
def test_an_unknown_type_is_refused(ch: Channel, name: str) -> None:
    with channel_error(406, "PRECONDITION_FAILED - unknown exchange type 'ZZ'", spec.Exchange.Declare):
        ch.exchange(name, "ZZ")


def test_a_reserved_name_is_refused(ch: Channel) -> None:
    text = "ACCESS_REFUSED - exchange name 'amq.t-new' contains reserved prefix 'amq.*'"
    with channel_error(403, text, spec.Exchange.Declare):
        ch.exchange("amq.t-new")


@pytest.mark.parametrize("passive", [False, True])
def test_the_default_exchange_cannot_be_declared(ch: Channel, passive: bool) -> None:
    with channel_error(403, ON_DEFAULT, spec.Exchange.Declare):
        ch.exchange("", passive=passive, durable=True)


def test_the_default_exchange_cannot_be_deleted(ch: Channel) -> None:
    with channel_error(403, ON_DEFAULT, spec.Exchange.Delete):
        ch.call(spec.Exchange.Delete(0, ""))


def test_the_default_exchange_takes_no_binding(ch: Channel, name: str) -> None:
    ch.queue(name)
    with channel_error(403, ON_DEFAULT, spec.Queue.Bind):
        ch.bind(name, "", "key")


def test_the_default_exchange_gives_up_no_binding(ch: Channel, name: str) -> None:
    ch.queue(name)
    with channel_error(403, ON_DEFAULT, spec.Queue.Unbind):
        ch.unbind(name, "", name)


@pytest.mark.parametrize("default_is", ["source", "destination"])
def test_the_default_exchange_is_bound_to_no_exchange(ch: Channel, default_is: str) -> None:
    pair = ("amq.fanout", "") if default_is == "source" else ("", "amq.fanout")
    with channel_error(403, ON_DEFAULT, spec.Exchange.Bind):
        ch.bind_exchange(*pair)


@pytest.mark.parametrize("exchange", [*PREDECLARED, "amq.absent"])
def test_a_standard_exchange_cannot_be_deleted(ch: Channel, exchange: str) -> None:
    text = f"ACCESS_REFUSED - deletion of system exchange '{exchange}' in vhost '/' not allowed"
    with channel_error(403, text, spec.Exchange.Delete):
        ch.call(spec.Exchange.Delete(0, exchange))


@pytest.mark.parametrize("dirty", ["\n{}", "{}\r\n", "{0:.4}\n\r{0}"])
def test_line_ends_in_a_name_are_dropped(ch: Channel, name: str, dirty: str) -> None:
    spelled = dirty.format(name)
    ch.exchange(spelled)
    clean = spelled.replace("\n", "").replace("\r", "")
    ch.exchange(clean, passive=True)
    ch.call(spec.Exchange.Delete(0, clean))


def test_deletion_of_what_is_missing_is_answered(ch: Channel, name: str) -> None:
    ch.call(spec.Exchange.Delete(0, name))


def test_a_deleted_exchange_is_gone(ch: Channel, name: str) -> None:
    ch.exchange(name)
    ch.call(spec.Exchange.Delete(0, name))
    with channel_error(404):
        ch.exchange(name, passive=True)


def test_if_unused_spares_an_exchange_with_bindings(ch: Channel, name: str) -> None:
    ch.exchange(name)
    ch.queue(name)
    ch.bind(name, name)
    with channel_error(406, f"PRECONDITION_FAILED - exchange '{name}' in vhost '/' in use", spec.Exchange.Delete):
        ch.call(spec.Exchange.Delete(0, name, if_unused=True))


def test_if_unused_counts_bindings_as_source_only(ch: Channel, name: str) -> None:
    ch.exchange(name)
    ch.bind_exchange(name, "amq.direct", name)
    ch.call(spec.Exchange.Delete(0, name, if_unused=True))


def test_deletion_removes_bindings_for_good(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "fanout")
    ch.bind(name, name)
    ch.call(spec.Exchange.Delete(0, name))
    ch.exchange(name, "fanout")
    ch.publish("", b"lost", exchange=name)
    ch.barrier()
    assert ch.count(name) == 0


def test_an_exchange_never_bound_is_not_deleted_automatically(ch: Channel, name: str) -> None:
    ch.exchange(name, auto_delete=True)
    ch.exchange(name, passive=True)


def test_the_last_unbinding_deletes_an_auto_delete_exchange(ch: Channel, name: str) -> None:
    ch.exchange(name, auto_delete=True)
    ch.queue(name)
    for key in ("one", "two"):
        ch.bind(name, name, key)
    ch.unbind(name, name, "one")
    ch.exchange(name, passive=True)
    ch.unbind(name, name, "two")
    with channel_error(404):
        ch.exchange(name, passive=True)


def test_deletion_of_the_last_queue_deletes_an_auto_delete_exchange(ch: Channel, name: str) -> None:
    ch.exchange(name, auto_delete=True)
    ch.queue(name)
    ch.bind(name, name)
    ch.delete(name)
    with channel_error(404):
        ch.exchange(name, passive=True)


def test_cancelling_the_last_consumer_may_take_queue_and_exchange(ch: Channel, name: str) -> None:
    ch.exchange(name, auto_delete=True)
    ch.queue(name, auto_delete=True)
    ch.bind(name, name)
    ch.cancel(ch.consume(name))
    with channel_error(404):
        ch.exchange(name, passive=True)


def test_automatic_deletion_goes_along_a_chain_of_exchanges(ch: Channel, name: str) -> None:
    chain = [f"{name}-{number}" for number in range(3)]
    for exchange in chain:
        ch.exchange(exchange, "fanout", auto_delete=True)
    ch.queue(name)
    ch.bind(name, chain[2])
    ch.bind_exchange(chain[2], chain[1])
    ch.bind_exchange(chain[1], chain[0])
    ch.delete(name)
    with channel_error(404):
        ch.exchange(chain[0], passive=True)


def test_automatic_deletion_ends_in_a_loop_of_exchanges(ch: Channel, name: str) -> None:
    first, second = f"{name}-a", f"{name}-b"
    for exchange in (first, second):
        ch.exchange(exchange, "fanout", auto_delete=True)
    ch.bind_exchange(first, second)
    ch.bind_exchange(second, first)
    ch.unbind_exchange(first, second)
    with channel_error(404):
        ch.exchange(second, passive=True)


def test_a_client_cannot_publish_to_an_internal_exchange(ch: Channel, name: str) -> None:
    ch.exchange(name, internal=True)
    text = f"ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'"
    with channel_error(403, text, spec.Basic.Publish):
        ch.publish("key", exchange=name)
        ch.barrier()


def test_an_internal_exchange_is_reached_through_another(ch: Channel, name: str) -> None:
    ch.exchange(name, "fanout", internal=True)
    ch.exchange(name + "-front", "fanout")
    ch.queue(name)
    ch.bind(name, name)
    ch.bind_exchange(name, name + "-front")
    ch.publish("", b"in", exchange=name + "-front")
    assert ch.await_one(name).body == b"in"


def test_publishing_to_a_missing_exchange_closes_the_channel_only(ch: Channel, name: str) -> None:
    with channel_error(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", spec.Basic.Publish):
        ch.publish("key", exchange=name)
        ch.barrier()
    ch.wire.channel(2)


@pytest.mark.parametrize("missing", ["source", "destination"])
def test_binding_a_missing_exchange_is_not_found(ch: Channel, name: str, missing: str) -> None:
    pair = ("amq.fanout", name) if missing == "source" else (name, "amq.fanout")
    with channel_error(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", spec.Exchange.Bind):
        ch.bind_exchange(*pair)


def test_unbinding_exchanges_that_are_not_bound_is_answered(ch: Channel, name: str) -> None:
    ch.exchange(name)
    ch.unbind_exchange(name, "amq.direct", "key")


def test_unbinding_a_missing_exchange_is_answered(ch: Channel, name: str) -> None:
    ch.unbind_exchange(name, "amq.direct", "key")


@pytest.mark.parametrize("verb", ["declare", "delete", "bind", "unbind"])
def test_nowait_has_no_reply(ch: Channel, name: str, verb: str) -> None:
    ch.exchange(name)
    method = {
        "declare": spec.Exchange.Declare(0, name, nowait=True),
        "delete": spec.Exchange.Delete(0, name, nowait=True),
        "bind": spec.Exchange.Bind(0, name, "amq.direct", "k", nowait=True),
        "unbind": spec.Exchange.Unbind(0, name, "amq.direct", "k", nowait=True),
    }[verb]
    ch.send(method)
    ch.send(spec.Channel.Flow(True))
    ch.take(spec.Channel.FlowOk)


def test_a_durable_exchange_of_the_type_that_announces_itself_is_kept(ch: Channel, name: str) -> None:
    ch.exchange(name, "topic", durable=True)
    ch.exchange(name, "topic", durable=True)


def test_the_alternate_exchange_is_named_by_a_string(ch: Channel, name: str) -> None:
    text = f"PRECONDITION_FAILED - invalid type 'byte' for arg 'alternate-exchange' in exchange '{name}' in vhost '/'"
    with channel_error(406, text, spec.Exchange.Declare):
        ch.exchange(name, "direct", {"alternate-exchange": 7})


def test_exchanges_of_another_connection_are_the_same(ch: Channel, other: Channel, name: str) -> None:
    ch.exchange(name)
    other.exchange(name, passive=True)


def test_immediate_is_not_implemented(ch: Channel, name: str) -> None:
    ch.queue(name)
    with connection_error(540, "NOT_IMPLEMENTED - immediate=true", spec.Basic.Publish):
        ch.publish(name, immediate=True)
        ch.barrier()


def test_immediate_is_not_implemented_whatever_the_exchange(ch: Channel, name: str) -> None:
    with connection_error(540, "NOT_IMPLEMENTED - immediate=true", spec.Basic.Publish):
        ch.publish(name, exchange=name + "-none", immediate=True)
        ch.barrier()
