"""A look into queues: groups and their holders, deduplication keys, why messages died, and what of them is replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.asking import ask, limited, listed
from tests.support.timed import Holder, Timed

from batonmq.errors import AccessRefused
from batonmq.fields import FieldValue

# ---------------------------------------------------------------------- groups


def test_groups_are_listed_with_their_holders_and_what_waits(driven: Timed) -> None:
    driven.queue()
    for group in "aab":
        driven.publish(group, {"x-group": group})
    driven.publish("alone")
    driven.settle()
    assert [entry["group"] for entry in listed(ask(driven, "queues.groups", queue="q"), "groups")] == ["a", "b"]
    Holder(driven)
    answer = ask(driven, "queues.groups", queue="q")
    assert answer["groups"] == [
        {"group": "a", "holder": {"consumer_tag": "holder", "connection": None, "channel": None}, "waiting": 1},
        {"group": "b", "holder": None, "waiting": 1},
    ]
    assert answer["sampled"] is False
    few = ask(driven, "queues.groups", queue="q", count=1)
    assert (len(few["groups"]), few["sampled"]) == (1, True)


def test_a_long_queue_is_sampled(driven: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batonmq.broker.management.insight.GROUP_LOOKS", 150)
    driven.queue()
    for number in range(200):
        driven.publish(f"m{number}", {"x-group": "g"}, size=2_000)
    driven.settle()
    answer = ask(driven, "queues.groups", queue="q")
    assert (answer["groups"][0]["waiting"], answer["sampled"]) == (150, True)


# ---------------------------------------------------------------------- deduplication keys


def key(value: FieldValue) -> dict[str, FieldValue]:
    return {"x-deduplication-header": value}


def test_keys_are_listed_in_pages_in_the_order_in_which_they_came(driven: Timed) -> None:
    driven.queue(x_deduplication_window=60_000)
    for number in range(25):
        driven.publish("m", key(f"order-{number}"))
    driven.settle()
    seen: list[str] = []
    after: object = None
    for _ in range(10):
        answer = ask(driven, "queues.keys", queue="q", count=10, after=after)
        assert answer["total"] == 25
        seen += [entry["key"] for entry in listed(answer, "keys")]
        after = answer["next"]
        if after is None:
            break
    assert (len(seen), len(set(seen))) == (25, 25)
    (known,) = listed(ask(driven, "queues.keys", queue="q", value="order-3"), "keys")
    assert known == {"key": seen[3], "expires_at": driven.broker.scheduler.now() + 60_000}
    assert ask(driven, "queues.keys", queue="q", value=seen[3])["keys"] == [known]
    assert ask(driven, "queues.keys", queue="q", value="order-99")["keys"] == []


@pytest.mark.parametrize("by_value", [True, False])
def test_a_key_that_is_forgotten_lets_the_next_message_in(driven: Timed, by_value: bool) -> None:
    queue = driven.queue(x_deduplication_size=10)
    driven.publish("wrong", key("order-17"))
    driven.publish("kept", key("order-18"))
    driven.settle()
    (listed_key, _) = [entry["key"] for entry in listed(ask(driven, "queues.keys", queue="q"), "keys")]
    named = "order-17" if by_value else listed_key
    assert ask(driven, "queues.forget", queue="q", key=named) == {"ok": True}
    assert ask(driven, "queues.forget", queue="q", key=named)["ok"] is False
    driven.publish("right", key("order-17"))
    driven.publish("double", key("order-18"))
    assert queue.ready_count == 3
    assert ask(driven, "queues.keys", queue="q")["total"] == 2


def test_it_is_forgotten_after_a_crash_too(stored: Timed) -> None:
    stored.queue(x_deduplication_size=10)
    stored.publish("wrong", key("order-17"))
    stored.settle()
    ask(stored, "queues.forget", queue="q", key="order-17")
    stored.crash()
    assert ask(stored, "queues.keys", queue="q")["keys"] == []
    stored.publish("right", key("order-17"))
    assert stored.bodies() == ["wrong", "right"]


def test_keys_that_were_forgotten_out_of_turn_leave_the_limits_right(driven: Timed) -> None:
    queue = driven.queue(x_deduplication_size=5)
    for number in range(3_000):
        driven.publish("m", key(number))
        if number % 3 == 0:
            assert queue.keys is not None
            (*_, last), _ = queue.keys.listed(0, 10)
            driven.operations.forget_key("q", last.key)
    assert queue.keys is not None
    assert len(queue.keys) == 5
    assert len(queue.keys.listed(0, 100)[0]) == 5
    assert len(queue.keys._order) < 4_000


def test_a_queue_without_keys_has_none(driven: Timed) -> None:
    driven.queue()
    assert ask(driven, "queues.keys", queue="q") == {"ok": True, "keys": [], "total": 0, "next": None}
    assert ask(driven, "queues.keys", queue="q", value="x")["keys"] == []
    assert ask(driven, "queues.forget", queue="q", key="x")["ok"] is False
    assert ask(driven, "queues.keys", queue="q", after=-1)["ok"] is False
    with pytest.raises(AccessRefused):
        limited(driven, write="^$").forget_key("q", b"x")


# ---------------------------------------------------------------------- dead letters


def kill(driven: Timed, queue: str, count: int) -> None:
    """So many messages are rejected there."""
    for number in range(count):
        driven.publish(f"{queue}{number}", {"n": number}, queue=queue)
    holder = Holder(driven, count, queue=queue)
    for _ in range(count):
        holder.settle("reject")
    holder.queue.unsubscribe(holder)
    driven.settle()


def dying(driven: Timed) -> None:
    driven.queue("dead")
    for name in ("a", "b"):
        driven.queue(name, x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_message_ttl=60_000)


def test_dead_letters_are_counted_by_reason_and_origin(driven: Timed) -> None:
    dying(driven)
    driven.queue("empty", x_dead_letter_exchange="amq.fanout")
    driven.queue()
    driven.publish("lives")
    kill(driven, "a", 3)
    kill(driven, "b", 1)
    driven.publish("late", queue="b")
    driven.publish("alive", queue="dead")
    driven.wait(61)
    assert ask(driven, "queues.deaths") == {
        "ok": True,
        "sampled": False,
        "queues": [
            {
                "vhost": "/",
                "name": "dead",
                "ready": 6,
                "count": 5,
                "looked_at": 6,
                "sampled": False,
                "reasons": [
                    {"reason": "rejected", "queue": "a", "count": 3},
                    {"reason": "rejected", "queue": "b", "count": 1},
                    {"reason": "expired", "queue": "b", "count": 1},
                ],
            }
        ],
    }
    assert ask(driven, "queues.deaths", limited(driven, read="^a$"))["queues"] == []


def test_dead_letters_that_no_topology_tells_of_are_found_by_the_head(tmp_path: Path) -> None:
    driven = Timed(tmp_path / "store", memory_limit=16 << 10)
    dying(driven)
    driven.queue("aside")
    kill(driven, "a", 150)
    driven.operations.move_messages("dead", "aside", lambda _: None)
    driven.settle()
    for name in ("a", "b"):
        driven.operations.delete_queue(name)
    driven.crash()
    (found,) = listed(ask(driven, "queues.deaths"), "queues")
    assert (found["name"], found["count"], found["reasons"][0]["queue"]) == ("aside", 150, "a")


def test_only_so_many_of_a_queue_are_looked_at(driven: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batonmq.broker.management.dead_letters.LOOKS", 120)
    dying(driven)
    kill(driven, "a", 300)
    (found,) = listed(ask(driven, "queues.deaths"), "queues")
    assert (found["looked_at"], found["sampled"], found["ready"]) == (120, True, 300)


@pytest.mark.parametrize(
    ("selection", "back"),
    [
        ({"reason": "expired"}, ["late"]),
        ({"from": "a"}, ["a0", "a1"]),
        ({"reason": "rejected", "from": "b"}, ["b0"]),
        ({"where": "n = 1"}, ["a1"]),
        ({"where": "n = 0", "from": "b"}, ["b0"]),
        ({"reason": "none"}, []),
    ],
)
def test_dead_letters_are_replayed_by_selection(driven: Timed, selection: dict[str, object], back: list[str]) -> None:
    dying(driven)
    driven.queue("back")
    kill(driven, "a", 2)
    kill(driven, "b", 1)
    driven.publish("late", queue="b")
    driven.wait(61)
    answer = ask(driven, "queues.replay", queue="dead", to="back", **selection)
    assert answer == {"ok": True, "count": len(back), "skipped": 0}
    assert driven.bodies("back") == back


def test_a_peek_with_a_selector_tells_the_places(driven: Timed) -> None:
    driven.queue()
    for number in range(300):
        driven.publish(f"m{number}", {"n": number})
    driven.settle()
    found = listed(ask(driven, "queues.peek", queue="q", where="n > 250", count=2), "messages")
    assert [(shown["body"], shown["position"]) for shown in found] == [("m251", 252), ("m252", 253)]
