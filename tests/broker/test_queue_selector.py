"""x-selector: a queue takes in only what matches."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.broker.model.outcomes import KEPT, STORED
from batonmq.errors import PreconditionFailed
from batonmq.message import Message
from batonmq.properties import Properties


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_what_does_not_match_is_not_taken_in(driven: Driven) -> None:
    driven.queue(x_selector="colour = 'red' AND JMSPriority > 4")
    assert driven.publish("a", {"colour": "red"}, priority=5) == STORED
    assert driven.publish("b", {"colour": "blue"}, priority=5) == KEPT
    assert driven.publish("c", {"colour": "red"}) == KEPT
    assert driven.publish("d") == KEPT
    assert driven.publish("e", {"colour": "red"}, priority=9, persistent=False) == KEPT
    assert driven.bodies() == ["a", "e"]


def test_consumers_take_it_as_it_comes(driven: Driven) -> None:
    driven.queue(x_selector="n IN ('1', '3')")
    taker = driven.consume(prefetch=10)
    for number in "1234":
        driven.publish(number, {"n": number})
    driven.settle()
    assert taker.seen == ["1", "3"]


def test_one_of_several_queues_takes_it(driven: Driven) -> None:
    for name, selector in (("a", "x = 1"), ("b", "x = 2"), ("c", "x > 0")):
        driven.operations.declare_queue(name, durable=True, arguments={"x-selector": selector})
        driven.operations.bind_queue(name, "amq.fanout", "", {})
    route = driven.operations.resolve("amq.fanout", "")
    properties = Properties.make(delivery_mode=2, headers={"x": 2})
    driven.operations.vhost.router.publish(Message("amq.fanout", "", properties, b"m" * 70_000), route.targets)
    driven.settle()
    counts = {name: driven.operations.find_queue(name).ready_count for name in "abc"}
    assert counts == {"a": 0, "b": 1, "c": 1}


def test_it_survives_a_crash(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue(x_selector="colour = 'red'")
    driven.settle()
    driven.crash()
    driven.publish("a", {"colour": "blue"})
    driven.publish("b", {"colour": "red"})
    assert driven.bodies() == ["b"]
    driven.broker.close()


@pytest.mark.parametrize("selector", ["colour =", "", 5, "1 + 1"])
def test_what_is_no_selector_is_refused(driven: Driven, selector: str | int) -> None:
    with pytest.raises(PreconditionFailed, match="invalid arg 'x-selector' for queue 'q'"):
        driven.queue(x_selector=selector)
    assert "q" not in driven.operations.vhost.queues


def test_another_selector_is_another_queue(driven: Driven) -> None:
    driven.queue(x_selector="a = 1")
    driven.queue(x_selector="a = 1")
    with pytest.raises(PreconditionFailed, match="inequivalent arg 'x-selector'"):
        driven.queue(x_selector="a = 2")
