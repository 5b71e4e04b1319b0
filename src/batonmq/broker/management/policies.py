"""Requests about policies: list, set, clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.vhosts.policy import ALL, read_policy
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.management.request import Answer, Request
    from batonmq.fields import FieldValue


def _list(request: Request) -> Answer:
    return {
        "policies": [
            {
                "name": policy.name,
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "priority": policy.priority,
                "definition": dict(policy.definition),
                "fixed": policy.fixed,
            }
            for policy in request.operations.policies()
        ]
    }


def _set(request: Request) -> None:
    policy = read_policy(
        request.text("name"),
        request.text("pattern"),
        _definition(request.table("definition")),
        apply_to=request.optional_text("apply-to") or ALL,
        priority=request.number("priority", -(2**31), 2**31 - 1) or 0,
    )
    request.operations.set_policy(policy)
    _answer_when_applied(request)


def _definition(table: dict[str, object]) -> dict[str, FieldValue]:
    definition: dict[str, FieldValue] = {}
    for name, value in table.items():
        if not isinstance(value, str | int | float | bool):
            raise PreconditionFailed(f'"definition": {name} is to be a text or a number')
        definition[name] = value
    return definition


def _clear(request: Request) -> None:
    request.operations.clear_policy(request.text("name"))
    _answer_when_applied(request)


def _answer_when_applied(request: Request) -> None:
    """Answer once the policy is in effect."""
    request.operations.vhost.policies.when_applied(lambda: request.reply_when_kept({}))


POLICY_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "policies.list": _list,
    "policies.set": _set,
    "policies.clear": _clear,
}
