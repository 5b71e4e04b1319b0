"""The router by itself: exchanges lead to each other, each target is reached once, and cached routes go stale."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from batonmq.broker.model.outcomes import KEPT, REFUSED, STORED
from batonmq.broker.routing.exchanges import ExchangeOptions
from batonmq.broker.routing.router import Router
from batonmq.errors import PreconditionFailed
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.store import MemoryStore


class Inbox:
    """A target that answers as it is told, and keeps what it is given."""

    survives_restart = False

    def __init__(self, name: str, outcome: int = KEPT) -> None:
        self.name = name
        self.outcome = outcome
        self.messages: list[Message] = []

    def expect(self, message: Message) -> None:
        """Nothing is noted."""

    def has_room_for(self, size: int) -> bool:
        return self.outcome != REFUSED

    def has_room_for_all(self, messages: Sequence[Message]) -> bool:
        return self.outcome != REFUSED

    def publish(self, message: Message) -> int:
        self.messages.append(message)
        return self.outcome


class Inboxes(dict[str, Inbox]):
    def add(self, name: str, outcome: int = KEPT) -> Inbox:
        self[name] = Inbox(name, outcome)
        return self[name]


@pytest.fixture
def inboxes() -> Inboxes:
    return Inboxes()


@pytest.fixture
def router(inboxes: Inboxes) -> Router:
    return Router("/", MemoryStore(), inboxes.get)


def names(router: Router, exchange: str, *keys: str) -> list[str]:
    return [target.name for target in router.route(router.exchanges[exchange], list(keys), {})]


def test_the_default_exchange_finds_a_target_by_its_name(router: Router, inboxes: Inboxes) -> None:
    inboxes.add("q")
    assert names(router, "", "q") == ["q"]
    assert names(router, "", "nobody") == []


def test_a_target_is_reached_once_by_however_many_ways(router: Router, inboxes: Inboxes) -> None:
    inbox = inboxes.add("q")
    direct, fanout = router.exchanges["amq.direct"], router.exchanges["amq.fanout"]
    router.bind(direct, inbox, "a", {})
    router.bind(direct, inbox, "b", {})
    router.bind(direct, fanout, "a", {})
    router.bind(fanout, inbox, "", {})
    assert names(router, "amq.direct", "a", "b") == ["q"]


def test_exchanges_that_lead_to_each_other_are_a_circle_that_ends(router: Router, inboxes: Inboxes) -> None:
    fanout, topic = router.exchanges["amq.fanout"], router.exchanges["amq.topic"]
    router.bind(fanout, topic, "", {})
    router.bind(topic, fanout, "#", {})
    router.bind(topic, inboxes.add("q"), "a.*", {})
    assert names(router, "amq.fanout", "a.b") == ["q"]
    assert router.goes_by_key(fanout)


def test_what_an_exchange_takes_nowhere_goes_to_its_alternate_one(router: Router, inboxes: Inboxes) -> None:
    arguments = {"alternate-exchange": "amq.fanout"}
    exchange = router.add_exchange("direct", ExchangeOptions("e", arguments=arguments))
    router.bind(router.exchanges["amq.fanout"], inboxes.add("lost"), "", {})
    assert names(router, "e", "a") == ["lost"]
    router.bind(exchange, inboxes.add("found"), "a", {})
    assert names(router, "e", "a") == ["found"]


def test_headers_somewhere_on_the_way_count(router: Router, inboxes: Inboxes) -> None:
    fanout, by_headers = router.exchanges["amq.fanout"], router.exchanges["amq.headers"]
    assert router.goes_by_key(fanout)
    router.bind(fanout, by_headers, "", {})
    router.bind(by_headers, inboxes.add("q"), "", {"kind": "a"})
    assert not router.goes_by_key(fanout)
    assert [target.name for target in router.route(fanout, [""], {"kind": "a"})] == ["q"]
    assert router.route(fanout, [""], {"kind": "b"}) == []


def test_whatever_changes_routes_makes_cached_ones_stale_and_nothing_else_does(
    router: Router, inboxes: Inboxes
) -> None:
    direct = router.exchanges["amq.direct"]
    seen = [router.version]

    def is_stale() -> bool:
        seen.append(router.version)
        return seen[-1] != seen[-2]

    router.bind(direct, inboxes.add("q"), "a", {})
    assert is_stale()
    router.bind(direct, inboxes["q"], "a", {})
    router.route(direct, ["a"], {})
    assert not is_stale()
    binding = router.find_binding(direct, inboxes["q"], "a", {})
    assert binding is not None
    router.unbind(binding)
    assert is_stale()
    router.unbind(binding)
    assert not is_stale()
    exchange = router.add_exchange("fanout", ExchangeOptions("e"))
    assert is_stale()
    router.remove_exchange(exchange)
    assert is_stale()
    router.remove_exchange(exchange)
    assert not is_stale()


def test_an_exchange_goes_with_its_last_binding_and_takes_the_next_along(router: Router, inboxes: Inboxes) -> None:
    first = router.add_exchange("fanout", ExchangeOptions("first", auto_delete=True))
    second = router.add_exchange("fanout", ExchangeOptions("second", auto_delete=True))
    router.bind(first, second, "", {})
    router.bind(second, inboxes.add("q"), "", {})
    router.unbind_all(inboxes["q"])
    assert router.exchange("second") is None
    assert router.exchange("first") is None


def test_however_many_exchanges_end_with_one_another_all_of_them_go(router: Router, inboxes: Inboxes) -> None:
    # More than Python would call one from the other.
    chain = [router.add_exchange("fanout", ExchangeOptions(f"x{number}", auto_delete=True)) for number in range(1_000)]
    for source, destination in pairwise(chain):
        router.bind(source, destination, "", {})
    router.bind(chain[-1], inboxes.add("q"), "", {})
    router.unbind_all(inboxes["q"])
    assert not [name for name in router.exchanges if name.startswith("x")]


def test_a_binding_that_its_exchange_cannot_read_is_refused(router: Router, inboxes: Inboxes) -> None:
    with pytest.raises(PreconditionFailed):
        router.bind(router.exchanges["amq.headers"], inboxes.add("q"), "", {"x-match": "some"})
    assert names(router, "amq.headers", "") == []


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [([], KEPT), ([KEPT, KEPT], KEPT), ([STORED, KEPT], STORED), ([STORED, REFUSED], REFUSED)],
)
def test_one_that_refuses_counts_more_than_one_that_stores(
    router: Router, inboxes: Inboxes, outcomes: list[int], expected: int
) -> None:
    targets = [inboxes.add(f"q{number}", outcome) for number, outcome in enumerate(outcomes)]
    for target in targets:
        router.bind(router.exchanges["amq.fanout"], target, "", {})
    message = Message("amq.fanout", "", Properties.make(), b"x")
    assert router.publish(message, router.route(router.exchanges["amq.fanout"], [""], {})) == expected
    # Those that have room have it all the same.
    assert [len(target.messages) for target in targets] == [1] * len(outcomes)
