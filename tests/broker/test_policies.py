"""Policies: which one counts, what it comes to with a queue's own arguments, and that it works while queues live."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.broker.vhosts.policy import read_policy
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.fields import FieldValue
from batonmq.message import Message
from batonmq.properties import EMPTY
from batonmq.store.records import Definition


def put(
    driven: Driven, name: str, pattern: str = ".", *, apply_to: str = "all", priority: int = 0, **definition: FieldValue
) -> None:
    """Set a policy; the keys of its definition are written with underscores."""
    keys = {key.replace("_", "-"): value for key, value in definition.items()}
    driven.operations.set_policy(read_policy(name, pattern, keys, apply_to=apply_to, priority=priority))


def test_a_policy_applies_to_what_matches_now_and_later(driven: Driven) -> None:
    before = driven.queue("orders.1")
    put(driven, "short", "^orders", max_length=3)
    after, other = driven.queue("orders.2"), driven.queue("invoices")
    assert [queue.settings.max_length for queue in (before, after, other)] == [3, 3, None]
    driven.operations.clear_policy("short")
    assert [queue.settings.max_length for queue in (before, after)] == [None, None]


def test_only_the_policy_of_the_highest_priority_counts(driven: Driven) -> None:
    queue = driven.queue()
    put(driven, "low", priority=1, max_length=1, message_ttl=5_000)
    put(driven, "high", priority=2, max_length=9)
    assert (queue.settings.max_length, queue.settings.ttl) == (9, None)
    put(driven, "high", "^nothing$", priority=2, max_length=9)
    assert (queue.settings.max_length, queue.settings.ttl) == (1, 5_000)


@pytest.mark.parametrize("key", ["message-ttl", "expires", "max-length", "max-length-bytes", "delivery-limit"])
def test_of_a_limit_the_lower_one_counts(driven: Driven, key: str) -> None:
    setting = {"message-ttl": "ttl", "max-length-bytes": "max_bytes"}.get(key, key.replace("-", "_"))
    low = driven.operations.declare_queue("low", arguments={f"x-{key}": 100})
    high = driven.operations.declare_queue("high", arguments={f"x-{key}": 10_000})
    driven.operations.set_policy(read_policy("p", ".", {key: 1_000}))
    assert (getattr(low.settings, setting), getattr(high.settings, setting)) == (100, 1_000)


def test_of_everything_else_the_queues_own_counts(driven: Driven) -> None:
    own = driven.queue("own", x_dead_letter_exchange="mine", x_overflow="reject-publish")
    bare = driven.queue("bare")
    put(driven, "p", dead_letter_exchange="theirs", overflow="reject-publish-dlx", dead_letter_routing_key="key")
    assert (own.settings.dead_letter_exchange, own.settings.overflow) == ("mine", "reject-publish")
    assert (bare.settings.dead_letter_exchange, bare.settings.overflow) == ("theirs", "reject-publish-dlx")
    assert bare.settings.dead_letter_routing_key == "key"


def test_a_policys_delivery_limit_replaces_what_a_quorum_queue_has_by_itself(driven: Driven) -> None:
    queue = driven.queue(x_queue_type="quorum")
    put(driven, "p", delivery_limit=50)
    assert queue.settings.delivery_limit == 50
    driven.operations.clear_policy("p")
    assert queue.settings.delivery_limit == 20


def test_a_policy_does_not_make_a_queue_inequivalent(driven: Driven) -> None:
    queue = driven.queue(x_max_length=5)
    put(driven, "p", max_length=3)
    assert driven.queue(x_max_length=5) is queue
    with pytest.raises(PreconditionFailed):
        driven.queue(x_max_length=3)


def test_a_lower_length_drops_from_the_head_bit_by_bit(driven: Driven) -> None:
    queue = driven.queue()
    for number in range(2_500):
        driven.publish(f"m{number}", size=1024)
    driven.settle()
    put(driven, "p", max_length=10)
    assert queue.ready_count >= 2_000
    driven.settle()
    taker = driven.consume(no_ack=True)
    driven.settle()
    assert taker.seen == [f"m{number}" for number in range(2_490, 2_500)]


def test_a_time_to_live_is_for_messages_that_come_after(driven: Driven) -> None:
    queue = driven.queue()
    driven.publish("before")
    put(driven, "p", message_ttl=1_000)
    driven.publish("after")
    driven.settle()
    driven.wait(2)
    assert queue.ready_count == 1


def test_expires_counts_from_the_policy_on_and_can_be_taken_back(driven: Driven) -> None:
    driven.queue("goes")
    put(driven, "p", expires=10_000)
    driven.wait(9)
    put(driven, "p", expires=20_000)
    driven.wait(12)
    assert "goes" in driven.operations.vhost.queues
    driven.operations.clear_policy("p")
    driven.wait(60)
    assert "goes" in driven.operations.vhost.queues
    put(driven, "p", expires=1_000)
    driven.wait(2)
    assert "goes" not in driven.operations.vhost.queues


def test_what_a_policy_says_of_dead_letters_is_done(driven: Driven) -> None:
    driven.queue("dead")
    queue = driven.queue()
    taker = driven.consume()
    put(driven, "p", "^q$", dead_letter_exchange="", dead_letter_routing_key="dead")
    driven.publish("m")
    driven.settle()
    queue.reject(taker.held.pop())
    driven.settle()
    assert driven.operations.find_queue("dead").ready_count == 1


def test_an_alternate_exchange_by_policy_catches_what_has_no_route(driven: Driven) -> None:
    operations = driven.operations
    operations.declare_exchange("caught", "fanout")
    operations.declare_exchange("main", "direct")
    queue = driven.queue()
    operations.bind_queue("q", "caught", "", {})

    def publish() -> None:
        route = operations.resolve("main", "nowhere")
        operations.vhost.router.publish(Message("main", "nowhere", EMPTY, b"m"), route.targets)

    publish()
    put(driven, "p", "^main$", apply_to="exchanges", alternate_exchange="caught")
    publish()
    operations.clear_policy("p")
    publish()
    assert queue.ready_count == 1


def test_apply_to_keeps_queues_and_exchanges_apart(driven: Driven) -> None:
    queue = driven.queue()
    put(driven, "p", apply_to="exchanges", priority=9, alternate_exchange="x")
    put(driven, "r", apply_to="queues", max_length=1)
    assert queue.settings.max_length == 1


def test_policies_survive_a_restart(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue()
    put(driven, "p", max_length=3, overflow="reject-publish", priority=4)
    driven.settle()
    driven.crash()
    settings = driven.operations.find_queue("q").settings
    assert (settings.max_length, settings.overflow) == (3, "reject-publish")
    driven.operations.clear_policy("p")
    driven.settle()
    driven.crash()
    assert driven.operations.policies() == []


def test_a_policy_of_the_configuration_is_changed_only_there(driven: Driven) -> None:
    fixed = read_policy("p", ".", {"max-length": 3}, fixed=True)
    driven.operations.vhost.policies.set(fixed, keep=False)
    with pytest.raises(PreconditionFailed, match="configuration file"):
        put(driven, "p", max_length=4)
    with pytest.raises(PreconditionFailed, match="configuration file"):
        driven.operations.clear_policy("p")
    with pytest.raises(NotFound):
        driven.operations.clear_policy("other")


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({}, "empty"),
        ({"max-priority": 5}, "cannot be changed while a queue lives"),
        ({"single-active-consumer": True}, "cannot be changed while a queue lives"),
        ({"colour": "red"}, "not known"),
        ({"max-length": -1}, "value_negative"),
        ({"message-ttl": "soon"}, "invalid message-ttl"),
        ({"overflow": "burst"}, "invalid_overflow"),
        ({"alternate-exchange": 1}, "name of an exchange"),
    ],
)
def test_a_definition_that_means_nothing_is_refused(definition: dict[str, FieldValue], said: str) -> None:
    with pytest.raises(PreconditionFailed, match=said):
        read_policy("p", ".", definition)


def test_a_pattern_or_a_kind_that_means_nothing_is_refused() -> None:
    with pytest.raises(PreconditionFailed, match="regular expression"):
        read_policy("p", "(", {"max-length": 1})
    with pytest.raises(PreconditionFailed, match="apply-to"):
        read_policy("p", ".", {"max-length": 1}, apply_to="topics")
    with pytest.raises(PreconditionFailed, match="name"):
        read_policy("", ".", {"max-length": 1})


def test_a_kept_pattern_that_is_none_any_more_applies_to_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driven = Driven(tmp_path / "store.db")
    value: dict[str, FieldValue] = {"pattern": r"(a)\1", "apply-to": "all", "priority": 0, "definition": {"expires": 3}}
    driven.broker.store.define(Definition("policy", "/", "old", value))
    driven.settle()
    driven.crash()
    assert driven.queue("aa").settings.expires is None
    assert "policy 'old' in vhost '/' applies to nothing: backreferences cannot be matched" in caplog.text
    driven.operations.clear_policy("old")


def test_what_one_turn_has_no_time_for_is_applied_in_others_and_told_when_it_is(
    driven: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batonmq.broker.vhosts.policies.APPLY_SECONDS", -1.0)
    queues = [driven.queue(f"q{number}") for number in range(3)]
    policies = driven.operations.vhost.policies
    told: list[list[int | None]] = []

    put(driven, "short", max_length=1)
    policies.when_applied(lambda: told.append([queue.settings.max_length for queue in queues]))
    assert told == []
    while policies.apply_more():
        pass
    assert told == [[1, 1, 1]]

    policies.when_applied(lambda: told.append([]))
    assert told == [[1, 1, 1], []]
