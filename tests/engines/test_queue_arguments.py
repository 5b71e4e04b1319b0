"""The options of ``declare`` and the arguments of the broker: one for one, each way."""

from __future__ import annotations

import inspect

import pytest

from batonmq import Connection
from batonmq.broker.model.arguments import ARGUMENTS as OF_BROKER
from batonmq.engines.queue_arguments import ARGUMENTS
from batonmq.engines.values import QueueOptions


def test_every_argument_is_one_of_the_brokers() -> None:
    assert {argument.name for argument in ARGUMENTS} <= set(OF_BROKER)


def test_every_option_of_declare_becomes_an_argument() -> None:
    options = set(inspect.signature(Connection.declare).parameters) - {"self", "queue", "durable"}
    assert {argument.option for argument in ARGUMENTS} == options


def test_without_options_there_are_no_arguments() -> None:
    assert QueueOptions().arguments() == {}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_deliveries": 5}, {"x-delivery-limit": 4}),
        ({"dead_letter": "d"}, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "d"}),
        ({"ttl": 0}, {"x-message-ttl": 0}),
        ({"ttl": 1.5, "expires": 0.0001}, {"x-message-ttl": 1500, "x-expires": 1}),
        ({"max_length": 0, "max_bytes": 7}, {"x-max-length": 0, "x-max-length-bytes": 7}),
        ({"overflow": "refuse"}, {"x-overflow": "reject-publish"}),
        ({"retry_delay": 1}, {"x-delayed-retry-type": "failed", "x-delayed-retry-min": 1000}),
        (
            {"retry_delay": 0.5, "retry_delay_max": 60},
            {"x-delayed-retry-type": "failed", "x-delayed-retry-min": 500, "x-delayed-retry-max": 60_000},
        ),
        ({"deduplication": 1.5}, {"x-deduplication-window": 1500}),
        ({"max_priority": 9, "single_consumer": True}, {"x-max-priority": 9, "x-single-active-consumer": True}),
    ],
)
def test_options_become_arguments_by_their_units(options: dict[str, object], expected: dict[str, object]) -> None:
    assert QueueOptions(**options).arguments() == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("argument", ARGUMENTS, ids=lambda argument: argument.name)
def test_a_number_goes_both_ways(argument: object) -> None:
    by_name = {each.name: each for each in ARGUMENTS}
    each = by_name[argument.name]  # type: ignore[attr-defined]
    if each.option in ("dead_letter", "overflow", "single_consumer") or each.name == "x-delayed-retry-type":
        return
    value = each.of_option(3)
    assert isinstance(value, int)
    assert each.to_option(value) == 3
