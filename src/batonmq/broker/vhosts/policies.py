"""The policies of a virtual host: settings for all queues or exchanges whose names match.

They can change while those exist. Of the policies that match only the one with the highest priority applies, and beside
it, of the operator policies that match, the one with the highest priority. What the two ask for together is combined
with the queue's own arguments as in RabbitMQ: of lengths, times and counts the lower one applies, of everything else
the queue's own.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from batonmq.broker.features.idle import IdleTimer
from batonmq.broker.features.length_limit import drop_what_is_too_much
from batonmq.broker.model.arguments import ARGUMENTS
from batonmq.broker.model.declared import DEPENDENT, read_settings
from batonmq.broker.model.events import POLICY_CLEARED, POLICY_SET
from batonmq.broker.model.settings import QUORUM
from batonmq.broker.patterns.expressions import PatternError, compile_pattern
from batonmq.broker.routing.exchanges import ALTERNATE_EXCHANGE, Exchange
from batonmq.broker.vhosts.policy import OF_CLASSIC, OF_EXCHANGES, OF_QUORUM, Policy, lower, merged
from batonmq.broker.vhosts.policy_keys import KEYS
from batonmq.errors import NotFound, PreconditionFailed
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batonmq.broker.model.scheduler import Scheduler
    from batonmq.broker.model.settings import Settings
    from batonmq.broker.queues.queue import Queue
    from batonmq.broker.routing.router import Router
    from batonmq.fields import FieldValue

log = logging.getLogger("batonmq.broker")

# The store's keys for them.
KIND: Final = "policy"
OPERATOR_KIND: Final = "operator_policy"

# How long a change is applied in one turn, and the pause for others, in seconds.
APPLY_SECONDS = 0.005
PAUSE_SECONDS = 0.001


class Policies:
    """The policies and the operator policies of one virtual host."""

    __slots__ = (
        "_applied",
        "_by_name",
        "_idle",
        "_is_over",
        "_of_operator",
        "_queues",
        "_router",
        "_scheduler",
        "_vhost",
        "_waiting",
    )

    def __init__(self, vhost: str, scheduler: Scheduler, router: Router, queues: Mapping[str, Queue]) -> None:
        """``queues``: the queues of the virtual host by name; a live mapping."""
        self._vhost = vhost
        self._scheduler = scheduler
        self._router = router
        self._queues = queues
        self._by_name: dict[str, Policy] = {}
        self._of_operator: dict[str, Policy] = {}
        self._idle: dict[Queue, IdleTimer] = {}
        self._is_over = False
        # The queues and exchanges to which changes still have to be applied.
        self._waiting: dict[Queue | Exchange, None] = {}
        # Called when all are done.
        self._applied: list[Callable[[], object]] = []

    # ------------------------------------------------------------------ what there is

    def all(self, *, of_operator: bool = False) -> list[Policy]:
        """All policies, or all operator policies, in the order of their names."""
        policies = self._those(of_operator)
        return [policies[name] for name in sorted(policies)]

    def find(self, name: str, *, of_operator: bool = False) -> Policy | None:
        """The policy of that name, or the operator policy; None: there is none."""
        return self._those(of_operator).get(name)

    def of_queue(self, queue: Queue, *, of_operator: bool = False) -> Policy | None:
        """The policy, or the operator policy, that applies to a queue; None: there is none."""
        return _best(self._those(of_operator), _kinds(queue.arguments), queue.name)

    def of_exchange(self, exchange: Exchange, *, of_operator: bool = False) -> Policy | None:
        """The policy, or the operator policy, that applies to an exchange; None: there is none."""
        return _best(self._those(of_operator), OF_EXCHANGES, exchange.name) if exchange.name else None

    def definition_for(self, queue: Queue) -> dict[str, FieldValue]:
        """The combined settings of the policy and the operator policy that apply to a queue; empty: there are none."""
        return merged(self.of_queue(queue), self.of_queue(queue, of_operator=True))

    def _those(self, of_operator: bool) -> dict[str, Policy]:
        return self._of_operator if of_operator else self._by_name

    # ------------------------------------------------------------------ changes

    def set(self, policy: Policy, *, keep: bool = True) -> None:
        """Add or replace a policy, or an operator policy, and apply it, for as long as a turn may take.

        ``when_applied`` calls back when the rest is done, which takes more turns with thousands of queues. Raises
        PreconditionFailed for one of the configuration file, and NotFound when the virtual host is deleted.
        """
        if self._is_over:
            raise NotFound(f"vhost '{self._vhost}' is deleted")
        policies = self._those(policy.of_operator)
        if not policy.fixed:
            _not_fixed(policies.get(policy.name))
        policies[policy.name] = policy
        without = [key for key in policy.definition if not KEYS[key].has_effect]
        if without:
            log.warning("policy %r in vhost %r: no effect here has %s", policy.name, self._vhost, ", ".join(without))
        if keep:
            value = {
                "pattern": policy.pattern,
                "apply-to": policy.apply_to,
                "priority": policy.priority,
                "definition": dict(policy.definition),
            }
            self._scheduler.store.define(Definition(_kind(policy), self._vhost, policy.name, value))
            self._tell(POLICY_SET, policy)
        self._apply()

    def clear(self, name: str, *, of_operator: bool = False) -> None:
        """Remove a policy, or an operator policy, and its effects.

        Raises NotFound, and PreconditionFailed for one of the configuration file.
        """
        policies = self._those(of_operator)
        policy = policies.get(name)
        if policy is None:
            raise NotFound(f"no {'operator ' if of_operator else ''}policy '{name}' in vhost '{self._vhost}'")
        _not_fixed(policy)
        del policies[name]
        self._scheduler.store.forget(_kind(policy), self._vhost, name)
        self._tell(POLICY_CLEARED, policy)
        self._apply()

    def drop_fixed(self, name: str) -> None:
        """Remove a policy that is no longer in the configuration file, and its effects."""
        policy = self._by_name.get(name)
        if policy is not None and policy.fixed:
            del self._by_name[name]
            self._apply()

    def _tell(self, kind: str, policy: Policy) -> None:
        self._scheduler.events.tell(kind, vhost=self._vhost, policy=policy.name, of_operator=policy.of_operator)

    def restore(self, definition: Definition) -> None:
        """Restore a policy, or an operator policy, from the store."""
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
        of_operator = definition.kind == OPERATOR_KIND
        self._those(of_operator)[definition.name] = Policy(
            definition.name,
            pattern,
            str(value["apply-to"]),
            priority,
            content,
            of_operator=of_operator,
            compiled=compiled,
        )

    def forget_all(self) -> None:
        """Remove all policies, with no effect: the virtual host is deleted, and none can be set any more."""
        self._is_over = True
        for policy in (*self._by_name.values(), *self._of_operator.values()):
            self._scheduler.store.forget(_kind(policy), self._vhost, policy.name)
        self._by_name.clear()
        self._of_operator.clear()

    def _apply(self) -> None:
        """Apply changes to existing objects; those still waiting for an earlier change come first."""
        is_under_way = bool(self._waiting)
        self._waiting.update(dict.fromkeys(self._queues.values()))
        self._waiting.update(dict.fromkeys(self._router.exchanges.values()))
        if not is_under_way:
            self._apply_some()

    def _apply_some(self) -> None:
        try:
            self.apply_more()
        finally:
            if self._waiting:
                self._scheduler.timetable.after(PAUSE_SECONDS, self._apply_some)

    def apply_more(self) -> bool:
        """Apply waiting changes for as long as a turn may take; False: all are done.

        A change for ten thousand queues takes half a second. Callers that can wait leave it to the timetable.
        """
        scheduler = self._scheduler
        until = scheduler.clock.monotonic() + APPLY_SECONDS
        try:
            while self._waiting:
                target = next(iter(self._waiting))
                del self._waiting[target]
                if isinstance(target, Exchange):
                    self.apply_to_exchange(target)
                elif not target.deleted:
                    scheduler.faults.attempt(self.apply_to_queue, target)
                if scheduler.clock.monotonic() > until:
                    break
        finally:
            self._router.changed()
        if not self._waiting:
            applied, self._applied = self._applied, []
            for then in applied:
                scheduler.faults.attempt(then)
        return bool(self._waiting)

    def when_applied(self, then: Callable[[], object]) -> None:
        """Call back when all changes so far are in effect: now, or in a later turn."""
        if self._waiting:
            self._applied.append(then)
        else:
            then()

    # ------------------------------------------------------------------ what they do

    def settings(self, name: str, arguments: Mapping[str, FieldValue], described: str, *, lenient: bool) -> Settings:
        """The settings from a queue's arguments and its policies. Raises PreconditionFailed for invalid arguments.

        ``lenient``: the arguments were accepted before, so they do not raise.
        """
        own = read_settings(arguments, described, lenient=lenient)
        kinds = _kinds(arguments)
        definition = merged(_best(self._by_name, kinds, name), _best(self._of_operator, kinds, name))
        if not definition:
            return own
        combined = dict(arguments)
        for key, value in definition.items():
            argument = f"x-{key}"
            known = ARGUMENTS.get(argument)
            if known is None or not known.in_policies:
                continue
            mine = arguments.get(argument)
            if mine is None:
                combined[argument] = value
            elif known.lower_counts:
                combined[argument] = lower(mine, value)
        for dependent, row in DEPENDENT.items():
            if row.needs not in combined:
                combined.pop(dependent, None)
        return read_settings(combined, described, lenient=lenient)

    def apply_to_queue(self, queue: Queue) -> None:
        """Apply the current arguments and policies to a queue."""
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
        """Apply the current arguments and policy to an exchange. Operator policies do not apply to exchanges."""
        policy = self.of_exchange(exchange)
        alternate = policy.definition.get(ALTERNATE_EXCHANGE) if policy is not None else None
        exchange.follow_policy(str(alternate) if isinstance(alternate, str) else None)


def _kind(policy: Policy) -> str:
    return OPERATOR_KIND if policy.of_operator else KIND


def _kinds(arguments: Mapping[str, FieldValue]) -> frozenset[str]:
    """The values of apply-to that include a queue with these arguments."""
    return OF_QUORUM if arguments.get("x-queue-type") == QUORUM else OF_CLASSIC


def _best(policies: Mapping[str, Policy], kinds: frozenset[str], name: str) -> Policy | None:
    """The policy that applies: the one with the highest priority, and among equals the last by name."""
    matching = [policy for policy in policies.values() if policy.matches(kinds, name)]
    return max(matching, key=lambda policy: (policy.priority, policy.name), default=None)


def _not_fixed(known: Policy | None) -> None:
    if known is not None and known.fixed:
        raise PreconditionFailed(f"policy '{known.name}' comes from the configuration file; change it there")
