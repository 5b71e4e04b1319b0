"""RabbitMQ's dead-letter exchanges: when, where to, and the headers that tell the story."""

from __future__ import annotations

import datetime

import pytest
from pamqp import commands as spec
from pamqp.common import FieldTable, FieldValue

from tests.support.marks import differs_from
from tests.support.wire import Channel, Content


def dead(ch: Channel, name: str, arguments: FieldTable | None = None) -> str:
    """A queue whose dead letters go to the queue that is returned."""
    grave = name + "-dead"
    ch.queue(grave)
    ch.queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": grave, **(arguments or {})})
    return grave


def deaths(content: Content) -> list[FieldTable]:
    return deaths_in(content.headers)


def deaths_in(headers: FieldTable) -> list[FieldTable]:
    entries = headers["x-death"]
    assert isinstance(entries, list)
    return [entry for entry in entries if isinstance(entry, dict)]


def reject(ch: Channel, queue: str) -> None:
    ch.reject(ch.await_one(queue, no_ack=False).tag, requeue=False)


@pytest.mark.parametrize("how", ["reject", "nack"])
def test_a_rejected_message_is_dead_lettered(ch: Channel, name: str, how: str) -> None:
    grave = dead(ch, name)
    ch.publish(name, b"x")
    tag = ch.await_one(name, no_ack=False).tag
    if how == "reject":
        ch.reject(tag, requeue=False)
    else:
        ch.nack(tag, requeue=False)
    content = ch.await_one(grave)
    assert (content.body, deaths(content)[0]["reason"]) == (b"x", "rejected")


def test_rejected_messages_are_dead_lettered_in_order(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    for number in range(5):
        ch.publish(name, b"%d" % number)
    ch.await_count(name, 5)
    last = [ch.get_one(name) for _ in range(5)][-1]
    ch.nack(last.tag, multiple=True, requeue=False)
    ch.await_count(grave, 5)
    assert ch.drain(grave) == [b"0", b"1", b"2", b"3", b"4"]


def test_an_expired_message_is_dead_lettered(ch: Channel, name: str) -> None:
    grave = dead(ch, name, {"x-message-ttl": 50})
    ch.publish(name, b"x")
    assert deaths(ch.await_one(grave))[0]["reason"] == "expired"


def test_a_message_that_makes_room_is_dead_lettered(ch: Channel, name: str) -> None:
    grave = dead(ch, name, {"x-max-length": 1})
    ch.publish(name, b"old")
    ch.publish(name, b"new")
    content = ch.await_one(grave)
    assert (content.body, deaths(content)[0]["reason"]) == (b"old", "maxlen")


def test_reject_publish_dlx_dead_letters_what_it_refuses(ch: Channel, name: str) -> None:
    grave = dead(ch, name, {"x-max-length": 1, "x-overflow": "reject-publish-dlx"})
    ch.select()
    ch.publish(name, b"first")
    ch.confirmed()
    ch.publish(name, b"second")
    ch.publish(name, b"third")
    assert ch.confirmed()[3] is False
    ch.await_count(name, 1)
    assert ch.await_one(grave).body == b"second"


@pytest.mark.parametrize("how", ["purge", "delete"])
def test_purging_and_deleting_is_no_death(ch: Channel, name: str, how: str) -> None:
    grave = dead(ch, name)
    ch.publish(name)
    ch.await_count(name, 1)
    ch.call(spec.Queue.Purge(0, name) if how == "purge" else spec.Queue.Delete(0, name))
    assert ch.count(grave) == 0


def test_the_first_death_is_told_in_full(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.exchange(name, "topic")
    ch.bind(name, name, "#")
    ch.publish("the.key", exchange=name)
    reject(ch, name)
    content = ch.await_one(grave)
    (death,) = deaths(content)
    assert isinstance(death.pop("time"), datetime.datetime)
    assert death == {"count": 1, "reason": "rejected", "queue": name, "exchange": name, "routing-keys": ["the.key"]}
    first = {key: content.headers[f"x-first-death-{key}"] for key in ("reason", "queue", "exchange")}
    assert first == {"reason": "rejected", "queue": name, "exchange": name}


@differs_from("rabbitmq 3.10", why="x-last-death-* came with 3.13")
def test_the_last_death_is_told_beside_the_first(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish(name)
    reject(ch, name)
    headers = ch.await_one(grave).headers
    last = {key: headers[f"x-last-death-{key}"] for key in ("reason", "queue", "exchange")}
    assert last == {"reason": "rejected", "queue": name, "exchange": ""}


def test_own_headers_and_properties_are_kept(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish(name, headers={"own": [1, {"a": None}]}, correlation_id="c", delivery_mode=2, priority=4)
    reject(ch, name)
    content = ch.await_one(grave)
    assert content.headers["own"] == [1, {"a": None}]
    assert (content.properties.correlation_id, content.properties.priority) == ("c", 4)


def test_the_expiration_is_removed_and_remembered(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish(name, expiration="50")
    content = ch.await_one(grave)
    assert content.properties.expiration is None
    assert deaths(content)[0]["original-expiration"] == "50"


KEPT_APART = "since 4.0 RabbitMQ tells its own record of deaths from what clients write"


@differs_from("rabbitmq 3.10", why=KEPT_APART)
def test_what_is_published_again_with_its_record_begins_anew(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish(name)
    for _ in range(3):
        reject(ch, name)
        content = ch.await_one(grave)
        (death,) = deaths(content)
        assert death["count"] == 1
        ch.publish(name, properties=content.raw_properties)


@differs_from("rabbitmq 3.10", why=KEPT_APART)
def test_a_delay_of_two_levels_takes_what_has_come_out_of_it_again(ch: Channel, name: str) -> None:
    """As Celery's delays: whoever retries publishes with the headers that the message came with."""
    ch.queue(name)
    for level, to in ((name + "-0", name), (name + "-1", name + "-0")):
        ch.queue(level, {"x-message-ttl": 10, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": to})
    ch.publish(name + "-1", b"x")
    for _ in range(4):
        content = ch.await_one(name)
        assert [(death["queue"], death["count"]) for death in deaths(content)] == [(name + "-0", 1), (name + "-1", 1)]
        assert content.headers["x-first-death-queue"] == name + "-1"
        ch.publish(name + "-1", b"x", properties=content.raw_properties)


FORGED: FieldTable = {
    "x-death": [{"queue": "other", "reason": "rejected", "count": 7}],
    "x-first-death-queue": "other",
    "x-first-death-reason": "rejected",
    "x-first-death-exchange": "other",
    "x-last-death-queue": "other",
}


def test_what_a_publisher_writes_of_deaths_comes_as_it_is(ch: Channel, name: str) -> None:
    ch.queue(name)
    ch.publish(name, headers=FORGED)
    assert ch.await_one(name).headers == FORGED


@differs_from("rabbitmq 3.10", why=KEPT_APART)
def test_and_gives_way_to_the_brokers_own_record(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    entry: FieldTable = {"queue": name, "reason": "rejected", "count": 7}
    ch.publish(name, headers={**FORGED, "x-death": [*deaths_in(FORGED), entry], "own": 1})
    reject(ch, name)
    content = ch.await_one(grave)
    assert [(death["queue"], death["count"]) for death in deaths(content)] == [(name, 1)]
    told = {key: value for key, value in content.headers.items() if key != "x-death"}
    which = {"queue": name, "reason": "rejected", "exchange": ""}
    expected = {f"x-{when}-death-{part}": value for when in ("first", "last") for part, value in which.items()}
    assert told == {"own": 1, **expected}


def test_a_forged_rejection_keeps_no_cycle_going(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-dead-letter-exchange": "", "x-message-ttl": 20, "x-dead-letter-routing-key": name})
    ch.select()
    ch.publish(name, headers={"x-death": [{"queue": name, "reason": "rejected", "count": 1}]})
    ch.confirmed()
    ch.await_count(name, 0)
    assert ch.get(name) is None


def test_the_latest_death_stands_first(ch: Channel, name: str) -> None:
    ch.queue(name + "-2", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + "-3"})
    ch.queue(name + "-3")
    ch.queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + "-2", "x-message-ttl": 20})
    ch.publish(name)
    reject(ch, name + "-2")
    content = ch.await_one(name + "-3")
    assert [(death["queue"], death["reason"]) for death in deaths(content)] == [
        (name + "-2", "rejected"),
        (name, "expired"),
    ]
    assert content.headers["x-first-death-queue"] == name


def test_without_a_key_of_its_own_the_message_keeps_its_key(ch: Channel, name: str) -> None:
    ch.exchange(name, "direct")
    ch.queue(name + "-dead")
    ch.bind(name + "-dead", name, name)
    ch.queue(name, {"x-dead-letter-exchange": name})
    ch.publish(name)
    reject(ch, name)
    content = ch.await_one(name + "-dead")
    assert (content.exchange, content.key) == (name, name)


def test_the_dead_letter_key_replaces_the_messages_key(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish(name)
    reject(ch, name)
    content = ch.await_one(grave)
    assert (content.exchange, content.key) == ("", grave)


def test_copies_are_followed_without_a_key_of_its_own(ch: Channel, name: str) -> None:
    ch.exchange(name, "direct")
    ch.queue(name + "-dead")
    ch.bind(name + "-dead", name, "copy")
    ch.queue(name, {"x-dead-letter-exchange": name})
    ch.publish(name, headers={"CC": ["copy"]})
    reject(ch, name)
    assert deaths(ch.await_one(name + "-dead"))[0]["routing-keys"] == [name, "copy"]


def test_blind_copies_are_not_told(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish("nowhere", headers={"BCC": [name]})
    reject(ch, name)
    assert deaths(ch.await_one(grave))[0]["routing-keys"] == ["nowhere"]


def test_a_missing_dead_letter_exchange_drops(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-dead-letter-exchange": name})
    ch.publish(name)
    reject(ch, name)
    ch.exchange(name, "fanout")
    ch.queue(name + "-dead")
    ch.bind(name + "-dead", name)
    ch.publish(name, b"later")
    reject(ch, name)
    assert ch.await_one(name + "-dead").body == b"later"
    assert ch.count(name + "-dead") == 0


def test_several_queues_may_get_a_dead_letter(ch: Channel, name: str) -> None:
    ch.exchange(name, "fanout")
    ch.queue(name, {"x-dead-letter-exchange": name})
    for number in range(3):
        ch.queue(f"{name}-{number}")
        ch.bind(f"{name}-{number}", name)
    ch.publish(name)
    reject(ch, name)
    for number in range(3):
        ch.await_count(f"{name}-{number}", 1)


def test_a_cycle_without_a_rejection_is_cut(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-dead-letter-exchange": "", "x-message-ttl": 20, "x-dead-letter-routing-key": name})
    ch.select()
    ch.publish(name)
    ch.confirmed()
    ch.await_count(name, 0)
    assert ch.get(name) is None


def test_a_cycle_with_a_rejection_goes_on(ch: Channel, name: str) -> None:
    ch.queue(name, {"x-dead-letter-exchange": ""})
    ch.publish(name, b"x")
    for count in (1, 2, 3):
        reject(ch, name)
        ch.await_count(name, 1)
        content = ch.get_one(name)
        assert deaths(content)[0]["count"] == count
        ch.nack(content.tag)


def test_a_delay_through_expiry_and_back_works_over_and_over(ch: Channel, name: str) -> None:
    """The common retry pattern: work queue, rejection, waiting queue, expiry, work queue."""
    ch.queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + "-wait"})
    ch.queue(name + "-wait", {"x-message-ttl": 30, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name})
    ch.publish(name)
    for _ in range(3):
        reject(ch, name)
    content = ch.await_one(name)
    counts = {(death["queue"], death["reason"]): death["count"] for death in deaths(content)}
    assert counts == {(name, "rejected"): 3, (name + "-wait", "expired"): 3}


def test_a_consumer_of_the_dead_letters_is_served(ch: Channel, other: Channel, name: str) -> None:
    grave = dead(ch, name)
    other.consume(grave, no_ack=True)
    ch.publish(name, b"x")
    reject(ch, name)
    assert other.message().body == b"x"


def test_a_transaction_dead_letters_at_commit(ch: Channel, other: Channel, name: str) -> None:
    grave = dead(other, name)
    other.publish(name)
    ch.call(spec.Tx.Select())
    ch.reject(ch.await_one(name, no_ack=False).tag, requeue=False)
    ch.barrier()
    assert other.count(grave) == 0
    ch.call(spec.Tx.Commit())
    other.await_count(grave, 1)


def test_the_first_death_stays_the_first(ch: Channel, name: str) -> None:
    """Also when it happens again, and stands at the front of x-death with another behind it."""
    ch.queue(name, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name + "-2"})
    ch.queue(name + "-2", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name})
    ch.publish(name)
    for queue in (name, name + "-2", name):
        reject(ch, queue)
    content = ch.await_one(name + "-2")
    assert [death["queue"] for death in deaths(content)] == [name, name + "-2"]
    assert content.headers["x-first-death-queue"] == name


def test_a_publisher_cannot_forge_the_first_death(ch: Channel, name: str) -> None:
    grave = dead(ch, name)
    ch.publish(name, headers={"x-first-death-queue": "forged"})
    reject(ch, name)
    assert ch.await_one(grave).headers["x-first-death-queue"] == name


@differs_from("rabbitmq 3.10", why="it loses the message")
@pytest.mark.parametrize(
    "written", ["nonsense", [1, "a"], [{}], [{"queue": 1, "count": "x"}], [{"queue": "q"}]], ids=repr
)
def test_whatever_a_publisher_writes_into_x_death_a_dead_letter_arrives(
    ch: Channel, name: str, written: FieldValue
) -> None:
    grave = dead(ch, name)
    ch.publish(name, b"x", headers={"x-death": written})
    reject(ch, name)
    content = ch.await_one(grave)
    assert (content.body, deaths(content)[0]["queue"]) == (b"x", name)
