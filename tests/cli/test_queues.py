"""batonmq queues ... and batonmq policies ... against a broker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pika
from tests.cli.conftest import Served

from batonmq.broker.model.arguments import IN_POLICIES
from batonmq.protocols.sessions.counts import MessageCounts

Batonmq = Callable[..., subprocess.CompletedProcess[str]]


def bury(served: Served, *bodies: str) -> None:
    """Dead letters of the queue `orders` in the queue `dead`."""
    connection = pika.BlockingConnection(pika.URLParameters(served.url))
    channel = connection.channel()
    channel.queue_declare("dead", durable=True)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    channel.queue_declare("orders", durable=True, arguments=arguments)
    for body in bodies:
        channel.basic_publish("", "orders", body.encode())
    for _ in bodies:
        method, _, _ = channel.basic_get("orders")
        channel.basic_reject(method.delivery_tag, requeue=False)
    connection.close()


def test_a_peek_shows_messages_and_takes_none(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "--lines", stdin="one\ntwo\n" + "x" * 300 + "\n")
    shown = batonmq("--url", served.url, "queues", "peek", "hello")
    assert shown.stdout.splitlines() == ["one", "two", "x" * 200 + "..."]
    first = json.loads(batonmq("queues", "peek", "hello", "-n", "1", "--json", "--url", served.url).stdout)
    assert [message["body"] for message in first] == ["one"]
    assert first[0]["properties"]["delivery_mode"] == 2
    assert batonmq("--url", served.url, "receive", "hello").stdout.startswith("one\ntwo\n")


def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "one")
    assert batonmq("--url", served.url, "queues", "pause", "hello").returncode == 0
    assert batonmq("--url", served.url, "receive", "hello").stdout == ""
    assert " paused " in batonmq("--url", served.url, "queues").stdout
    assert batonmq("--url", served.url, "queues", "resume", "hello").returncode == 0
    assert batonmq("--url", served.url, "receive", "hello").stdout == "one\n"


def test_dead_letters_are_replayed(served: Served, batonmq: Batonmq) -> None:
    bury(served, "one", "two", "three")
    some = batonmq("--url", served.url, "queues", "replay", "dead", "-n", "1")
    assert some.stdout == "1 message brought back from dead\n"
    assert batonmq("--url", served.url, "queues", "replay", "dead").stdout == "2 messages brought back from dead\n"
    assert batonmq("--url", served.url, "receive", "orders").stdout == "one\ntwo\nthree\n"


def test_dead_letters_without_a_home_stay_unless_one_is_named(served: Served, batonmq: Batonmq) -> None:
    bury(served, "one")
    assert (
        batonmq("--url", served.url, "queues", "delete", "--yes", "orders").stdout
        == "orders deleted, with 0 messages\n"
    )
    failed = batonmq("--url", served.url, "queues", "replay", "dead")
    assert failed.returncode == 1
    assert "1 message stayed" in failed.stderr
    batonmq("--url", served.url, "send", "second", "first")
    assert batonmq("--url", served.url, "queues", "replay", "dead", "--to", "second").returncode == 0
    assert batonmq("--url", served.url, "receive", "second").stdout == "first\none\n"


def test_messages_are_moved_and_purged(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "m", "--count", "1500")
    batonmq("--url", served.url, "send", "old", "first")
    moved = batonmq("--url", served.url, "queues", "move", "hello", "old", "-n", "1200")
    assert moved.stdout == "1,200 messages moved from hello to old\n"
    listed = json.loads(batonmq("--url", served.url, "queues", "list", "--json").stdout)
    assert {queue["name"]: queue["ready"] for queue in listed} == {"hello": 300, "old": 1_201}
    assert batonmq("--url", served.url, "queues", "purge", "hello").stdout == "300 messages dropped from hello\n"


def test_a_selector_chooses_what_is_moved_and_purged(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "m")
    batonmq("--url", served.url, "send", "old", "m")
    moved = batonmq("--url", served.url, "queues", "move", "hello", "old", "--where", "customer = 17")
    assert moved.stdout == "0 messages moved from hello to old\n"
    moved = batonmq("--url", served.url, "queues", "move", "hello", "old", "--where", "customer IS NULL")
    assert moved.stdout == "1 message moved from hello to old\n"
    purged = batonmq("--url", served.url, "queues", "purge", "old", "--where", "JMSPriority >= 0")
    assert purged.stdout == "2 messages dropped from old\n"
    failed = batonmq("--url", served.url, "queues", "purge", "old", "--where", "customer =")
    assert failed.returncode == 1
    assert "selector" in failed.stderr


def test_a_queue_that_is_not_there_is_one_line(served: Served, batonmq: Batonmq) -> None:
    for command in (["peek", "no"], ["pause", "no"], ["resume", "no"], ["replay", "no"], ["move", "no", "no"]):
        failed = batonmq("--url", served.url, "queues", *command)
        assert (failed.returncode, failed.stderr) == (1, "batonmq: no queue 'no' in vhost '/'\n")


def test_the_help_of_policies_has_every_setting(batonmq: Batonmq) -> None:
    words = set(batonmq("policies", "set", "--help").stdout.replace(",", " ").split())
    assert {name.removeprefix("x-") for name in IN_POLICIES} | {"alternate-exchange"} <= words


def test_policies_are_set_listed_and_cleared(served: Served, batonmq: Batonmq) -> None:
    assert batonmq("--url", served.url, "policies", "list").stdout == "there are no policies\n"
    batonmq("--url", served.url, "send", "events", "one")
    done = batonmq(
        "--url", served.url, "policies", "set", "short", "^events", '{"max-length": 2}', "--apply-to", "queues"
    )
    assert (done.returncode, done.stdout) == (0, "policy short is in force\n")
    batonmq("--url", served.url, "send", "events", "--lines", stdin="two\nthree\n")
    assert "policy=short" in batonmq("--url", served.url, "queues").stdout
    assert batonmq("--url", served.url, "receive", "events").stdout == "two\nthree\n"
    listed = json.loads(batonmq("--url", served.url, "policies", "list", "--json").stdout)
    assert [(policy["name"], policy["definition"]) for policy in listed] == [("short", {"max-length": 2})]
    assert batonmq("--url", served.url, "policies", "clear", "short").returncode == 0
    assert batonmq("--url", served.url, "policies", "list").stdout == "there are no policies\n"


def test_a_policy_that_means_nothing_is_one_line(served: Served, batonmq: Batonmq) -> None:
    failed = batonmq("--url", served.url, "policies", "set", "p", ".", "max-length")
    assert failed.returncode == 2
    assert "not JSON" in failed.stderr
    failed = batonmq("--url", served.url, "policies", "set", "p", ".", "[" * 100_000)
    assert (failed.returncode, failed.stderr) == (2, "batonmq: DEFINITION: nested deeper than 64 levels\n")
    failed = batonmq("--url", served.url, "policies", "set", "p", ".", '{"max-priority": 3}')
    assert failed.returncode == 1
    assert "cannot be changed while a queue lives" in failed.stderr


def test_a_queue_is_not_deleted_unasked_and_what_is_held_counts(batonmq: Batonmq, served: Served) -> None:
    with pika.BlockingConnection(pika.URLParameters(served.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("orders", durable=True)
        for _ in range(2):
            channel.basic_publish("", "orders", b"")
            channel.basic_get("orders")
        done = batonmq("--url", served.url, "queues", "delete", "orders")
        assert (done.returncode, done.stdout) == (2, "")
        assert "say --yes" in done.stderr
        done = batonmq("--url", served.url, "queues", "delete", "--yes", "orders")
        assert done.stdout == "orders deleted, with 2 messages\n"


def test_a_policy_is_an_object(batonmq: Batonmq, served: Served) -> None:
    for definition in ("[]", "{}", "7", "null"):
        done = batonmq("--url", served.url, "policies", "set", "short", "^q", definition)
        assert done.returncode == 2
        assert "DEFINITION: expected a JSON object" in done.stderr


def test_virtual_hosts_are_listed_with_their_counters(own_served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", own_served.url, "send", "q", "--lines", stdin="one\ntwo\n")
    assert batonmq("--url", own_served.url, "receive", "q", "-n", "1").stdout == "one\n"
    lines = batonmq("--url", own_served.url, "vhosts").stdout.splitlines()
    head, row = lines[0].split(), next(line.split() for line in lines[1:] if line.split()[0] == "/")
    assert head == ["VIRTUAL", "HOST", "QUEUES", "CONNECTIONS", "READY", "UNSETTLED", "ENQUEUED", "ACCEPTED"]
    assert row[-4:] == ["1", "0", "2", "1"]
    listed = json.loads(batonmq("--url", own_served.url, "vhosts", "--json").stdout)
    assert next(vhost for vhost in listed if vhost["name"] == "/")["counters"]["accepted"] == 1


def test_connections_are_listed_with_the_one_that_asks(served: Served, batonmq: Batonmq) -> None:
    lines = batonmq("--url", served.url, "connections").stdout.splitlines()
    columns = "PEER USER VIRTUAL HOST PROTOCOL TLS CHANNELS STATE SINCE PUBLISHED DELIVERED"
    assert lines[0].split() == columns.split()
    assert "AMQP 0-9-1" in lines[1]
    assert lines[1].startswith("127.0.0.1:")
    (own,) = json.loads(batonmq("--url", served.url, "connections", "--json").stdout)
    assert (own["user"], own["vhost"]) == ("guest", "/")
    assert set(own["counters"]) == set(MessageCounts().listed())
