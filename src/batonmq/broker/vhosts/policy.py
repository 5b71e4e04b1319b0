"""One policy: a pattern, what it applies to, and settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batonmq.broker.patterns.expressions import Pattern, PatternError, compile_pattern
from batonmq.broker.vhosts.policy_keys import KEYS, fault_of
from batonmq.errors import PreconditionFailed
from batonmq.fields import FieldValue

if TYPE_CHECKING:
    from collections.abc import Mapping

QUEUES: Final = "queues"
CLASSIC_QUEUES: Final = "classic_queues"
QUORUM_QUEUES: Final = "quorum_queues"
STREAMS: Final = "streams"
EXCHANGES: Final = "exchanges"
ALL: Final = "all"

# The values of apply-to. There are no streams here, so a policy for them has no effect.
APPLY_TO: Final = (QUEUES, CLASSIC_QUEUES, QUORUM_QUEUES, STREAMS, EXCHANGES, ALL)

# The values that include an exchange, a classic queue, a quorum queue.
OF_EXCHANGES: Final = frozenset({ALL, EXCHANGES})
OF_CLASSIC: Final = frozenset({ALL, QUEUES, CLASSIC_QUEUES})
OF_QUORUM: Final = frozenset({ALL, QUEUES, QUORUM_QUEUES})

# The largest priority, in the 32 bits of RabbitMQ's clients; the lowest is -2**31.
PRIORITY_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy or an operator policy, created and checked by ``read_policy``."""

    name: str
    pattern: str
    apply_to: str
    priority: int
    definition: Mapping[str, FieldValue]
    # Is it from the configuration file, and so closed to commands?
    fixed: bool = False
    of_operator: bool = False
    """An operator policy applies in addition to a policy, and a policymaker cannot change it."""
    # None: from an earlier version, and cannot be matched in bounded time; it matches nothing.
    compiled: Pattern | None = field(default=None, compare=False, repr=False)

    def matches(self, kinds: frozenset[str], name: str) -> bool:
        """Does it apply to this name? ``kinds``: OF_EXCHANGES, OF_CLASSIC or OF_QUORUM."""
        return self.apply_to in kinds and self.compiled is not None and self.compiled.found_in(name)


def read_policy(
    name: str,
    pattern: str,
    definition: Mapping[str, FieldValue],
    *,
    apply_to: str = ALL,
    priority: int = 0,
    fixed: bool = False,
    of_operator: bool = False,
) -> Policy:
    """Check a policy. ``pattern`` is a regular expression, searched in names. Raises PreconditionFailed."""
    if not name:
        raise PreconditionFailed("a policy needs a name")
    try:
        compiled = compile_pattern(pattern)
    except PatternError as error:
        raise PreconditionFailed(f"policy '{name}': the pattern is no regular expression: {error}") from None
    if apply_to not in APPLY_TO:
        known = ", ".join(APPLY_TO)
        raise PreconditionFailed(f"policy '{name}': apply-to is one of {known}, and not '{apply_to}'")
    if not -PRIORITY_MAX - 1 <= priority <= PRIORITY_MAX:
        raise PreconditionFailed(f"policy '{name}': the priority is at most {PRIORITY_MAX}, and not {priority}")
    if not definition:
        raise PreconditionFailed(f"policy '{name}': the definition is empty")
    for key, value in definition.items():
        fault = fault_of(key, value, definition, of_operator=of_operator)
        if fault:
            raise PreconditionFailed(f"policy '{name}': {fault}")
    return Policy(name, pattern, apply_to, priority, dict(definition), fixed, of_operator, compiled)


def merged(policy: Policy | None, operator_policy: Policy | None) -> dict[str, FieldValue]:
    """The combined settings, as in RabbitMQ: the lower limit, and for others the operator's value."""
    definition = {} if policy is None else dict(policy.definition)
    for key, value in ({} if operator_policy is None else operator_policy.definition).items():
        mine = definition.get(key)
        definition[key] = lower(mine, value) if mine is not None and KEYS[key].lower_counts else value
    return definition


def lower(mine: FieldValue, other: FieldValue) -> FieldValue:
    """The lower limit; a negative value means no limit."""
    limits = [value for value in (mine, other) if isinstance(value, int) and value >= 0]
    return min(limits, default=mine)
