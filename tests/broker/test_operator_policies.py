"""Operator policies, what they come to beside policies and arguments, and the keys that policies may contain."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.driven import Driven
from tests.support.timed import Timed

from batonmq.broker.vhosts.policies import Policies
from batonmq.broker.vhosts.policy import Policy, merged, read_policy
from batonmq.broker.vhosts.policy_keys import KEYS, OF_OPERATORS
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.fields import FieldValue


def policies(driven: Driven) -> Policies:
    return driven.operations.vhost.policies


def put(
    driven: Driven, name: str, *, of_operator: bool = False, apply_to: str = "all", **definition: FieldValue
) -> None:
    keys = {key.replace("_", "-"): value for key, value in definition.items()}
    policies(driven).set(read_policy(name, ".", keys, of_operator=of_operator, apply_to=apply_to))


def test_of_a_limit_the_lowest_of_all_three_counts(driven: Timed) -> None:
    put(driven, "p", max_length=20, message_ttl=1_000)
    put(driven, "o", of_operator=True, max_length=10, message_ttl=2_000, expires=60_000)
    plain, own = driven.queue("plain"), driven.queue("own", x_max_length=5)
    assert (plain.settings.max_length, plain.settings.ttl, plain.settings.expires) == (10, 1_000, 60_000)
    assert own.settings.max_length == 5
    assert policies(driven).definition_for(plain) == {"max-length": 10, "message-ttl": 1_000, "expires": 60_000}
    policies(driven).clear("o", of_operator=True)
    assert (plain.settings.max_length, plain.settings.expires) == (20, None)


def test_an_operator_policy_stands_alone_where_there_is_no_policy(driven: Timed) -> None:
    queue = driven.queue()
    put(driven, "o", of_operator=True, max_length=3, overflow="reject-publish")
    assert (queue.settings.max_length, queue.settings.overflow) == (3, "reject-publish")
    found = policies(driven).of_queue(queue, of_operator=True)
    assert found is not None
    assert (found.name, policies(driven).of_queue(queue)) == ("o", None)


def test_of_all_else_what_the_operator_says_counts(driven: Timed) -> None:
    put(driven, "p", overflow="drop-head", delayed_retry_min=5)
    put(driven, "o", of_operator=True, overflow="reject-publish", delayed_retry_min=9)
    settings = driven.queue().settings
    assert (settings.overflow, settings.delayed_retry_min) == ("reject-publish", 9)
    # But for what the queue itself was declared with, as in RabbitMQ.
    assert driven.queue("own", x_overflow="drop-head").settings.overflow == "drop-head"


def test_a_policy_and_an_operator_policy_of_one_name_are_two(driven: Timed) -> None:
    put(driven, "x", max_length=1)
    put(driven, "x", of_operator=True, max_length=2)
    assert [policy.definition for policy in policies(driven).all()] == [{"max-length": 1}]
    assert [policy.definition for policy in policies(driven).all(of_operator=True)] == [{"max-length": 2}]
    policies(driven).clear("x")
    assert policies(driven).find("x") is None
    assert policies(driven).find("x", of_operator=True) is not None
    with pytest.raises(NotFound, match="no policy 'x'"):
        policies(driven).clear("x")
    with pytest.raises(NotFound, match="no operator policy 'y'"):
        policies(driven).clear("y", of_operator=True)


def test_operator_policies_are_there_after_a_restart(stored: Timed) -> None:
    put(stored, "x", max_length=7)
    put(stored, "x", of_operator=True, max_length=2)
    stored.queue()
    stored.settle()
    stored.crash()
    assert stored.operations.find_queue("q").settings.max_length == 2
    policies(stored).clear("x", of_operator=True)
    stored.settle()
    stored.crash()
    assert stored.operations.find_queue("q").settings.max_length == 7


def test_a_negative_limit_is_none() -> None:
    low, none = (read_policy("p", ".", {"delivery-limit": value}) for value in (5, -1))
    assert merged(low, none) == merged(none, low) == {"delivery-limit": 5}


@pytest.mark.parametrize(
    ("apply_to", "applies"),
    [
        ("all", [True, True]),
        ("queues", [True, True]),
        ("classic_queues", [True, False]),
        ("quorum_queues", [False, True]),
        ("streams", [False, False]),
        ("exchanges", [False, False]),
    ],
)
def test_the_types_of_queues_that_a_policy_applies_to(driven: Timed, apply_to: str, applies: list[bool]) -> None:
    queues = [driven.queue("classic"), driven.queue("quorum", x_queue_type="quorum")]
    put(driven, "p", apply_to=apply_to, max_length=3)
    assert [queue.settings.max_length == 3 for queue in queues] == applies


# ---------------------------------------------------------------------- keys

# RabbitMQ's, of 3.10 and 4.3, each with a value that it takes.
VALUES: dict[str, Any] = {
    "alternate-exchange": "e",
    "consumer-disconnected-timeout": 1_000,
    "consumer-timeout": 1_000,
    "dead-letter-exchange": "e",
    "dead-letter-routing-key": "k",
    "dead-letter-strategy": "at-least-once",
    "delayed-retry-max": 5,
    "delayed-retry-min": 5,
    "delayed-retry-type": "all",
    "delivery-limit": 5,
    "expires": 5,
    "federation-upstream": "all",
    "federation-upstream-pattern": "^a",
    "federation-upstream-set": "all",
    "ha-mode": "nodes",
    "ha-params": ["rabbit@a", "rabbit@b"],
    "ha-promote-on-failure": "always",
    "ha-promote-on-shutdown": "when-synced",
    "ha-sync-batch-size": 50,
    "ha-sync-mode": "automatic",
    "initial-cluster-size": 3,
    "max-age": "1D",
    "max-in-memory-bytes": 5,
    "max-in-memory-length": 5,
    "max-length": 5,
    "max-length-bytes": 5,
    "message-ttl": 5,
    "overflow": "reject-publish",
    "queue-leader-locator": "balanced",
    "queue-master-locator": "min-masters",
    "queue-mode": "lazy",
    "queue-version": 2,
    "stream-filter-size-bytes": 32,
    "stream-max-segment-size-bytes": 1_000_000,
    "target-group-size": 3,
}
# The keys that RabbitMQ does not have.
OURS = dict.fromkeys(set(KEYS) - set(VALUES), 5)
OPERATORS = {
    "delayed-retry-max",
    "delayed-retry-min",
    "delayed-retry-type",
    "delivery-limit",
    "expires",
    "max-in-memory-bytes",
    "max-in-memory-length",
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "overflow",
    "queue-version",
    "target-group-size",
}


def test_the_table_has_all_keys_of_rabbitmq() -> None:
    assert set(VALUES) <= set(KEYS)
    assert OF_OPERATORS == OPERATORS


@pytest.mark.parametrize("key", sorted(VALUES))
def test_a_policy_that_rabbitmq_has_exported_is_kept(driven: Timed, key: str) -> None:
    definition = {"ha-mode": "nodes", key: VALUES[key]} if key.startswith("ha-") else {key: VALUES[key]}
    queue = driven.queue("before")
    policies(driven).set(read_policy("p", ".", definition))
    found = policies(driven).find("p")
    assert found is not None
    assert found.definition == definition
    after = driven.queue("after")
    assert queue.settings == after.settings


@pytest.mark.parametrize("key", sorted(set(VALUES) - OPERATORS | set(OURS)))
def test_a_key_that_is_no_operators(key: str) -> None:
    with pytest.raises(PreconditionFailed, match=f"{key} cannot be set by an operator policy"):
        read_policy("o", ".", {key: {**VALUES, **OURS}[key]}, of_operator=True)


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({"ha-mode": "some"}, "must be all, exactly or nodes"),
        ({"ha-params": 2}, "needs ha-mode"),
        ({"ha-mode": "exactly", "ha-params": "two"}, "expected integer"),
        ({"ha-mode": "nodes", "ha-params": [1]}, "unacceptable_type"),
        ({"queue-mode": "slow"}, "unsupported queue mode"),
        ({"queue-version": 3}, "unsupported queue version"),
        ({"max-age": 5}, "unacceptable_type"),
        ({"federation-upstream": 5}, "unacceptable_type"),
        ({"queue-leader-locator": "nearest"}, "must be one of"),
        ({"message-ttl": [1]}, "expected integer"),
    ],
)
def test_a_value_that_rabbitmq_would_refuse(definition: dict[str, FieldValue], said: str) -> None:
    with pytest.raises(PreconditionFailed, match=said):
        read_policy("p", ".", definition)


@pytest.mark.parametrize("priority", [2**31, -(2**31) - 1])
def test_a_priority_that_is_none(priority: int) -> None:
    with pytest.raises(PreconditionFailed, match="priority"):
        read_policy("p", ".", {"max-length": 1}, priority=priority)


def test_what_has_no_effect_is_in_the_log(driven: Timed, caplog: pytest.LogCaptureFixture) -> None:
    put(driven, "p", federation_upstream="all", max_length=5)
    assert "policy 'p' in vhost '/': no effect here has federation-upstream" in caplog.text


def test_an_operator_policy_is_a_policy_of_its_own_kind() -> None:
    assert read_policy("o", ".", {"max-length": 1}, of_operator=True) != read_policy("o", ".", {"max-length": 1})
    assert isinstance(read_policy("o", ".", {"max-length": 1}), Policy)
