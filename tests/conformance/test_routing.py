"""AMQP 0-9-1 section 3.1.3 and RabbitMQ's extensions: which queues a message reaches."""

from __future__ import annotations

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable

from tests.support.codec import typed
from tests.support.wire import Channel, Content, channel_error

TOPICS = [
    ("a.b.c", "a.b.c", True),
    ("a.b.c", "a.b", False),
    ("a.*.c", "a.b.c", True),
    ("a.*.c", "a..c", True),
    ("a.*.c", "a.b.b.c", False),
    ("a.*", "a", False),
    ("a.*", "a.", True),
    ("*", "", False),
    ("*", "a", True),
    ("*.*", "a.b", True),
    ("*.*", "a", False),
    ("#", "", True),
    ("#", "a.b.c", True),
    ("", "", True),
    ("", "a", False),
    ("a.#", "a", True),
    ("a.#", "a.b.c", True),
    ("a.#", "ab", False),
    ("#.c", "c", True),
    ("#.c", "a.b.c", True),
    ("#.c", "a.b.d", False),
    ("a.#.c", "a.c", True),
    ("a.#.c", "a.b.b.c", True),
    ("a.#.b.*", "a.b.c", True),
    ("a.#.b.*", "a.x.b.c", True),
    ("a.#.b.*", "a.b", False),
    ("a.#.b.*", "a.b.b.b", True),
    ("#.#", "", True),
    ("#.#", "a.b", True),
    ("#.*", "", False),
    ("#.*", "a", True),
    ("*.#", "a.b.c", True),
    ("*.#", "", False),
    ("#.a.#", "b.a.b", True),
    ("#.a.#", "b.b", False),
    ("#.a.#.b.#", "a.b", True),
    ("#.a.#.b.#", "b.a", False),
    ("a#", "a#", True),
    ("a#", "ab", False),
    ("a*", "ab", False),
    ("A.b", "a.b", False),
    ("a..b", "a..b", True),
    ("a.b.", "a.b", False),
]
HEADERS: list[tuple[str, FieldTable, FieldTable, bool]] = [
    ("all", {"x-match": "all", "a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}, True),
    ("all, one missing", {"x-match": "all", "a": 1, "b": 2}, {"a": 1}, False),
    ("all, one differs", {"x-match": "all", "a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ("all of nothing", {"x-match": "all"}, {"a": 1}, True),
    ("all without headers", {"x-match": "all", "a": 1}, {}, False),
    ("default is all", {"a": 1, "b": 2}, {"a": 1}, False),
    ("no arguments", {}, {"a": 1}, True),
    ("any", {"x-match": "any", "a": 1, "b": 2}, {"b": 2}, True),
    ("any, none there", {"x-match": "any", "a": 1, "b": 2}, {"c": 3}, False),
    ("any, other value", {"x-match": "any", "a": 1}, {"a": 2}, False),
    ("any of nothing", {"x-match": "any"}, {"a": 1}, False),
    ("any without headers", {"x-match": "any", "a": 1}, {}, False),
    ("void is presence", {"x-match": "all", "a": None}, {"a": "whatever"}, True),
    ("void, absent", {"x-match": "all", "a": None}, {}, False),
    ("a number is no string", {"x-match": "all", "a": 3}, {"a": "3"}, False),
    ("widths", {"x-match": "all", "a": typed("b", 3)}, {"a": typed("l", 3)}, True),  # type: ignore[dict-item]
    ("x- is not compared", {"x-match": "all", "a": 1, "x-b": 2}, {"a": 1}, True),
    ("x- alone with any", {"x-match": "any", "x-b": 2}, {"x-b": 2}, False),
    ("all-with-x", {"x-match": "all-with-x", "a": 1, "x-b": 2}, {"a": 1, "x-b": 2}, True),
    ("all-with-x, missing", {"x-match": "all-with-x", "a": 1, "x-b": 2}, {"a": 1}, False),
    ("any-with-x", {"x-match": "any-with-x", "a": 1, "x-b": 2}, {"x-b": 2}, True),
    ("tables", {"x-match": "all", "a": {"n": [1, "2"]}}, {"a": {"n": [1, "2"]}}, True),
    ("booleans", {"x-match": "all", "a": True}, {"a": False}, False),
]


def arrives(ch: Channel, queue: str, exchange: str, key: str = "", headers: FieldTable | None = None) -> int:
    """How many copies of one message reach the queue. A message behind it, by another way, says that it is through."""
    ch.publish(key, b"tried", exchange=exchange, headers=headers)
    ch.publish(queue, b"marker")
    bodies: list[bytes] = []
    while b"marker" not in bodies:
        bodies.append(ch.await_one(queue).body)
    return bodies.count(b"tried")


# Types of exchanges


def test_the_default_exchange_routes_by_the_name_of_the_queue(ch: Channel, name: str) -> None:
    ch.queue(name)
    assert arrives(ch, name, "", name) == 1


def test_a_direct_exchange_compares_keys(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "direct")
    ch.bind(name, name, "key")
    assert [arrives(ch, name, name, key) for key in ("key", "other", "")] == [1, 0, 0]


def test_a_direct_exchange_reaches_every_queue_with_the_key(ch: Channel, name: str) -> None:
    ch.exchange(name, "direct")
    for number in range(3):
        ch.queue(f"{name}-{number}")
        ch.bind(f"{name}-{number}", name, "key")
    ch.publish("key", exchange=name)
    for number in range(3):
        ch.await_count(f"{name}-{number}", 1)


def test_a_fanout_exchange_ignores_keys(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "fanout")
    ch.bind(name, name, "key")
    assert [arrives(ch, name, name, key) for key in ("key", "other", "")] == [1, 1, 1]


@pytest.mark.parametrize(("pattern", "key", "matches"), TOPICS)
def test_a_topic_exchange_matches_words(ch: Channel, name: str, pattern: str, key: str, matches: bool) -> None:
    ch.queue(name)
    ch.exchange(name, "topic")
    ch.bind(name, name, pattern)
    assert arrives(ch, name, name, key) == matches


def test_several_patterns_of_a_queue_bring_one_copy(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "topic")
    for pattern in ("#", "a.*", "*.b", "a.b", "#.b", "a.#"):
        ch.bind(name, name, pattern)
    assert arrives(ch, name, name, "a.b") == 1


def test_an_unbound_pattern_matches_no_more(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "topic")
    for pattern in ("a.*", "a.#", "*.b.#"):
        ch.bind(name, name, pattern)
    ch.unbind(name, name, "a.#")
    assert [arrives(ch, name, name, key) for key in ("a.b", "a", "x.b.c", "a.c.d")] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("binding", "headers", "matches"), [entry[1:] for entry in HEADERS], ids=[entry[0] for entry in HEADERS]
)
def test_a_headers_exchange_compares_values(
    ch: Channel, name: str, binding: FieldTable, headers: FieldTable, matches: bool
) -> None:
    ch.queue(name)
    ch.exchange(name, "headers")
    ch.bind(name, name, "", binding)
    assert arrives(ch, name, name, "", headers) == matches


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("some", 'value <<"some">>; expected all, any, all-with-x, or any-with-x'),
        (1, "type byte (value 1); expected longstr"),
    ],
)
def test_an_unknown_x_match_is_refused(ch: Channel, name: str, value: str | int, reason: str) -> None:
    ch.queue(name)
    with channel_error(406, f"PRECONDITION_FAILED - Invalid x-match field {reason}", spec.Queue.Bind):
        ch.bind(name, "amq.headers", "", {"x-match": value})


def test_a_message_without_a_headers_table_matches_as_an_empty_one(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "headers")
    ch.bind(name, name, "", {"x-match": "all", "a": 1})
    ch.publish("", exchange=name)
    assert arrives(ch, name, name, "", {"a": 1}) == 1


def test_header_bindings_are_told_apart_by_their_arguments(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "headers")
    ch.bind(name, name, "", {"a": 1})
    ch.bind(name, name, "", {"a": 2})
    ch.unbind(name, name, "", {"a": 1})
    assert [arrives(ch, name, name, "", {"a": value}) for value in (1, 2)] == [0, 1]


# Exchanges bound to exchanges


def test_a_message_goes_from_exchange_to_exchange(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name + "-t", "topic")
    ch.exchange(name + "-d", "direct")
    ch.bind_exchange(name + "-d", name + "-t", "a.#")
    ch.bind(name, name + "-d", "a.b")
    assert [arrives(ch, name, name + "-t", key) for key in ("a.b", "a.c", "b")] == [1, 0, 0]


def test_a_queue_gets_one_copy_over_several_ways(ch: Channel, name: str) -> None:
    ch.queue(name)
    for suffix in ("-0", "-1", "-2"):
        ch.exchange(name + suffix, "fanout")
        ch.bind(name, name + suffix)
    ch.bind_exchange(name + "-1", name + "-0")
    ch.bind_exchange(name + "-2", name + "-0")
    assert arrives(ch, name, name + "-0") == 1


def test_a_loop_of_exchanges_ends(ch: Channel, name: str) -> None:
    ch.queue(name)
    for suffix in ("-0", "-1"):
        ch.exchange(name + suffix, "fanout")
    ch.bind_exchange(name + "-1", name + "-0")
    ch.bind_exchange(name + "-0", name + "-1")
    ch.bind_exchange(name + "-0", name + "-0")
    ch.bind(name, name + "-1")
    assert arrives(ch, name, name + "-0") == 1


def test_an_unbound_exchange_is_reached_no_more(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name + "-0", "fanout")
    ch.exchange(name + "-1", "fanout")
    ch.bind(name, name + "-1")
    for _ in range(2):
        ch.bind_exchange(name + "-1", name + "-0", "k")
    ch.unbind_exchange(name + "-1", name + "-0", "k")
    assert arrives(ch, name, name + "-0") == 0


# Alternate exchanges


def test_the_alternate_exchange_gets_what_was_not_routed(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.queue(name + "-lost")
    ch.exchange(name + "-ae", "fanout")
    ch.bind(name + "-lost", name + "-ae")
    ch.exchange(name, "direct", {"alternate-exchange": name + "-ae"})
    ch.bind(name, name, "key")
    assert arrives(ch, name, name, "key") == 1
    assert arrives(ch, name + "-lost", name, "other") == 1
    ch.await_count(name, 0)


def test_what_the_alternate_exchange_routed_is_not_returned(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name + "-ae", "fanout")
    ch.bind(name, name + "-ae")
    ch.exchange(name, "direct", {"alternate-exchange": name + "-ae"})
    ch.select()
    ch.publish("nowhere", exchange=name, mandatory=True)
    assert isinstance(ch.next(), spec.Basic.Ack)


@pytest.mark.parametrize("alternate", ["missing", "itself", "cycle"])
def test_what_no_alternate_exchange_can_route_is_returned(ch: Channel, name: str, alternate: str) -> None:
    other = {"missing": name + "-none", "itself": name, "cycle": name + "-2"}[alternate]
    ch.exchange(name, "direct", {"alternate-exchange": other})
    if alternate == "cycle":
        ch.exchange(other, "direct", {"alternate-exchange": name})
    ch.publish("nowhere", exchange=name, mandatory=True)
    assert isinstance(ch.take(Content).method, spec.Basic.Return)


def test_alternate_exchanges_form_a_chain(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name + "-2", "fanout")
    ch.bind(name, name + "-2")
    ch.exchange(name + "-1", "direct", {"alternate-exchange": name + "-2"})
    ch.exchange(name + "-0", "direct", {"alternate-exchange": name + "-1"})
    assert arrives(ch, name, name + "-0", "nowhere") == 1


# Copies


def test_copies_go_to_all_that_are_named(ch: Channel, name: str) -> None:
    queues = [f"{name}-{number}" for number in range(4)]
    for queue in queues:
        ch.queue(queue)
    ch.publish(queues[0], b"x", headers={"CC": queues[1:3], "BCC": [queues[3]]})
    for queue in queues:
        assert ch.await_one(queue).body == b"x"


def test_what_is_no_text_among_the_copies_is_passed_over(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.queue(name + "-2")
    ch.publish(name, headers={"CC": [1, name + "-2", None]})
    assert ch.await_one(name + "-2").headers == {"CC": [1, name + "-2", None]}
    assert ch.await_one(name).headers == {"CC": [1, name + "-2", None]}


def test_an_empty_list_of_blind_copies_is_removed(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, headers={"BCC": [], "own": 1})
    assert ch.await_one(name).headers == {"own": 1}


def test_blind_copies_are_removed_and_copies_are_not(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.queue(name + "-2")
    ch.publish(name, headers={"CC": ["nowhere"], "BCC": [name + "-2"], "own": "kept"})
    for queue in (name, name + "-2"):
        assert ch.await_one(queue).headers == {"CC": ["nowhere"], "own": "kept"}


def test_a_queue_named_twice_gets_one_copy(ch: Channel, name: str) -> None:
    ch.queue(name)
    assert arrives(ch, name, "", name, {"CC": [name, name], "BCC": [name]}) == 1


def test_copies_go_over_any_exchange(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.exchange(name, "topic")
    ch.bind(name, name, "b.*")
    assert arrives(ch, name, name, "a.a", {"BCC": ["b.b"]}) == 1


def test_copies_keep_the_routing_key_of_the_message(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish("elsewhere", headers={"CC": [name]})
    assert ch.await_one(name).key == "elsewhere"


def test_a_message_that_only_a_copy_reached_is_not_returned(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.select()
    ch.publish("nowhere", mandatory=True, headers={"BCC": [name]})
    assert isinstance(ch.next(), spec.Basic.Ack)


@pytest.mark.parametrize("header", ["CC", "BCC"])
def test_copies_are_not_endless(ch: Channel, name: str, header: str) -> None:
    ch.queue(name)
    assert arrives(ch, name, "", name, {header: ["nowhere"] * 1_000}) == 1
    text = "PRECONDITION_FAILED - invalid message: CC and BCC hold 1001 keys, more than 1000"
    with channel_error(406, text, spec.Basic.Publish):
        ch.publish(name, headers={header: ["nowhere"] * 1_001})
        ch.barrier()
