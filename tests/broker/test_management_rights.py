"""What each operation of the management exchange needs: as docs/users.md has it, no less and no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support.driven import Driven

from batonmq.broker import ManagedOperations, Permission, User
from batonmq.broker.management.answering import OPERATIONS
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.errors import AccessRefused
from batonmq.message import Message
from batonmq.properties import Properties

PAGE = Path(__file__).parents[2] / "docs" / "users.md"
ROWS = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
NEEDS: dict[str, list[tuple[str, str]]] = {
    operation: re.findall(r"(configure|write|read) on `(\w+)`", cell) for operation, cell in ROWS.items()
}
TAG = "the tag `policymaker` or `administrator`"
# What a request names, by the field.
FIELDS = {"queue": "first", "to": "second"}
POLICY: dict[str, object] = {"name": "short", "pattern": ".", "definition": {"max-length": 1}}
CHANGE: dict[str, object] = {"arguments": {"x-max-length": 1}}
KEY = "order-17"
ASKING = {("write", "batonmq.management"), ("write", "amq.default")}


@pytest.fixture
def driven() -> Driven:
    driven = Driven(None)
    driven.queue("answers", durable=False)
    for name in FIELDS.values():
        driven.queue(name, x_deduplication_size=10)
    driven.publish("later", {"x-delay": 60_000, "x-deduplication-header": KEY}, queue=FIELDS["queue"])
    return driven


def delayed_in(driven: Driven) -> str:
    """The id of the message that waits in the first queue."""
    queue = driven.operations.vhost.queues.get(FIELDS["queue"])
    if queue is None or queue.delays is None:
        return "0"
    waiting = queue.delays.listed((0, 0), 10) or []
    return str(waiting[0].number)


def holding(driven: Driven, rights: set[tuple[str, str]], *tags: str) -> ManagedOperations:
    """A connection whose user has these rights to these names, and no others."""
    patterns = {
        right: "^(" + "|".join(re.escape(name) for held, name in rights if held == right) + ")$"
        for right in ("configure", "write", "read")
    }
    user = User("ann", frozenset(tags), {"/": Permission(**patterns)})
    return ManagedOperations(driven.operations.vhost, user, object())


def ask(driven: Driven, operations: ManagedOperations, operation: str, reply_to: str = "answers") -> dict[str, object]:
    properties = Properties.make(reply_to=reply_to)
    details = {"id": delayed_in(driven), "key": KEY}
    body = json.dumps({"operation": operation, **FIELDS, **POLICY, **CHANGE, **details}).encode()
    for target in operations.resolve(MANAGEMENT, "").targets:
        target.publish(Message(MANAGEMENT, "", properties, body))
    driven.settle()
    queued = driven.operations.find_queue("answers").get()
    assert queued is not None
    answer: dict[str, object] = json.loads(queued.message.body)
    return answer


def needed(operation: str) -> set[tuple[str, str]]:
    return {(right, FIELDS[field]) for right, field in NEEDS[operation]}


def test_each_operation_has_its_row() -> None:
    assert ROWS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("missing", sorted(ASKING))
def test_whoever_asks_needs_the_right_to_ask_and_to_be_answered(
    driven: Driven, operation: str, missing: tuple[str, str]
) -> None:
    everything = needed(operation) | ASKING - {missing}
    with pytest.raises(AccessRefused, match=f"write access to exchange '{missing[1]}'"):
        ask(driven, holding(driven, everything, "administrator"), operation)


@pytest.mark.parametrize("operation", [operation for operation in NEEDS if NEEDS[operation]])
def test_the_rights_of_its_row_are_enough(driven: Driven, operation: str) -> None:
    assert ask(driven, holding(driven, needed(operation) | ASKING), operation)["ok"] is True


@pytest.mark.parametrize(
    ("operation", "right", "field"),
    [(operation, right, field) for operation, rights in NEEDS.items() for right, field in rights],
)
def test_none_of_them_can_be_missing(driven: Driven, operation: str, right: str, field: str) -> None:
    left = needed(operation) | ASKING
    left.discard((right, FIELDS[field]))
    answer = ask(driven, holding(driven, left), operation)
    assert answer["ok"] is False
    assert f"{right} access to queue '{FIELDS[field]}'" in str(answer["error"])


@pytest.mark.parametrize("operation", [operation for operation, cell in ROWS.items() if cell == TAG])
def test_where_a_tag_is_needed_rights_are_not_enough(driven: Driven, operation: str) -> None:
    everything = {(right, name) for right in ("configure", "write", "read") for name in FIELDS.values()} | ASKING
    answer = ask(driven, holding(driven, everything), operation)
    assert answer["ok"] is False
    assert "needs the tag policymaker or administrator" in str(answer["error"])


def test_a_queue_that_may_not_be_read_is_not_listed(driven: Driven) -> None:
    answer = ask(driven, holding(driven, {("read", "first")} | ASKING), "queues.list")
    assert [queue["name"] for queue in answer["queues"]] == ["first"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", [operation for operation in NEEDS if NEEDS[operation]])
def test_whether_a_queue_is_there_is_not_told_without_the_right(driven: Driven, operation: str) -> None:
    asking = holding(driven, ASKING)
    there = ask(driven, asking, operation)
    for name in FIELDS.values():
        driven.operations.delete_queue(name)
    assert ask(driven, asking, operation) == there
