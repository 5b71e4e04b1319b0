"""Whoever lacks a right, or is in another virtual host, is refused and changes nothing.

A command of STOMP that is in no row, and a kind of destination that is in none, fail: whoever makes one says here which
rights it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from batonmq.broker import User
from batonmq.protocols.stomp import destinations
from batonmq.protocols.stomp.commands import HANDLERS
from batonmq.protocols.stomp.destinations import parse_destination
from batonmq.protocols.stomp.dialects import SPEC
from tests.support.driven import Driven
from tests.support.isolation import OTHER, RIGHTS, STRANGER, THEIRS, USER, lacking, state, world
from tests.support.stomp import Client

REFUSED, NOT_FOUND, DONE = "access_refused", "not_found", ""


class Row(NamedTuple):
    """What is tried, and what comes of it with all rights in another virtual host."""

    command: str
    destination: str
    rights: str
    """The rights to configure, write and read of which it needs each by itself: some of "cwr"."""
    elsewhere: str = DONE
    headers: Mapping[str, str] = {}

    @property
    def what(self) -> str:
        return " ".join([self.command, self.destination, *(f"{key}={value}" for key, value in self.headers.items())])


TABLE = [
    Row("SEND", "/queue/theirs", "w"),
    Row("SEND", "/queue/theirs2", "cw"),
    Row("SEND", "queue://theirs2", "cw"),
    Row("SEND", "theirs2", "cw"),
    Row("SEND", "/amq/queue/theirs", "w", NOT_FOUND),
    Row("SEND", "/reply-queue/theirs", "w"),
    Row("SEND", "/topic/theirs", "w"),
    Row("SEND", "topic://theirs", "w"),
    Row("SEND", "/exchange/theirs.x/k", "w", NOT_FOUND),
    Row("SEND", "/exchange/none/k", "w", NOT_FOUND),
    Row("SEND", "/exchange/batonmq.management", "w"),
    Row("SEND", "/queue/theirs", "w", headers={"transaction": "t"}),
    Row("SUBSCRIBE", "/queue/theirs", "r"),
    Row("SUBSCRIBE", "/queue/theirs2", "cr"),
    Row("SUBSCRIBE", "/amq/queue/theirs", "r", NOT_FOUND),
    Row("SUBSCRIBE", "/topic/theirs", "cwr"),
    Row("SUBSCRIBE", "/topic/theirs", "cwr", headers={"durable": "true"}),
    Row("SUBSCRIBE", "/exchange/theirs.x/k", "cwr", NOT_FOUND),
    Row("SUBSCRIBE", "/queue/theirs", "r", headers={"browser": "true"}),
    Row("SUBSCRIBE", "/temp-queue/replies", "cr"),
]
IDS = [row.what for row in TABLE]
# What is nobody else's: it concerns what the client itself has on its connection.
ITS_OWN = {"CONNECT", "STOMP", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT"}


def started(driven: Driven, user: User, host: str = "/") -> Client:
    client = Client(driven, users={"guest": ("guest", user)})
    client.connect(host=host)
    return client


def attempted(client: Client, row: Row) -> str:
    """What it came to."""
    table = {"destination": row.destination, "receipt": "r", **row.headers}
    if "transaction" in table:
        client.do("BEGIN", {"transaction": table["transaction"]})
    if row.command == "SUBSCRIBE":
        table["id"] = "1"
    came = client.do(row.command, table, "m" if row.command == "SEND" else "")
    if "transaction" in table and not client.has_ended():
        came += client.do("COMMIT", {"transaction": table["transaction"]})
    errors = [frame for frame in came if frame.command == "ERROR"]
    return errors[0]["message"] if errors else DONE


def test_each_command_and_each_kind_of_destination_is_in_the_table() -> None:
    assert {row.command for row in TABLE} | ITS_OWN == {*HANDLERS, "SEND"}
    kinds = {getattr(destinations, name) for name in ("QUEUE", "EXISTING", "REPLY", "TEMPORARY", "EXCHANGE")}
    assert {parse_destination(row.destination, SPEC, {}).kind for row in TABLE} == kinds


@pytest.fixture
def driven() -> Driven:
    return world()


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_the_right(driven: Driven, row: Row) -> None:
    before = state(driven.broker)
    client = started(driven, USER)
    assert attempted(client, row) == REFUSED
    client.lose()
    assert state(driven.broker) == before


@pytest.mark.parametrize("missing", RIGHTS)
@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_without_one_of_the_rights(driven: Driven, row: Row, missing: str) -> None:
    before = state(driven.broker)
    client = started(driven, lacking(missing))
    came = attempted(client, row)
    assert (came == REFUSED) is (missing[0] in row.rights)
    if came == REFUSED:
        client.lose()
        assert state(driven.broker) == before


@pytest.mark.parametrize("row", TABLE, ids=IDS)
def test_from_another_virtual_host(driven: Driven, row: Row) -> None:
    before, there = state(driven.broker), state(driven.broker, OTHER)
    assert attempted(started(driven, STRANGER, OTHER), row) == row.elsewhere
    assert state(driven.broker) == before
    if row.elsewhere != DONE:
        assert state(driven.broker, OTHER) == there


def test_a_virtual_host_without_a_right_to_it(driven: Driven) -> None:
    client = Client(driven, users={"guest": ("guest", STRANGER)})
    assert client.login().command == "ERROR"


@pytest.mark.parametrize("command", ["ACK", "NACK", "UNSUBSCRIBE"])
def test_what_another_client_holds_is_out_of_reach(driven: Driven, command: str) -> None:
    holder = Client(driven)
    holder.connect()
    (message,) = holder.subscribe(f"/queue/{THEIRS}", ack="client-individual")
    before = state(driven.broker)
    client = Client(driven)
    client.connect()
    came = client.do(command, {"id": "1" if command == "UNSUBSCRIBE" else message["ack"]})
    assert [frame.command for frame in came] == ["ERROR"]
    assert state(driven.broker) == before
    assert holder.ack(message, receipt="r")[0]["receipt-id"] == "r"
    driven.settle()
    assert driven.operations.find_queue(THEIRS).ready_count == 0


def test_a_queue_of_another_connection_is_out_of_reach(driven: Driven) -> None:
    owner = Client(driven)
    owner.connect()
    owner.subscribe("/temp-queue/replies")
    (name,) = driven.operations.vhost.queues.keys() - {THEIRS, "mine"}
    for command in ("SUBSCRIBE",):
        client = Client(driven)
        client.connect()
        came = client.do(command, {"destination": f"/amq/queue/{name}", "id": "1"})
        assert came[0]["message"] == "resource_locked"
