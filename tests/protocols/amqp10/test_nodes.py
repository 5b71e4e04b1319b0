"""Termini of links: which queue or exchange each becomes, what is made for it, and what our attach says of it."""

from __future__ import annotations

import pytest

from batonmq.errors import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from batonmq.fields import FieldValue, LongLong
from batonmq.protocols.amqp10.codec.performatives import Modified, Released
from batonmq.protocols.amqp10.codec.values import Described, Symbol, UInt, ULong
from batonmq.protocols.amqp10.dialects import ACTIVEMQ, ARTEMIS, RABBITMQ, SPEC, Dialect
from batonmq.protocols.amqp10.failures import LinkFailure
from tests.protocols.amqp10.linked import Idle, Linked, limited, refused
from tests.support.driven import Driven

each_dialect = pytest.mark.parametrize("dialect", [SPEC, RABBITMQ, ACTIVEMQ, ARTEMIS], ids=lambda each: each.name)
SELECTOR = Symbol("apache.org:selector-filter:string")


@pytest.fixture
def linked(driven: Driven) -> Linked:
    """In the dialect spec."""
    return Linked(driven)


# ------------------------------------------------------------------ targets


def test_a_target_echoes_its_address(linked: Linked) -> None:
    linked.operations.declare_queue("a/b", durable=True)
    for address in ("/queues/a%2Fb", "queue://a/b", "a/b", "/exchanges/amq.direct/k", "topic://t"):
        opened = linked.target(address)
        assert opened.target.address == address
        assert not opened.is_anonymous


def test_a_queue_of_rabbitmq_4_has_to_be_there(linked: Linked) -> None:
    for address in ("/queues/q", "/amq/queue/q", "temp-queue://q"):
        with pytest.raises(NotFound):
            linked.target(address)
        with pytest.raises(NotFound):
            linked.source(address)
    assert linked.queues == {}
    linked.operations.declare_queue("q")
    opened = linked.target("/queues/q")
    assert (opened.exchange, opened.routing_key) == ("", "q")
    assert linked.source("/queues/q").queue is linked.queues["q"]


@each_dialect
def test_a_bare_name_is_a_durable_queue_that_is_made(driven: Driven, dialect: Dialect) -> None:
    linked = Linked(driven, dialect)
    assert linked.target("q").routing_key == "q"
    assert linked.queues["q"].durable
    assert not linked.queues["q"].exclusive
    assert linked.source("r").queue is linked.queues["r"]
    # Who says nothing about a queue takes it as it is.
    linked.operations.declare_queue("s", arguments={"x-max-length": LongLong(5)})
    assert linked.target("s").routing_key == "s"


def test_customs_of_the_dialect_are_kept(driven: Driven) -> None:
    Linked(driven, ACTIVEMQ).target("Consumer.a.VirtualTopic.x")
    Linked(driven, ARTEMIS).source("q")
    assert {"ActiveMQ.DLQ", "DLQ", "ExpiryQueue"} < set(driven.operations.vhost.queues)
    assert Linked(driven).publish("m", "amq.topic", "VirtualTopic.x") == 1


def test_an_exchange_and_its_key(linked: Linked) -> None:
    opened = linked.target("/exchanges/amq.direct/k")
    assert (opened.exchange, opened.routing_key, opened.accepts_unroutable) == ("amq.direct", "k", False)
    assert linked.target("/exchanges/amq.fanout").routing_key == ""
    assert linked.target("/exchange/amq.direct").routing_key is None
    with pytest.raises(NotFound):
        linked.target("/exchanges/none/k")
    with pytest.raises(AccessRefused):
        linked.target("/exchanges/amq.rabbitmq.trace")


def test_a_topic_takes_what_nobody_wants(linked: Linked) -> None:
    for opened in (linked.target("topic://t"), linked.target("t", "topic")):
        assert (opened.exchange, opened.routing_key, opened.accepts_unroutable) == ("amq.topic", "t", True)
    assert not linked.target("/topic/t").accepts_unroutable
    assert linked.target("t", "topic", "other").target.capabilities == ["topic"]


def test_a_queue_with_its_topic(linked: Linked) -> None:
    assert linked.source("news::mine").queue.name == "mine"
    assert linked.publish("m", "amq.topic", "news") == 1
    assert linked.target("news::mine").routing_key == "mine"


def test_a_bare_name_of_artemis_is_a_topic_where_it_has_subscribers(driven: Driven) -> None:
    linked = Linked(driven, ARTEMIS)
    linked.source("news", "topic")
    assert linked.target("news").exchange == "amq.topic"
    assert linked.nodes.address_of("news") == ("amq.topic", "news")
    assert linked.nodes.is_topic("news")
    linked.operations.declare_queue("news")
    assert linked.target("news").exchange == ""
    assert linked.nodes.address_of("news") == ("", "news")


def test_another_s_exclusive_queue_can_be_sent_to_and_not_received_from(driven: Driven) -> None:
    mine, other = Linked(driven), Linked(driven)
    mine.operations.declare_queue("q", exclusive=True)
    assert other.target("/queues/q").routing_key == "q"
    with pytest.raises(ResourceLocked):
        other.source("/queues/q")


@each_dialect
def test_what_is_no_address_is_an_invalid_field(driven: Driven, dialect: Dialect) -> None:
    linked = Linked(driven, dialect)
    bad = "/queues/%4" if dialect.has_rabbitmq_addresses else "a,b" if dialect is ACTIVEMQ else "::q"
    assert refused("amqp:invalid-field", linked.target, bad)
    assert refused("amqp:invalid-field", linked.source, bad)
    refused("amqp:invalid-field", linked.source, None)


def test_exchanges_as_sources(driven: Driven) -> None:
    opened = Linked(driven).source("/exchanges/amq.direct/k")
    assert opened.source.address == "/exchanges/amq.direct/k"
    linked = Linked(driven, RABBITMQ)
    assert "no source" in refused("amqp:invalid-field", linked.source, "/exchanges/amq.direct/k")
    assert linked.source("/exchange/amq.direct/k").queue.exclusive
    assert linked.publish("m", "amq.direct", "k") == 2


# ------------------------------------------------------------------ rights


def test_rights(driven: Driven) -> None:
    driven.queue("q")
    with pytest.raises(AccessRefused):
        Linked(driven, user=limited(write=".*")).target("r")
    with pytest.raises(AccessRefused):
        Linked(driven, user=limited(write="none")).target("/queues/none")
    with pytest.raises(AccessRefused):
        Linked(driven, user=limited(write="amq.topic")).target("/exchanges/amq.direct/k")
    with pytest.raises(AccessRefused):
        Linked(driven, user=limited(write=".*", configure=".*")).source("/queues/q")
    with pytest.raises(AccessRefused):
        Linked(driven, user=limited(read=".*")).source("r")
    assert Linked(driven, user=limited(write="^amq.default$")).target("q").routing_key == "q"
    assert Linked(driven, user=limited(read="^q$")).source("q").queue.name == "q"


def test_a_subscription_that_its_user_may_not_read_leaves_nothing_behind(driven: Driven) -> None:
    blind = limited(configure=".*", write=".*", read="^amq.topic$")
    linked = Linked(driven, user=blind)
    with pytest.raises(AccessRefused):
        linked.source("topic://t")
    with pytest.raises(AccessRefused):
        linked.source("topic://t", "shared")
    with pytest.raises(AccessRefused):
        linked.subscription("t")
    assert linked.queues == {}
    assert linked.operations.owned == {}
    # Nor does an earlier one give way.
    before = Linked(driven).subscription("t").queue
    with pytest.raises(AccessRefused):
        linked.subscription("other")
    assert linked.queues == {before.name: before}


def test_a_subscription_that_is_refused_leaves_nothing_behind(driven: Driven) -> None:
    linked = Linked(driven, user=limited(configure=".*", write=".*", read="^amq.gen-"))
    with pytest.raises(AccessRefused):
        linked.source("topic://t")
    with pytest.raises(NotFound):
        Linked(driven).source("/exchanges/none/k")
    assert linked.queues == {}
    assert linked.operations.owned == {}


# ------------------------------------------------------------------ messages with addresses of their own


def test_messages_tell_where_they_go(linked: Linked) -> None:
    assert linked.target().is_anonymous
    assert linked.target().target.address is None
    linked.operations.declare_queue("q")
    address_of = linked.nodes.address_of
    assert address_of("/queues/q") == ("", "q")
    assert address_of("/exchanges/amq.direct/k%2F") == ("amq.direct", "k/")
    assert address_of("topic://a.>") == ("amq.topic", "a.#")
    assert address_of("made") == ("", "made")
    assert linked.queues["made"].durable
    assert linked.nodes.is_topic("topic://a.>")
    assert not linked.nodes.is_topic("/exchanges/amq.direct/k%2F")
    assert not linked.nodes.is_topic(None)
    linked.operations.delete_queue("made")
    assert address_of("made") == ("", "made")
    assert linked.queues["made"].durable
    linked.operations.delete_queue("q")
    with pytest.raises(NotFound):
        address_of("/queues/q")


def test_bad_addresses_of_messages(driven: Driven) -> None:
    linked, rabbitmq = Linked(driven), Linked(driven, RABBITMQ)
    refused("amqp:invalid-field", linked.nodes.address_of, "/queues/%4")
    refused("amqp:invalid-field", linked.nodes.address_of, "/exchange/amq.direct")
    refused("amqp:not-found", linked.nodes.address_of, None)
    refused("amqp:precondition-failed", rabbitmq.nodes.address_of, "/queues/%4")
    refused("amqp:precondition-failed", rabbitmq.nodes.address_of, None)
    # It is released then, as what no queue wants.
    assert rabbitmq.nodes.address_of("/queues/none") == ("", "none")
    assert "none" not in driven.operations.vhost.queues


def test_any_number_of_addresses_may_come(linked: Linked) -> None:
    for number in range(3000):
        assert linked.nodes.address_of(f"topic://{number}") == ("amq.topic", str(number))
    assert linked.nodes.is_topic("topic://2999")
    assert len(linked.nodes._known) <= 1024


# ------------------------------------------------------------------ sources


def test_what_a_source_answers(linked: Linked) -> None:
    linked.operations.declare_queue("q")
    asked = Modified(delivery_failed=True)
    opened = linked.source("/queues/q", "queue", "unknown", default_outcome=asked, outcomes=["amqp:accepted:list"])
    answer = opened.source
    assert answer.address == "/queues/q"
    assert answer.capabilities == ["queue"]
    assert answer.distribution_mode == "move"
    assert answer.default_outcome == opened.default_outcome == asked
    assert [str(name) for name in answer.outcomes or ()] == [
        "amqp:accepted:list",
        "amqp:rejected:list",
        "amqp:released:list",
        "amqp:modified:list",
    ]
    plain = linked.source("/queues/q")
    assert plain.default_outcome is None
    assert plain.source.default_outcome == Released()
    assert plain.source.capabilities is None


def test_copy_is_browsing_and_of_a_topic_nothing_else(linked: Linked) -> None:
    linked.operations.declare_queue("q")
    opened = linked.source("/queues/q", distribution_mode=Symbol("copy"))
    assert opened.is_browsing
    assert opened.source.distribution_mode == "copy"
    opened = linked.source("topic://t", distribution_mode=Symbol("copy"))
    assert not opened.is_browsing
    assert opened.source.distribution_mode == "copy"


@pytest.mark.parametrize("name", ["rabbitmq:priority", "priority"])
def test_the_priority_of_a_consumer(linked: Linked, name: str) -> None:
    assert linked.source("q", link_properties={name: UInt(7)}).priority == 7
    assert linked.source("q").priority == 0
    for wrong in ("7", True, 2**31, -(2**31) - 1, 1.5):
        refused("amqp:invalid-field", linked.source, "q", link_properties={name: wrong})


def test_an_exclusive_consumer(linked: Linked) -> None:
    assert linked.source("q", link_properties={"exclusive": True}).exclusive
    assert not linked.source("q").exclusive
    refused("amqp:invalid-field", linked.source, "q", link_properties={"exclusive": 1})


def test_arguments_of_a_queue_in_the_properties_of_the_link(linked: Linked) -> None:
    properties = {"x-max-length": ULong(5), "x-single-active-consumer": True, "x-overflow": Symbol("drop-head"), "y": 1}
    expected: dict[str, FieldValue] = {
        "x-max-length": LongLong(5),
        "x-single-active-consumer": True,
        "x-overflow": "drop-head",
    }
    linked.source("q", link_properties=properties)
    assert linked.queues["q"].arguments == expected
    linked.target("q", link_properties=properties)
    with pytest.raises(PreconditionFailed):
        linked.target("q", link_properties={"x-max-length": 6})
    with pytest.raises(PreconditionFailed):
        linked.target("r", link_properties={"x-max-length": "many"})
    refused("amqp:invalid-field", linked.target, "s", link_properties={"x-max-length": [1]})


# ------------------------------------------------------------------ filters


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("selector", Described(SELECTOR, "a = 1")),
        ("whatever", Described(ULong(0x0000468C00000004), "a = 1")),
        ("jms-selector", Described(SELECTOR, "a = 1")),
        ("selector", "a = 1"),
        ("jms-selector", "a = 1"),
    ],
)
def test_a_selector_is_in_force_and_echoed(linked: Linked, name: str, value: object) -> None:
    opened = linked.source("q", filter={Symbol(name): value, Symbol("other"): Described(Symbol("x:y"), "a = 1")})
    assert opened.selector is not None
    assert opened.selector.text == "a = 1"
    assert opened.source.filter == {name: value}


def test_what_is_not_known_is_not_in_force(linked: Linked) -> None:
    filters = {
        Symbol("rabbitmq:stream-offset-spec"): Described(Symbol("rabbitmq:stream-offset-spec"), "first"),
        Symbol("apache.org:no-local-filter:list"): Described(Symbol("apache.org:no-local-filter:list"), []),
        Symbol("text"): "a = 1",
    }
    opened = linked.source("q", filter=filters)
    assert opened.selector is None
    assert opened.source.filter == {}
    assert not opened.is_deaf


@pytest.mark.parametrize("value", ["a =", "", 5, None])
def test_an_invalid_selector_refuses_the_link(linked: Linked, value: object) -> None:
    refused("amqp:invalid-field", linked.source, "q", filter={Symbol("selector"): Described(SELECTOR, value)})
    assert linked.queues == {}


def test_two_selectors_are_one_too_many(linked: Linked) -> None:
    filters = {Symbol("a"): Described(SELECTOR, "a = 1"), Symbol("b"): Described(SELECTOR, "b = 1")}
    refused("amqp:invalid-field", linked.source, "q", filter=filters)


@pytest.mark.parametrize("code", [Symbol("apache.org:no-local-filter:list"), ULong(0x0000468C00000003)])
def test_no_local_on_a_topic(linked: Linked, code: object) -> None:
    value = Described(code, [])
    opened = linked.source("topic://t", filter={Symbol("no-local"): value})
    assert opened.is_deaf
    assert opened.source.filter == {"no-local": value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("region = 'a.b' AND p.subject LIKE 'x%'", "region = 'a.b' AND JMSType LIKE 'x%'"),
        ("properties.message_id = 'p.x' OR h.priority > 4", "JMSMessageID = 'p.x' OR JMSPriority > 4"),
        ("application_properties.colour = 'it''s'", "colour = 'it''s'"),
        ("properties.to = 'x'", None),
        ("a.JMSType = 'x'", None),
        ("UTC(p.creation_time) > 3", None),
    ],
)
def test_sql_filters_as_far_as_a_selector_says_the_same(linked: Linked, text: str, expected: str | None) -> None:
    value = Described(Symbol("amqp:sql-filter"), text)
    opened = linked.source("q", filter={Symbol("sql-filter"): value})
    if expected is None:
        assert opened.selector is None
        assert opened.source.filter == {}
    else:
        assert opened.selector is not None
        assert opened.selector.text == expected
        assert opened.source.filter == {"sql-filter": value}


# ------------------------------------------------------------------ direct replies


def test_direct_replies(linked: Linked) -> None:
    opened = linked.source(None, "rabbitmq:volatile-queue", dynamic=True, snd_settle_mode=1)
    assert opened.is_reply
    token = linked.vhost.replies.open(Idle(linked.operations.declare_queue("x"), "tag"))
    answer = opened.at(token).source
    assert answer.address is not None
    assert answer.capabilities == ["rabbitmq:volatile-queue"]
    assert linked.nodes.address_of(answer.address) == ("", token)
    assert Linked(linked.driven).target(answer.address).routing_key == token
    linked.close(opened)
    linked.vhost.replies.close(token)
    with pytest.raises(NotFound):
        linked.target(answer.address)
    refused("amqp:not-allowed", linked.source, None, "rabbitmq:volatile-queue", dynamic=True)


def test_links_of_replies_leave_nothing_behind(linked: Linked) -> None:
    for _ in range(3):
        opened = linked.source(None, "rabbitmq:volatile-queue", dynamic=True, snd_settle_mode=1)
        linked.close(opened.at("amq.rabbitmq.reply-to.x"))
    assert linked.nodes._opened == {}


def test_a_failure_says_which_field_is_wrong(linked: Linked) -> None:
    with pytest.raises(LinkFailure) as caught:
        linked.target("/queues/")
    error = caught.value.error()
    assert error.condition == "amqp:invalid-field"
    assert error.info == {"invalid-field": "address"}
