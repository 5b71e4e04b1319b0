"""A queue's settings as answers show them: its arguments, its policy, the effective values, what can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.broker.model.arguments import ARGUMENTS, IN_POLICIES
from batonmq.broker.model.settings import NO_LIMIT

if TYPE_CHECKING:
    from batonmq.broker.management.request import Answer
    from batonmq.broker.operations.operations import Operations
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.vhosts.policy import Policy

# JSON's names for the types of arguments.
TYPES: dict[type, str] = {int: "integer", float: "number", str: "string", bool: "boolean"}


def describe_settings(operations: Operations, queue: Queue) -> Answer:
    """The settings of a queue, by the names that its arguments have.

    "declared" holds the original values of arguments changed in place; "effective" combines arguments and policies.
    """
    policies = operations.vhost.policies
    settings = queue.settings
    effective: dict[str, object] = {}
    for name, argument in ARGUMENTS.items():
        value = getattr(settings, argument.setting) if argument.setting else None
        if value is not None:
            effective[name] = -1 if argument.setting == "delivery_limit" and value >= NO_LIMIT else value
    return {
        "arguments": dict(queue.arguments),
        "declared": dict(queue.changed_arguments),
        "policy": _describe(policies.of_queue(queue)),
        "operator_policy": _describe(policies.of_queue(queue, of_operator=True)),
        "effective": effective,
        "changeable": {name: {"type": TYPES[argument.kind]} for name, argument in sorted(IN_POLICIES.items())},
    }


def _describe(policy: Policy | None) -> Answer | None:
    return {"name": policy.name, "definition": dict(policy.definition)} if policy is not None else None
