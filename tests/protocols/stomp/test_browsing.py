"""browser:true on SUBSCRIBE: everything that is ready, shown and not taken."""

from __future__ import annotations

import pytest

from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, connected, publish, refused

QUEUE = "/queue/q"


def browse(client: Client, destination: str = QUEUE, ident: str = "b", **headers: str) -> list[str]:
    """What a browser sees, up to its end."""
    frames = client.subscribe(destination, ident, browser="true", **headers)
    assert frames[-1]["browser"] == "end"
    assert frames[-1]["message-id"] == "0"
    assert {frame["subscription"] for frame in frames} == {ident}
    return bodies(frames[:-1])


def test_browsing_shows_everything_and_takes_nothing(client: Client, driven: Driven) -> None:
    publish(driven, *"abc")
    assert browse(client) == ["a", "b", "c"]
    assert driven.bodies() == ["a", "b", "c"]


def test_browsing_shows_what_is_in_the_store(stored: Driven) -> None:
    client = connected(stored)
    stored.queue("q")
    for number in range(300):
        stored.publish(str(number), size=1024)
    stored.settle()
    assert [body.rstrip(".") for body in browse(client)] == [str(number) for number in range(300)]


def test_browsing_waits_for_a_client_that_does_not_read(client: Client, driven: Driven) -> None:
    driven.queue("q")
    for number in range(1_200):
        driven.publish(str(number), size=2_000)
    client.is_stuck = True
    client.put("SUBSCRIBE", {"destination": QUEUE, "id": "b", "browser": "true"})
    assert client.read() == []
    assert sum(map(len, client.session.output)) < 3 << 20
    client.is_stuck = False
    assert len(client.read()) == 1_201


def test_browsing_with_a_selector_shows_what_it_selects(client: Client) -> None:
    client.send(QUEUE, "red", colour="red")
    client.send(QUEUE, "blue", colour="blue")
    assert browse(client, selector="colour = 'blue'") == ["blue"]


def test_browsing_an_empty_queue_ends_at_once(client: Client) -> None:
    assert browse(client) == []


def test_browsing_has_its_receipt_first(client: Client, driven: Driven) -> None:
    publish(driven, "m")
    frames = client.subscribe(QUEUE, browser="true", receipt="r")
    assert [frame.command for frame in frames] == ["RECEIPT", "MESSAGE", "MESSAGE"]


def test_browsing_can_be_acknowledged_to_no_effect(client: Client, driven: Driven) -> None:
    publish(driven, "m")
    frames = client.subscribe(QUEUE, browser="true", ack="client")
    assert client.ack(frames[0]) == []
    assert driven.bodies() == ["m"]


def test_browsing_is_ended_by_unsubscribe(client: Client, driven: Driven) -> None:
    publish(driven, "m")
    assert browse(client) == ["m"]
    assert client.do("UNSUBSCRIBE", {"id": "b"}) == []
    assert browse(client) == ["m"]


@pytest.mark.parametrize("destination", ["/topic/t", "/exchange/amq.fanout"])
def test_browsing_is_for_queues(client: Client, destination: str) -> None:
    refused(client.subscribe(destination, browser="true"), "Invalid destination")


def test_browsing_waits_for_a_store_that_is_busy(stored: Driven) -> None:
    stored.queue("q")
    for number in range(300):
        stored.publish(str(number), size=1024)
    stored.settle()
    client = connected(stored)
    stored.slow_commits = True
    stored.publish("late")
    stored.turn()
    assert stored.broker.store.busy
    client.put("SUBSCRIBE", {"destination": QUEUE, "id": "b", "browser": "true"})
    found = client.read()
    assert found[-1]["browser"] == "end"
    assert [body.rstrip(".") for body in bodies(found[:-1])][:300] == [str(number) for number in range(300)]


def test_browsing_that_is_ended_while_it_waits_shows_no_more(stored: Driven) -> None:
    stored.queue("q")
    for number in range(300):
        stored.publish(str(number), size=1024)
    stored.settle()
    client = connected(stored)
    stored.slow_commits = True
    stored.publish("late")
    stored.turn()
    client.put("SUBSCRIBE", {"destination": QUEUE, "id": "b", "browser": "true"})
    client.put("UNSUBSCRIBE", {"id": "b"})
    shown = len(client.take())
    assert shown < 300
    assert client.read() == []
