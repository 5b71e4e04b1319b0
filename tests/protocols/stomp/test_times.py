"""expires, expiration, delays, and the other headers that ask something of the queue."""

from __future__ import annotations

import pytest

from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, connected, only, publish, refused, settings

QUEUE = "/queue/q"


def now(driven: Driven) -> int:
    """Milliseconds of the epoch."""
    return int(driven.clock.time() * 1000)


def test_expires_is_a_moment(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "m", expires=str(now(driven) + 5_000))
    driven.wait(4)
    reader = Client(driven)
    reader.connect()
    message = only(reader.subscribe(QUEUE, ack="client"), "MESSAGE")
    assert message["expires"] == str(now(driven) + 1_000)
    reader.lose()
    driven.wait(2)
    assert driven.bodies() == []


def test_expiration_is_a_time_to_live(client: Client, driven: Driven) -> None:
    client.send(QUEUE, "m", expiration="5000")
    client.send(QUEUE, "n")
    driven.wait(6)
    assert driven.bodies() == ["n"]


@pytest.mark.parametrize("expires", ["0", "-1"])
def test_expires_0_is_never(client: Client, driven: Driven, expires: str) -> None:
    client.send(QUEUE, "m", expires=expires)
    driven.wait(3_600)
    assert driven.bodies() == ["m"]


def test_what_has_expired_already_goes_to_the_dead_letters(client: Client, driven: Driven) -> None:
    driven.queue("dead")
    driven.queue("q", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
    client.send(QUEUE, "late", expires="1000")
    assert driven.bodies() == []
    assert driven.bodies("dead") == ["late"]


def test_who_waits_for_it_gets_what_has_just_expired(client: Client) -> None:
    # As with a time to live of 0 in AMQP: the sender's clock may be behind.
    client.subscribe(QUEUE)
    message = only(client.send(QUEUE, "late", expires="1000"), "MESSAGE")
    assert message.get("expires") is None


def test_each_message_of_the_same_headers_expires_by_the_same_moment(client: Client, driven: Driven) -> None:
    expires = str(now(driven) + 5_000)
    client.send(QUEUE, "a", expires=expires)
    driven.wait(3)
    client.send(QUEUE, "b", expires=expires)
    driven.wait(3)
    assert driven.bodies() == []


@pytest.mark.parametrize("header", ["expires", "expiration", "x-delay", "AMQ_SCHEDULED_DELAY"])
def test_a_time_is_a_number(client: Client, header: str) -> None:
    refused(client.do("SEND", {"destination": QUEUE, header: "soon"}, "m"), "Invalid header")


@pytest.mark.parametrize("header", ["expiration", "x-delay", "AMQ_SCHEDULED_DELAY"])
@pytest.mark.parametrize("text", ["-1", str(1 << 60)])
def test_a_time_has_its_bounds(client: Client, header: str, text: str) -> None:
    only(client.do("SEND", {"destination": QUEUE, header: text}, "m"), "ERROR")
    assert client.has_ended()


@pytest.mark.parametrize("header", ["AMQ_SCHEDULED_DELAY", "x-delay"])
def test_a_delay_is_waited_for(client: Client, driven: Driven, header: str) -> None:
    client.subscribe(QUEUE)
    assert client.do("SEND", {"destination": QUEUE, header: "5000"}, "m") == []
    assert bodies(client.wait(4)) == []
    (message,) = client.wait(2)
    assert message.body == b"m"
    assert message[header] == "5000"


@pytest.mark.parametrize("header", ["AMQ_SCHEDULED_TIME", "_AMQ_SCHED_DELIVERY", "x-deliver-at"])
def test_a_moment_of_delivery_is_waited_for(client: Client, driven: Driven, header: str) -> None:
    client.subscribe(QUEUE)
    assert client.do("SEND", {"destination": QUEUE, header: str(now(driven) + 5_000)}, "m") == []
    assert bodies(client.wait(4)) == []
    assert bodies(client.wait(2)) == ["m"]


def test_what_a_header_was_translated_to_is_not_shown(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE)
    client.do("SEND", {"destination": QUEUE, "AMQ_SCHEDULED_DELAY": "1000"}, "m")
    (message,) = client.wait(2)
    assert message.get("x-delay") is None


SERIES = {"AMQ_SCHEDULED_DELAY": "1000", "AMQ_SCHEDULED_PERIOD": "2000", "AMQ_SCHEDULED_REPEAT": "2"}


def test_a_delivery_repeats_itself_and_shows_nothing_of_that(client: Client) -> None:
    client.subscribe(QUEUE)
    assert client.do("SEND", {"destination": QUEUE, **SERIES, "own": "1"}, "m") == []
    received = []
    for expected in (["m"], ["m"], ["m"], []):
        frames = client.wait(2)
        assert bodies(frames) == expected
        received += frames
    for message in received:
        assert message["own"] == "1"
        assert message.get("x-delay") is None
        assert all(message.get(name) is None for name in SERIES)


def test_a_cron_delivers_again_and_again(client: Client, driven: Driven) -> None:
    client.subscribe(QUEUE)
    client.do("SEND", {"destination": QUEUE, "AMQ_SCHEDULED_CRON": "* * * * *"}, "m")
    assert [bodies(client.wait(60)) for _ in range(3)] == [["m"]] * 3


def test_the_receipt_of_a_schedule_comes_when_it_is_kept(stored: Driven) -> None:
    client = Client(stored)
    client.connect()
    only(client.do("SEND", {"destination": QUEUE, **SERIES, "persistent": "true", "receipt": "r"}, "m"), "RECEIPT")
    stored.crash()
    for _ in range(3):
        stored.wait(2)
    assert stored.bodies() == ["m", "m", "m"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("AMQ_SCHEDULED_PERIOD", "often"),
        ("AMQ_SCHEDULED_PERIOD", "-1"),
        ("AMQ_SCHEDULED_PERIOD", "0"),
        ("AMQ_SCHEDULED_REPEAT", "twice"),
        ("AMQ_SCHEDULED_REPEAT", "-2"),
        ("AMQ_SCHEDULED_CRON", "at noon"),
        ("AMQ_SCHEDULED_CRON", "0 0 30 FEB *"),
    ],
)
def test_what_is_no_schedule_is_an_error_that_names_the_header(client: Client, header: str, value: str) -> None:
    error = only(client.do("SEND", {"destination": QUEUE, **SERIES, header: value}, "m"), "ERROR")
    assert header in error["message"] + error.text
    assert client.has_ended()


def test_repeats_have_a_period(client: Client) -> None:
    headers = {name: value for name, value in SERIES.items() if name != "AMQ_SCHEDULED_PERIOD"}
    only(client.do("SEND", {"destination": QUEUE, **headers}, "m"), "ERROR")


def test_a_delay_survives_a_restart(stored: Driven) -> None:
    client = Client(stored)
    client.connect()
    client.send(QUEUE, "first")
    client.do("SEND", {"destination": QUEUE, "AMQ_SCHEDULED_DELAY": "5000", "persistent": "true"}, "m")
    stored.crash()
    assert stored.bodies() == []
    stored.wait(6)
    assert stored.bodies() == ["m"]


def test_duplicates_are_known_by_artemis_header(client: Client, driven: Driven) -> None:
    driven.queue("q", x_deduplication_window=60_000)
    for body in "ab":
        client.do("SEND", {"destination": QUEUE, "_AMQ_DUPL_ID": "1"}, body)
    assert driven.bodies() == ["a"]


@pytest.mark.parametrize("header", ["JMSXGroupID", "x-group", "key"])
@pytest.mark.parametrize("dialect", ["spec", "activemq"])
def test_groups_begin_among_messages_of_none(driven: Driven, dialect: str, header: str) -> None:
    if header == "key":
        driven.queue("q", x_group_header="key")
    sender = Client(driven, settings(dialect))
    sender.connect()
    sender.send(QUEUE, "0")
    readers = [Client(driven), Client(driven)]
    for reader in readers:
        reader.connect()
        reader.subscribe(QUEUE, ack="client-individual")
    for number in range(1, 5):
        sender.put("SEND", {"destination": QUEUE, header: "g"}, str(number))
    sender.read()
    found = [bodies(reader.read()) for reader in readers]
    assert ["1", "2", "3", "4"] in found


def test_groups_of_jms_are_kept_together(driven: Driven) -> None:
    driven.queue("q", x_group_header="JMSXGroupID")
    first, second = Client(driven), Client(driven)
    for reader in (first, second):
        reader.connect()
        reader.subscribe(QUEUE, ack="client-individual")
    sender = Client(driven)
    sender.connect()
    for number in range(4):
        sender.put("SEND", {"destination": QUEUE, "JMSXGroupID": "g"}, str(number))
    sender.read()
    assert sorted([bodies(first.read()), bodies(second.read())]) == [[], ["0", "1", "2", "3"]]


def test_a_single_active_subscription_that_is_late_hands_over(driven: Driven) -> None:
    driven.queue("single", x_single_active_consumer=True, x_consumer_timeout=1_000)
    slow, other = connected(driven), connected(driven)
    publish(driven, "a", "b", queue="single")
    (held,) = slow.subscribe("/amq/queue/single", ack="client-individual", prefetch_count="1")
    assert other.subscribe("/amq/queue/single", ack="client-individual", prefetch_count="2") == []
    driven.wait(1.1)
    assert (bodies(slow.read()), bodies(other.read())) == ([], ["a", "b"])
    assert bodies(slow.ack(held)) == []
    # The other one is late now, and the first one can take messages again.
    driven.wait(1.1)
    assert bodies(slow.read()) == ["a"]
