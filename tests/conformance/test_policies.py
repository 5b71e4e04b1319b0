"""Policies, asked for in messages over AMQP 0-9-1, and what clients see of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import FOREIGN, Connect
from tests.support.broker import Broker
from tests.support.marks import differs_from
from tests.support.wire import Channel

pytestmark = differs_from("rabbitmq", why="it takes policies over HTTP or by rabbitmqctl")

REPLY_TO = "amq.rabbitmq.reply-to"


class Asking:
    """A channel that asks the broker about itself."""

    def __init__(self, ch: Channel) -> None:
        self.ch = ch
        ch.consume(REPLY_TO, no_ack=True)

    def __call__(self, operation: str, **fields: object) -> dict[str, object]:
        body = json.dumps({"operation": operation, **fields}).encode()
        self.ch.publish("", body, exchange="batonmq.management", reply_to=REPLY_TO)
        answer = json.loads(self.ch.message().body)
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def ask(connect: Connect, name: str) -> Iterator[Asking]:
    asking = Asking(connect().channel())
    yield asking
    asking("policies.clear", name=name)


def put(ask: Asking, name: str, **definition: object) -> None:
    keys = {key.replace("_", "-"): value for key, value in definition.items()}
    assert ask("policies.set", name=name, pattern=f"^{name}", definition=keys) == {"ok": True}


def test_a_length_is_lowered_while_the_queue_lives(ask: Asking, ch: Channel, name: str) -> None:
    ch.queue(name)
    for number in range(5):
        ch.publish(name, b"%d" % number)
    ch.barrier()
    put(ask, name, max_length=2)
    ch.await_count(name, 2)
    ch.publish(name, b"5")
    ch.barrier()
    assert ch.drain(name) == [b"4", b"5"]


def test_declaring_a_queue_again_is_not_disturbed_by_a_policy(ask: Asking, ch: Channel, name: str) -> None:
    ch.queue(name, {"x-max-length": 10})
    put(ask, name, max_length=2)
    ch.queue(name, {"x-max-length": 10})
    for number in range(5):
        ch.publish(name, b"%d" % number)
    ch.barrier()
    assert ch.count(name) == 2


def test_a_policy_sends_dead_letters_on(ask: Asking, ch: Channel, name: str) -> None:
    dead = f"dead-{name}"
    ch.queue(dead)
    ch.queue(name)
    put(ask, name, dead_letter_exchange="", dead_letter_routing_key=dead, message_ttl=1)
    ch.publish(name, b"m")
    assert ch.await_one(dead).body == b"m"


def test_a_publish_that_a_policy_leaves_no_room_for_is_nacked(ask: Asking, ch: Channel, name: str) -> None:
    ch.queue(name)
    put(ask, name, max_length=1, overflow="reject-publish")
    ch.select()
    ch.publish(name)
    ch.publish(name)
    assert ch.confirmed() == {1: True, 2: False}


def test_an_alternate_exchange_by_policy_counts_for_routes_that_are_known(ask: Asking, ch: Channel, name: str) -> None:
    ch.exchange(name)
    ch.exchange(f"alt-{name}", "fanout")
    ch.queue(f"q-{name}")
    ch.bind(f"q-{name}", f"alt-{name}")
    ch.publish("nowhere", exchange=name)
    ch.barrier()
    put(ask, name, alternate_exchange=f"alt-{name}")
    ch.publish("nowhere", b"found", exchange=name)
    ch.barrier()
    assert ch.drain(f"q-{name}") == [b"found"]


def test_who_has_no_tag_changes_nothing(connect: Connect, name: str) -> None:
    asking = Asking(connect(user="asking", password="sesame").channel())
    answer = asking("policies.set", name=name, pattern=".", definition={"max-length": 1})
    assert answer["ok"] is False
    assert "policymaker" in str(answer["error"])


def test_a_policy_survives_a_kill(own_broker: Broker, connect: Connect, name: str) -> None:
    ch = connect(to=own_broker.address).channel()
    ch.queue(name, durable=True)
    put(Asking(ch), name, max_length=1)
    own_broker.kill()
    own_broker.start()
    ch = connect(to=own_broker.address).channel()
    ch.publish(name, b"1")
    ch.publish(name, b"2")
    ch.barrier()
    assert ch.drain(name) == [b"2"]


def test_a_policy_of_the_configuration_file_is_changed_only_there(tmp_path: Path, connect: Connect) -> None:
    if os.environ.get(FOREIGN):
        pytest.skip("the configuration of a foreign broker is not ours")
    broker = Broker(tmp_path, '[[policy]]\nname = "short"\npattern = "^short"\ndefinition = { max-length = 1 }\n')
    try:
        ch = connect(to=broker.start()).channel()
        ch.queue("short.1")
        ch.publish("short.1", b"1")
        ch.publish("short.1", b"2")
        ch.barrier()
        assert ch.drain("short.1") == [b"2"]
        assert "configuration file" in str(Asking(ch)("policies.clear", name="short")["error"])
    finally:
        broker.kill()
