"""A queue's arguments change while it lives: those a policy may set, at once and for good, and stop no program."""

from __future__ import annotations

import pytest
from tests.support.asking import ask, limited
from tests.support.timed import Timed

from batonmq.errors import AccessRefused, PreconditionFailed
from batonmq.fields import FieldValue


def test_a_change_takes_effect_at_once_and_survives_a_crash(stored: Timed) -> None:
    queue = stored.queue(x_max_length=5)
    for number in range(5):
        stored.publish(f"m{number}")
    answer = ask(stored, "queues.change", queue="q", arguments={"x-max-length": 2, "x-message-ttl": 9_000})
    assert answer["arguments"] == {"x-max-length": 2, "x-message-ttl": 9_000}
    assert answer["declared"] == {"x-max-length": 5, "x-message-ttl": None}
    assert (queue.ready_count, queue.settings.ttl) == (2, 9_000)
    stored.crash()
    found = ask(stored, "queues.settings", queue="q")
    assert (found["arguments"], found["declared"]) == (answer["arguments"], answer["declared"])
    assert (found["effective"]["x-max-length"], found["effective"]["x-overflow"]) == (2, "drop-head")
    assert stored.bodies() == ["m3", "m4"]


@pytest.mark.parametrize("restart", [False, True])
def test_programs_may_declare_it_as_before_and_as_it_is_now(stored: Timed, restart: bool) -> None:
    stored.queue(x_max_length=5, x_max_priority=3)
    ask(stored, "queues.change", queue="q", arguments={"x-max-length": 7, "x-expires": 60_000})
    if restart:
        stored.broker.close()
        stored.start()
    stored.queue(x_max_length=5, x_max_priority=3)
    queue = stored.queue(x_max_length=7, x_expires=60_000, x_max_priority=3)
    assert queue.settings.max_length == 7
    wrong: list[dict[str, int]] = [{"x-max-length": 6}, {"x-max-length": 7, "x-expires": 1}, {}]
    for arguments in (*wrong, {"x-max-length": 5, "x-max-priority": 4}):
        with pytest.raises(PreconditionFailed, match="inequivalent arg"):
            stored.operations.declare_queue("q", durable=True, arguments={"x-max-priority": 3, **arguments})


def test_what_is_changed_back_is_as_if_it_never_had_been(stored: Timed) -> None:
    queue = stored.queue(x_max_length=5)
    ask(stored, "queues.change", queue="q", arguments={"x-max-length": 7})
    ask(stored, "queues.change", queue="q", arguments={"x-max-length": None})
    assert (dict(queue.arguments), dict(queue.changed_arguments)) == ({}, {"x-max-length": 5})
    ask(stored, "queues.change", queue="q", arguments={"x-max-length": 5})
    assert (dict(queue.arguments), dict(queue.changed_arguments)) == ({"x-max-length": 5}, {})
    with pytest.raises(PreconditionFailed):
        stored.queue(x_max_length=7)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x-max-priority": 3}, "cannot be changed while the queue lives"),
        ({"x-queue-type": "quorum"}, "cannot be changed while the queue lives"),
        ({"x-nothing": 1}, "is not known"),
        ({"x-max-length": -1}, "value_negative"),
        ({"x-max-length": "7"}, "invalid arg 'x-max-length'"),
        ({"x-max-length": 7.5}, "invalid arg 'x-max-length'"),
        ({"x-max-length": True}, "invalid arg 'x-max-length'"),
        ({"x-max-length": 1, "x-overflow": "burn"}, "invalid_overflow"),
        ({"x-dead-letter-routing-key": "k"}, "routing_key_but_no_dlx_defined"),
        ({"x-max-length": [7]}, "is to be a text or a number"),
        ("x-max-length", 'needs "arguments"'),
    ],
)
def test_what_cannot_be_changes_nothing(driven: Timed, arguments: object, said: str) -> None:
    queue = driven.queue()
    answer = ask(driven, "queues.change", queue="q", arguments=arguments)
    assert answer["ok"] is False
    assert said in answer["error"]
    assert (dict(queue.arguments), queue.settings.max_length) == ({}, None)


def test_a_dead_letter_exchange_needs_the_rights_of_a_declaration(driven: Timed) -> None:
    driven.queue()
    change: dict[str, FieldValue] = {"x-dead-letter-exchange": "secret"}
    operations = limited(driven, configure="^q$", read="^q$", write="^q$")
    with pytest.raises(AccessRefused, match="write access to exchange 'secret'"):
        operations.change_queue("q", change)
    limited(driven, configure="^q$", read="^q$", write="^secret$").change_queue("q", change)
    with pytest.raises(AccessRefused, match="configure access"):
        limited(driven, configure="^$").change_queue("q", {"x-max-length": 1})


def test_a_policy_counts_beside_what_was_changed(driven: Timed) -> None:
    queue = driven.queue()
    ask(driven, "policies.set", name="short", pattern=".", definition={"max-length": 5})
    answer = ask(driven, "queues.change", queue="q", arguments={"x-max-length": 9})
    assert answer["policy"] == {"name": "short", "definition": {"max-length": 5}}
    assert (answer["effective"]["x-max-length"], answer["arguments"]["x-max-length"]) == (5, 9)
    ask(driven, "policies.clear", name="short")
    assert queue.settings.max_length == 9
