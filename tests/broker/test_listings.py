"""Virtual hosts and connections in listings: what is counted, and who sees whose."""

from __future__ import annotations

from pathlib import Path

import pytest
from proof.by_hand import Host
from tests.broker.test_management import ask
from tests.support.driven import Driven

from batonmq.broker import ManagedOperations, Permission, User
from batonmq.broker.model.clients import Introduction
from batonmq.protocols.sessions.link import Link
from batonmq.queued import QueuedMessage


@pytest.fixture
def driven(tmp_path: Path) -> Driven:
    driven = Driven(tmp_path / "store.db")
    driven.queue("answers", durable=False)
    return driven


def of_user(driven: Driven, *tags: str, name: str = "ann", vhosts: tuple[str, ...] = ("/",)) -> ManagedOperations:
    user = User(name, frozenset(tags), {vhost: Permission() for vhost in vhosts})
    return ManagedOperations(driven.broker.vhosts["/"], user, object())


class Silent:
    """A connection over which nothing is said."""

    channel_count = 3
    is_closing = False

    def __init__(self) -> None:
        self.closed: list[str] = []

    def channel_numbers(self) -> list[int]:
        return []

    def channel(self, number: int) -> None:
        return None

    def held(self, most: int) -> list[tuple[int, list[QueuedMessage]]]:
        return []

    def sessions(self) -> None:
        return None

    def force_close(self, reason: str) -> None:
        self.closed.append(reason)


def log_in(driven: Driven, user: str = "ann", vhost: str = "/") -> Link[str]:
    link: Link[str] = Link(driven.broker, Host({}))
    introduction = Introduction(protocol="words 1", product="client 7", name="first", mechanism="PLAIN", heartbeat=60)
    link.logged_in(user, vhost, introduction, Silent())
    return link


def listed(driven: Driven, what: str, operations: ManagedOperations | None = None) -> list[dict[str, object]]:
    found = ask(driven, f"{what}.list", operations)[what]
    assert isinstance(found, list)
    return found


def test_a_virtual_host_has_the_sums_of_its_queues_deleted_ones_included(driven: Driven) -> None:
    driven.queue("a")
    driven.queue("b")
    for queue in ("a", "a", "b"):
        driven.publish("x", queue=queue)
    taker = driven.consume("a")
    driven.settle()
    taker.accept()
    driven.settle()
    driven.operations.delete_queue("b")
    (vhost,) = listed(driven, "vhosts")
    # `answers` has had nothing yet.
    assert (vhost["name"], vhost["queues"], vhost["ready"], vhost["unsettled"]) == ("/", 2, 0, 1)
    counters = vhost["counters"]
    assert isinstance(counters, dict)
    assert {name: number for name, number in counters.items() if number} == {
        "enqueued": 3,
        "delivered": 2,
        "accepted": 1,
        "purged": 1,
    }


def test_many_queues_are_summed_up_over_some_turns(driven: Driven) -> None:
    for number in range(450):
        driven.queue(f"q{number}", durable=False)
        driven.publish("x", queue=f"q{number}")
    driven.broker.add_vhost("shop")
    driven.settle()
    first, second = listed(driven, "vhosts")
    # And that of the answers.
    assert (first["name"], first["queues"], first["ready"]) == ("/", 451, 450)
    assert isinstance(first["counters"], dict)
    assert first["counters"]["enqueued"] == 450
    assert (second["name"], second["queues"]) == ("shop", 0)


@pytest.mark.parametrize(
    ("tags", "vhosts", "expected"),
    [((), ("/",), ["/"]), ((), ("/", "shop"), ["/", "shop"]), (("monitoring",), ("/",), ["/", "shop"])],
)
def test_who_may_not_open_a_virtual_host_does_not_see_it(
    driven: Driven, tags: tuple[str, ...], vhosts: tuple[str, ...], expected: list[str]
) -> None:
    driven.broker.add_vhost("shop")
    found = listed(driven, "vhosts", of_user(driven, *tags, vhosts=vhosts))
    assert [vhost["name"] for vhost in found] == expected


def test_a_connection_is_listed_from_its_log_in_until_it_is_lost(driven: Driven) -> None:
    assert listed(driven, "connections") == []
    link = log_in(driven)
    link.counts.direct.add_published(3)
    link.counts.direct.add_delivered(2, 1, no_ack=False)
    (found,) = listed(driven, "connections")
    counters = found.pop("counters")
    assert found == {
        "connection": "127.0.0.1:1 -> 127.0.0.1:5672",
        "peer": link.host.peer,
        "user": "ann",
        "vhost": "/",
        "protocol": "words 1",
        "client": "client 7",
        "name": "first",
        "state": "running",
        "channels": 3,
        "mechanism": "PLAIN",
        "heartbeat": 60,
        "tls": None,
        "octets": {"received": 0, "sent": 0, "pending": 0},
        "connected_at": int(driven.clock.time() * 1000),
    }
    assert isinstance(counters, dict)
    assert {name: number for name, number in counters.items() if number} == {
        "published": 3,
        "delivered": 2,
        "redelivered": 1,
    }
    assert listed(driven, "vhosts")[0]["connections"] == 1
    link.lost()
    link.lost()
    assert listed(driven, "connections") == []


def test_the_connections_of_others_are_for_those_who_watch_over_the_broker(driven: Driven) -> None:
    log_in(driven, "ann")
    log_in(driven, "ben")
    assert [found["user"] for found in listed(driven, "connections", of_user(driven))] == ["ann"]
    assert [found["user"] for found in listed(driven, "connections", of_user(driven, "policymaker"))] == ["ann"]
    for tag in ("monitoring", "administrator"):
        assert [found["user"] for found in listed(driven, "connections", of_user(driven, tag))] == ["ann", "ben"]


def test_a_connection_that_goes_before_its_log_in_is_none(driven: Driven) -> None:
    link: Link[str] = Link(driven.broker, Host({}))
    link.lost()
    assert listed(driven, "connections") == []


def close(driven: Driven, name: str, operations: ManagedOperations, reason: str | None = None) -> dict[str, object]:
    return ask(
        driven, "connections.close", operations, connection=name, **({} if reason is None else {"reason": reason})
    )


def test_a_user_closes_his_own_connection_and_an_administrator_anybodys(driven: Driven) -> None:
    silent = Silent()
    link: Link[str] = Link(driven.broker, Host({}))
    link.logged_in("ann", "/", Introduction(protocol="words"), silent)
    name = "127.0.0.1:1 -> 127.0.0.1:5672"
    assert close(driven, name, of_user(driven, name="ben"))["error"] == f"no connection '{name}'"
    refused = close(driven, name, of_user(driven, "monitoring", name="ben"))
    assert "only an administrator" in str(refused["error"])
    assert silent.closed == []
    close(driven, name, of_user(driven))
    close(driven, name, of_user(driven, "administrator", name="ben"), "too loud")
    assert silent.closed == ["closed by a management request", "too loud"]
    link.lost()
    assert close(driven, name, of_user(driven))["error"] == f"no connection '{name}'"
