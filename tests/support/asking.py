"""Management requests to a driven broker, answered at once."""

from __future__ import annotations

from typing import Any

from batonmq.broker import ManagedOperations, Permission, User
from batonmq.broker.management.answering import carry_out
from batonmq.broker.management.target import refusal
from batonmq.errors import BrokerError, StoreError
from tests.support.driven import Driven


def ask(
    driven: Driven, operation: str, operations: ManagedOperations | None = None, /, **fields: object
) -> dict[str, Any]:
    """The answer, as a message would bring it, when the broker has found rest."""
    answers: list[dict[str, Any]] = []

    def refuse(error: BrokerError | StoreError) -> None:
        answers.append(dict(refusal(error)))

    asked = operations or driven.operations
    carry_out(asked, operation, fields, lambda answer: answers.append({"ok": True, **answer}), refuse)
    driven.settle()
    (answer,) = answers
    return answer


def listed(answer: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The list that an answer has under a key."""
    assert answer["ok"] is True, answer
    found = answer[key]
    assert isinstance(found, list)
    return found


def limited(driven: Driven, *tags: str, **permission: str) -> ManagedOperations:
    """A connection of a user with these permissions alone."""
    user = User("limited", frozenset(tags), {"/": Permission(**permission)})
    return ManagedOperations(driven.operations.vhost, user, object())
