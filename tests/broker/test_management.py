"""Requests to the management exchange: JSON in, JSON out, with the rights of who asks, when it is on the disk."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.broker import ManagedOperations, Permission, User
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.errors import AccessRefused
from batonmq.message import Message
from batonmq.properties import Properties


@pytest.fixture(params=["memory", "sqlite"])
def driven(request: pytest.FixtureRequest, tmp_path: Path) -> Driven:
    driven = Driven(tmp_path / "store.db" if request.param == "sqlite" else None)
    driven.queue("answers", durable=False)
    return driven


def send(driven: Driven, body: bytes, operations: ManagedOperations | None = None) -> None:
    properties = Properties.make(reply_to="answers", correlation_id="7")
    operations = operations or driven.operations
    operations.vhost.router.publish(
        Message(MANAGEMENT, "", properties, body), operations.resolve(MANAGEMENT, "").targets
    )


def answer(driven: Driven) -> dict[str, object]:
    queued = driven.operations.find_queue("answers").get()
    assert queued is not None, "no answer"
    assert queued.message.properties.correlation_id == "7"
    driven.operations.find_queue("answers").accept(queued)
    found = json.loads(queued.message.body)
    assert isinstance(found, dict)
    return found


def ask(
    driven: Driven, operation: str, operations: ManagedOperations | None = None, /, **fields: object
) -> dict[str, object]:
    send(driven, json.dumps({"operation": operation, **fields}).encode(), operations)
    driven.settle()
    return answer(driven)


def limited(driven: Driven, **permission: str) -> ManagedOperations:
    user = User("limited", frozenset(), {"/": Permission(**permission)})
    return ManagedOperations(driven.operations.vhost, user, object())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"operation": 7}', b'{"operation": "queues.burn"}', b"\xff", b"[" * 5000]
)
def test_what_is_no_request_is_told_what_is(driven: Driven, body: bytes) -> None:
    send(driven, body)
    driven.settle()
    found = answer(driven)
    assert found["ok"] is False
    assert "queues.list" in str(found["error"])


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("queues.peek", {}),
        ("queues.peek", {"queue": 7}),
        ("queues.peek", {"queue": "q", "count": 0}),
        ("queues.peek", {"queue": "q", "count": True}),
        ("queues.move", {"queue": "q"}),
        ("queues.move", {"queue": "q", "to": "q", "count": "many"}),
        ("policies.set", {"name": "p", "pattern": "(", "definition": {"max-length": 1}}),
        ("policies.set", {"name": "p", "pattern": ".", "definition": []}),
        ("policies.set", {"name": "p", "pattern": ".", "definition": {"max-length": [1]}}),
        ("policies.clear", {"name": "none"}),
    ],
)
def test_wrong_fields_are_refused(driven: Driven, operation: str, fields: dict[str, object]) -> None:
    driven.queue()
    assert ask(driven, operation, **fields)["ok"] is False


@pytest.mark.parametrize("operation", ["peek", "pause", "resume", "purge", "delete", "replay"])
def test_a_queue_that_is_not_there_is_said_so(driven: Driven, operation: str) -> None:
    found = ask(driven, f"queues.{operation}", queue="nowhere")
    assert found == {"ok": False, "error": "no queue 'nowhere' in vhost '/'", "condition": "not-found"}


def test_a_listing_tells_how_a_queue_stands_and_hides_what_may_not_be_read(driven: Driven) -> None:
    driven.queue(x_max_length=7)
    driven.publish("one")
    listed = ask(driven, "queues.list")["queues"]
    assert isinstance(listed, list)
    (queue,) = [queue for queue in listed if queue["name"] == "q"]
    assert (queue["ready"], queue["unsettled"], queue["consumers"], queue["paused"]) == (1, 0, 0, False)
    assert queue["arguments"] == {"x-max-length": 7}
    hidden = ask(driven, "queues.list", limited(driven, read="^answers$"))["queues"]
    assert isinstance(hidden, list)
    assert [queue["name"] for queue in hidden] == ["answers"]


def test_a_peek_shows_the_first_messages_and_takes_none(driven: Driven) -> None:
    queue = driven.queue()
    for number in range(700):
        driven.publish(f"m{number}", {"n": number, "raw": b"\xff"}, size=1024)
    message = Message("", "q", Properties.make(message_id="id", priority=3), b"\xff")
    driven.operations.vhost.router.publish(message, driven.operations.resolve("", "q").targets)
    driven.settle()
    found = ask(driven, "queues.peek", queue="q", count=701)["messages"]
    assert isinstance(found, list)
    assert [shown.get("body", "").rstrip(".") for shown in found] == [f"m{number}" for number in range(700)] + [""]
    assert found[5]["headers"] == {"n": 5, "raw": "/w=="}
    assert (found[700]["body_base64"], found[700]["properties"], found[700]["priority"]) == (
        "/w==",
        {"message_id": "id"},
        3,
    )
    assert queue.ready_count == 701
    few = ask(driven, "queues.peek", queue="q")["messages"]
    assert isinstance(few, list)
    assert len(few) == 10


def test_a_paused_queue_takes_messages_and_hands_none_out(driven: Driven) -> None:
    queue = driven.queue()
    taker = driven.consume(prefetch=5)
    assert ask(driven, "queues.pause", queue="q") == {"ok": True}
    driven.publish("one")
    driven.settle()
    assert (taker.seen, queue.ready_count, queue.get()) == ([], 1, None)
    assert ask(driven, "queues.resume", queue="q") == {"ok": True}
    assert taker.seen == ["one"]


def test_a_paused_queue_is_paused_after_a_restart(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    driven.queue("answers", durable=False)
    driven.queue()
    driven.publish("one")
    ask(driven, "queues.pause", queue="q")
    driven.crash()
    taker = driven.consume()
    driven.settle()
    assert taker.seen == []
    driven.operations.pause_queue("q", paused=False)
    driven.settle()
    assert taker.seen == ["one"]
    driven.crash()
    assert not driven.operations.find_queue("q").paused


def test_an_answer_waits_for_the_disk(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    answers = driven.queue("answers", durable=False)
    driven.queue()
    driven.settle()
    send(driven, b'{"operation": "queues.delete", "queue": "q"}')
    driven.broker.end_turn()
    store = driven.broker.store
    store.stage()
    assert answers.ready_count == 0
    store.commit()
    driven.broker.commit_done(None)
    assert answers.ready_count == 1
    assert answer(driven) == {"ok": True, "count": 0}


def test_what_a_selector_selects_is_shown_moved_and_purged(driven: Driven) -> None:
    driven.queue()
    driven.queue("to")
    for number in range(30):
        driven.publish(f"m{number}", {"x-kind": "abc"[number % 3], "n": number})
    shown = ask(driven, "queues.peek", queue="q", where="x-kind = 'b' AND n < 10")["messages"]
    assert isinstance(shown, list)
    assert [message["body"] for message in shown] == ["m1", "m4", "m7"]
    moved = ask(driven, "queues.move", queue="q", to="to", where="x-kind = 'a'")
    assert moved == {"ok": True, "count": 10, "skipped": 0}
    assert ask(driven, "queues.purge", queue="q", where="n >= 15") == {"ok": True, "count": 10, "skipped": 0}
    assert driven.operations.find_queue("q").ready_count == 10
    for operation in ("peek", "move", "purge"):
        assert ask(driven, f"queues.{operation}", queue="q", to="to", where="n >")["ok"] is False
    assert driven.operations.find_queue("q").ready_count == 10


def test_messages_are_moved_replayed_and_purged(driven: Driven) -> None:
    driven.queue()
    driven.queue("to")
    for number in range(10):
        driven.publish(f"m{number}")
    assert ask(driven, "queues.move", queue="q", to="to", count=4) == {"ok": True, "count": 4, "skipped": 0}
    assert ask(driven, "queues.purge", queue="q") == {"ok": True, "count": 6}
    assert ask(driven, "queues.replay", queue="to") == {"ok": True, "count": 0, "skipped": 4}
    assert ask(driven, "queues.replay", queue="to", to="q") == {"ok": True, "count": 4, "skipped": 0}
    assert ask(driven, "queues.delete", queue="q") == {"ok": True, "count": 4}


def test_policies_need_a_tag(driven: Driven) -> None:
    assert ask(driven, "policies.list", limited(driven))["ok"] is False
    maker = User("maker", frozenset({"policymaker"}), {"/": Permission()})
    operations = ManagedOperations(driven.operations.vhost, maker, object())
    assert ask(driven, "policies.list", operations) == {"ok": True, "policies": []}


def test_policies_are_set_listed_and_cleared(driven: Driven) -> None:
    queue = driven.queue()
    done = ask(
        driven,
        "policies.set",
        name="short",
        pattern="^q",
        priority=-1,
        definition={"max-length": 2},
        **{"apply-to": "queues"},
    )
    assert done == {"ok": True}
    assert queue.settings.max_length == 2
    assert ask(driven, "policies.list")["policies"] == [
        {
            "name": "short",
            "pattern": "^q",
            "apply-to": "queues",
            "priority": -1,
            "definition": {"max-length": 2},
            "fixed": False,
        }
    ]
    assert ask(driven, "policies.clear", name="short") == {"ok": True}
    assert queue.settings.max_length is None


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"a":' * 100_000, b"1" * 100_000, b" " * (1 << 21)])
def test_a_request_that_is_made_to_be_hard_to_read_is_refused(driven: Driven, body: bytes) -> None:
    send(driven, body)
    assert "error" in answer(driven)


@pytest.mark.parametrize("value", [b"\\ud800", b"\xed\xa0\x80"])
def test_half_a_pair_of_surrogates_is_refused(driven: Driven, value: bytes) -> None:
    """A dead letter with such a key could be delivered to nobody."""
    definition = b'{"dead-letter-exchange": "", "dead-letter-routing-key": "' + value + b'"}'
    send(driven, b'{"operation": "policies.set", "name": "p", "pattern": "", "definition": ' + definition + b"}")
    driven.settle()
    assert answer(driven) == {
        "ok": False,
        "error": "the request has half a pair of surrogates in it, which is no text",
        "condition": "precondition-failed",
    }
    assert driven.operations.policies() == []


def test_a_policy_has_no_routing_key_that_could_not_be_delivered(driven: Driven) -> None:
    definition = {"dead-letter-exchange": "", "dead-letter-routing-key": "k" * 256}
    refused = ask(driven, "policies.set", name="p", pattern="", definition=definition)
    assert "at most 255 octets" in str(refused["error"])


def test_nobody_can_make_an_exchange_of_its_name(driven: Driven) -> None:
    with pytest.raises(AccessRefused, match=r"exchange name 'batonmq\.management' is reserved"):
        driven.operations.declare_exchange(MANAGEMENT, "fanout")
    with pytest.raises(AccessRefused, match="deletion of system exchange"):
        driven.operations.delete_exchange(MANAGEMENT)
    # A queue of that name is in nobody's way.
    driven.queue(MANAGEMENT)
    assert ask(driven, "queues.list")["ok"]


def test_a_policy_is_answered_when_it_is_in_effect(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many queues there are, and however busy the machine is."""
    monkeypatch.setattr("batonmq.broker.vhosts.policies.APPLY_SECONDS", -1.0)
    queues = [driven.queue(f"q{number}") for number in range(3)]
    send(driven, b'{"operation": "policies.set", "name": "p", "pattern": ".", "definition": {"max-length": 1}}')
    driven.settle()
    assert not driven.operations.find_queue("answers").ready_count
    while driven.operations.vhost.policies.apply_more():
        pass
    driven.settle()
    assert answer(driven) == {"ok": True}
    assert [queue.settings.max_length for queue in queues] == [1, 1, 1]


def test_the_figures_of_a_queue(driven: Driven) -> None:
    driven.queue()
    driven.publish("12345")
    driven.publish("123")
    found = ask(driven, "queues.stats", queue="q")
    shown = {name: found[name] for name in ("ready", "ready_bytes", "delayed", "unsettled", "consumers")}
    assert shown == {"ready": 2, "ready_bytes": 8, "delayed": 0, "unsettled": 0, "consumers": 0}
    assert ask(driven, "queues.stats", limited(driven, read="nothing"), queue="q")["ok"] is False


def test_a_raw_peek_leaves_out_what_was_seen_and_shows_bytes(driven: Driven) -> None:
    driven.queue()
    for number in range(5):
        driven.publish(f"number {number}")
    shown = ask(driven, "queues.peek", queue="q", after=3, raw=True)["messages"]
    assert isinstance(shown, list)
    assert [base64.b64decode(one["body_base64"]) for one in shown] == [b"number 3", b"number 4"]
    assert all("body" not in one and "raw_properties" in one for one in shown)
