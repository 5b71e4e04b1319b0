"""Who is connected: found by name, by user and by virtual host, and told to those who watch."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from proof.by_hand import StillSocket

from batonmq.broker.model.clients import OBSERVERS_MAX, Client, Clients, Introduction
from batonmq.broker.model.sockets import Ends
from batonmq.protocols.sessions.counts import ConnectionCounts
from batonmq.queued import QueuedMessage


@dataclass
class Quiet:
    """A connection over which nothing is said."""

    channel_count: int = 0
    is_closing: bool = False
    closed: list[str] = field(default_factory=list)

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


class Diary:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def connected(self, client: Client) -> None:
        self.lines.append(f"+{client.user}")

    def disconnected(self, client: Client) -> None:
        self.lines.append(f"-{client.user}")


def client(
    user: str = "ann", port: int = 1, *, host: str = "127.0.0.1", vhost: str = "/", held: bool = False
) -> Client:
    socket = StillSocket(ends=Ends(host, port, host, 5672), is_held=held)
    return Client(socket, user, vhost, Introduction(protocol="words"), Quiet(), ConnectionCounts(), 0)


def test_the_name_is_that_of_the_two_ends() -> None:
    assert client().name == "127.0.0.1:1 -> 127.0.0.1:5672"
    assert client(host="::1").name == "[::1]:1 -> [::1]:5672"
    assert client(host="::1").peer == "[::1]:1"


def test_a_client_is_found_by_its_name_its_user_and_its_virtual_host_until_it_is_gone() -> None:
    clients = Clients()
    ann, ben = client("ann", 1), client("ben", 2, vhost="shop")
    clients.add(ann)
    clients.add(ben)
    assert list(clients) == [ann, ben]
    assert clients.find(ben.name) is ben
    assert (clients.of_user("ann"), clients.of_vhost("shop")) == ([ann], [ben])
    clients.remove(ben)
    assert (clients.find(ben.name), clients.of_user("ben"), len(clients)) == (None, [], 1)


def test_a_name_is_that_of_the_one_who_came_last() -> None:
    """The system gives a port to another as soon as it is free, which the broker may hear of later."""
    clients = Clients()
    before, after = client("ann", 1), client("ben", 1)
    clients.add(before)
    clients.add(after)
    clients.remove(before)
    assert clients.find(after.name) is after


def test_who_watches_hears_of_each_once() -> None:
    clients, diary = Clients(), Diary()
    clients.watch(diary)
    ann = client("ann", 1)
    clients.add(ann)
    clients.remove(ann)
    clients.remove(ann)
    clients.unwatch(diary)
    clients.add(client("ben", 2))
    assert diary.lines == ["+ann", "-ann"]


def test_there_are_not_more_observers_than_anybody_needs() -> None:
    clients = Clients()
    for _ in range(OBSERVERS_MAX):
        clients.watch(Diary())
    with pytest.raises(ValueError, match="64 observers"):
        clients.watch(Diary())


def test_how_a_connection_stands_is_said_in_one_word() -> None:
    assert client().state(can_store=True) == "running"
    assert client(held=True).state(can_store=True) == "flow"
    assert client().state(can_store=False) == "blocking"
    ending = Client(
        StillSocket(), "ann", "/", Introduction(protocol="words"), Quiet(is_closing=True), ConnectionCounts(), 0
    )
    assert ending.state(can_store=False) == "closing"


def test_what_is_left_of_a_client_that_is_gone_holds_no_connection() -> None:
    clients, quiet = Clients(), Quiet(channel_count=3)
    gone = Client(StillSocket(), "ann", "/", Introduction(protocol="words"), quiet, ConnectionCounts(), 0)
    clients.add(gone)
    assert gone.channel_count == 3
    clients.remove(gone)
    gone.close("too late")
    assert (gone.channel_count, gone.channel_numbers(), gone.channel(1), gone.sessions()) == (0, [], None, None)
    assert (gone.state(can_store=True), quiet.closed) == ("closing", [])
