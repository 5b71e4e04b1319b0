"""Policies: settings for all queues or exchanges whose names match; they can change while those exist.

Only the matching policy with the highest priority applies. It is combined with the queue's own arguments as in
RabbitMQ: of lengths, times and counts the lower one applies, of everything else the queue's own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batonmq.broker.features.idle import IdleTimer
from batonmq.broker.features.length_limit import drop_what_is_too_much
from batonmq.broker.model.arguments import ARGUMENTS, IN_POLICIES
from batonmq.broker.model.declared import DEPENDENT, read_settings
from batonmq.broker.patterns.expressions import Pattern, PatternError, compile_pattern
from batonmq.broker.routing.exchanges import ALTERNATE_EXCHANGE, Exchange
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.model.settings import Settings
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.router import Router
    from batonmq.fields import FieldValue

log = logging.getLogger("batonmq.broker")

QUEUES, EXCHANGES, ALL = "queues", "exchanges", "all"

# The settings of a queue that a policy may contain: arguments of queue.declare without "x-".
OF_QUEUES = frozenset(name.removeprefix("x-") for name in IN_POLICIES)
# How long a change is applied in one turn, and the pause in which the others have theirs.
APPLY_SECONDS = 0.02
PAUSE_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, created and checked by ``read_policy``."""

    name: str
    pattern: str
    apply_to: str
    priority: int
    definition: Mapping[str, FieldValue]
    # From the configuration file: no command changes it.
    fixed: bool = False
    # None: one of an earlier version that cannot be matched in bounded time; it is for nothing.
    compiled: Pattern | None = field(default=None, compare=False, repr=False)

    def matches(self, kind: str, name: str) -> bool:
        """Does it apply to this name? ``kind``: 'queues' or 'exchanges'."""
        return self.apply_to in (kind, ALL) and self.compiled is not None and self.compiled.found_in(name)


def read_policy(
    name: str,
    pattern: str,
    definition: Mapping[str, FieldValue],
    *,
    apply_to: str = ALL,
    priority: int = 0,
    fixed: bool = False,
) -> Policy:
    """Check a policy. ``pattern`` is a regular expression, searched in names. Raises PreconditionFailed."""
    if not name:
        raise PreconditionFailed("a policy needs a name")
    try:
        compiled = compile_pattern(pattern)
    except PatternError as error:
        raise PreconditionFailed(f"policy '{name}': the pattern is no regular expression: {error}") from None
    if apply_to not in (QUEUES, EXCHANGES, ALL):
        raise PreconditionFailed(f"policy '{name}': apply-to is one of queues, exchanges, all, and not '{apply_to}'")
    if not definition:
        raise PreconditionFailed(f"policy '{name}': the definition is empty")
    for key, value in definition.items():
        _check(name, key, value)
    return Policy(name, pattern, apply_to, priority, dict(definition), fixed, compiled)


def _check(name: str, key: str, value: FieldValue) -> None:
    if key == ALTERNATE_EXCHANGE:
        if not isinstance(value, str):
            raise PreconditionFailed(f"policy '{name}': {key} is to be the name of an exchange")
        return
    if key not in OF_QUEUES:
        known = ", ".join(sorted(OF_QUEUES | {ALTERNATE_EXCHANGE}))
        why = " cannot be changed while a queue lives" if f"x-{key}" in ARGUMENTS else " is not known"
        raise PreconditionFailed(f"policy '{name}': {key}{why}; a policy may say: {known}")
    try:
        ARGUMENTS[f"x-{key}"].check(value)
    except ValueError as error:
        raise PreconditionFailed(f"policy '{name}': invalid {key}: {error}") from None


class Policies:
    """The policies of one virtual host."""

    __slots__ = ("_by_name", "_idle", "_queues", "_router", "_scheduler", "_vhost", "_waiting")

    def __init__(self, vhost: str, scheduler: Scheduler, router: Router, queues: Mapping[str, Queue]) -> None:
        """``queues``: the queues of the virtual host by name; a live mapping."""
        self._vhost = vhost
        self._scheduler = scheduler
        self._router = router
        self._queues = queues
        self._by_name: dict[str, Policy] = {}
        self._idle: dict[Queue, IdleTimer] = {}
        # What a change is still to be applied to.
        self._waiting: dict[Queue | Exchange, None] = {}

    def all(self) -> list[Policy]:
        """All policies, in the order of their names."""
        return [self._by_name[name] for name in sorted(self._by_name)]

    def of_queue(self, queue: Queue) -> Policy | None:
        """The policy that applies to a queue; None: there is none."""
        return self._find(QUEUES, queue.name)

    def _find(self, kind: str, name: str) -> Policy | None:
        matching = [policy for policy in self._by_name.values() if policy.matches(kind, name)]
        return max(matching, key=lambda policy: (policy.priority, policy.name), default=None)

    # ------------------------------------------------------------------ changes

    def set(self, policy: Policy, *, keep: bool = True) -> None:
        """Add or replace a policy and apply it: at once, but to thousands of queues in slices.

        Raises PreconditionFailed for a policy of the configuration file.
        """
        if not policy.fixed:
            self._not_fixed(policy.name)
        self._by_name[policy.name] = policy
        if keep:
            value = {
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "priority": policy.priority,
                "definition": dict(policy.definition),
            }
            self._scheduler.store.define(Definition("policy", self._vhost, policy.name, value))
        self._apply()

    def clear(self, name: str) -> None:
        """Remove a policy and its effects. Raises NotFound, and PreconditionFailed for one of the config file."""
        if name not in self._by_name:
            raise NotFound(f"no policy '{name}' in vhost '{self._vhost}'")
        self._not_fixed(name)
        del self._by_name[name]
        self._scheduler.store.forget("policy", self._vhost, name)
        self._apply()

    def restore(self, definition: Definition) -> None:
        """Restore a policy from the store."""
        value = definition.value
        content = value["definition"]
        assert isinstance(content, dict)
        priority = value["priority"]
        assert isinstance(priority, int)
        pattern = str(value["pattern"])
        compiled = None
        try:
            compiled = compile_pattern(pattern)
        except PatternError as error:
            log.error("policy %r in vhost %r applies to nothing: %s", definition.name, self._vhost, error)
        self._by_name[definition.name] = Policy(
            definition.name, pattern, str(value["apply-to"]), priority, content, compiled=compiled
        )

    def _not_fixed(self, name: str) -> None:
        known = self._by_name.get(name)
        if known is not None and known.fixed:
            raise PreconditionFailed(f"policy '{name}' comes from the configuration file; change it there")

    def _apply(self) -> None:
        """To what is there; what still waits for an earlier change comes first."""
        is_under_way = bool(self._waiting)
        self._waiting.update(dict.fromkeys(self._queues.values()))
        self._waiting.update(dict.fromkeys(self._router.exchanges.values()))
        if not is_under_way:
            self._apply_some()

    def _apply_some(self) -> None:
        """For as long as a turn may take: a change for ten thousand queues takes half a second."""
        scheduler = self._scheduler
        until = scheduler.clock.monotonic() + APPLY_SECONDS
        try:
            while self._waiting and scheduler.clock.monotonic() <= until:
                target = next(iter(self._waiting))
                del self._waiting[target]
                if isinstance(target, Exchange):
                    self.apply_to_exchange(target)
                elif not target.deleted:
                    scheduler.faults.attempt(self.apply_to_queue, target)
        finally:
            self._router.changed()
            if self._waiting:
                scheduler.timetable.after(PAUSE_SECONDS, self._apply_some)

    # ------------------------------------------------------------------ what they do

    def settings(self, name: str, arguments: Mapping[str, FieldValue], described: str, *, lenient: bool) -> Settings:
        """The settings from a queue's arguments and its policy. Raises PreconditionFailed for invalid arguments.

        ``lenient``: the arguments were accepted before, so they do not raise.
        """
        own = read_settings(arguments, described, lenient=lenient)
        policy = self._find(QUEUES, name)
        if policy is None:
            return own
        combined = dict(arguments)
        for key, value in policy.definition.items():
            argument = f"x-{key}"
            mine = arguments.get(argument)
            if mine is None:
                combined[argument] = value
            elif ARGUMENTS[argument].lower_counts:
                combined[argument] = _lower(mine, value)
        for dependent, row in DEPENDENT.items():
            if row.needs not in combined:
                combined.pop(dependent, None)
        combined.pop(f"x-{ALTERNATE_EXCHANGE}", None)
        return read_settings(combined, described, lenient=lenient)

    def apply_to_queue(self, queue: Queue) -> None:
        """Apply the current arguments and policy to a queue."""
        described = f"queue '{queue.name}' in vhost '{self._vhost}'"
        settings = self.settings(queue.name, queue.arguments, described, lenient=True)
        if settings != queue.settings:
            queue.configure(settings)
            drop_what_is_too_much(queue)
            self.watch_idle(queue)

    def watch_idle(self, queue: Queue) -> None:
        """Start the timer for x-expires, if the queue has that setting."""
        timer = self._idle.pop(queue, None)
        if timer is not None:
            timer.stop()
        if queue.settings.expires is not None:
            self._idle[queue] = IdleTimer(queue, queue.remove)

    def forget(self, queue: Queue) -> None:
        """Forget a queue that is gone."""
        timer = self._idle.pop(queue, None)
        if timer is not None:
            timer.stop()

    def apply_to_exchange(self, exchange: Exchange) -> None:
        """Apply the current arguments and policy to an exchange."""
        policy = self._find(EXCHANGES, exchange.name) if exchange.name else None
        alternate = policy.definition.get(ALTERNATE_EXCHANGE) if policy is not None else None
        exchange.follow_policy(str(alternate) if isinstance(alternate, str) else None)


def _lower(mine: FieldValue, other: FieldValue) -> FieldValue:
    """The lower limit; a negative one is none."""
    limits = [value for value in (mine, other) if isinstance(value, int) and value >= 0]
    return min(limits, default=mine)
