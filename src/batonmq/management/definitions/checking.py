"""Checks whether a broker can import definitions, as a whole, before anything is changed.

Each entry is checked against existing objects and the other entries. One that exists with other options stays as it is,
as in RabbitMQ, and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from batonmq.broker import Broker
from batonmq.broker.model.limits import MAX_QUEUES, OF_USERS, OF_VHOSTS, limit_of, read_limit
from batonmq.broker.operations.checks import MANAGEMENT
from batonmq.broker.routing.exchanges import Exchange
from batonmq.broker.vhosts.metadata import Metadata
from batonmq.errors import BatonError, NotFound, PreconditionFailed
from batonmq.management.definitions.by_itself import (
    check_hash,
    check_pattern,
    check_queue,
    is_same_exchange,
    made_exchange,
    same_arguments,
)
from batonmq.management.definitions.entries import (
    BindingEntry,
    Definitions,
    ParameterEntry,
    PermissionEntry,
    TopicPermissionEntry,
)
from batonmq.management.definitions.foreign import unknown_component
from batonmq.management.http.errors import BadRequest

__all__ = ["check_definitions", "naming"]

EXCHANGE, QUEUE = "exchange", "queue"
RESERVED = "amq."
# The broker's generated names; an exported queue may have one, and has to be imported with it.
GENERATED = "amq.gen-"


def check_definitions(broker: Broker, found: Definitions, users: Mapping[str, bool]) -> Iterator[None]:
    """Check all entries, step by step.

    Raises BadRequest, which names an impossible entry. Entries that cannot be imported but do no harm are removed and
    reported. ``users``: who there is, and whether the user comes from the configuration file, so that nothing else
    changes it.
    """
    checker = _Checker(broker, found, users)
    for check in checker.checks:
        yield from check()


@contextmanager
def naming(what: str) -> Iterator[None]:
    """A context manager that adds the entry to a refusal."""
    try:
        yield
    except BatonError as error:
        raise BadRequest(f"{what}: {error}") from None


class _Checker:
    def __init__(self, broker: Broker, found: Definitions, users: Mapping[str, bool]) -> None:
        self._broker = broker
        self._found = found
        self._vhosts = {*broker.vhosts, *(vhost.name for vhost in found.vhosts)}
        self._users = {*users, *(user.name for user in found.users)}
        self._fixed = {name for name, is_configured in users.items() if is_configured}
        # The exchanges and the queues of the definitions, by virtual host and name.
        self._exchanges: dict[tuple[str, str], Exchange] = {}
        self._queues: set[tuple[str, str]] = set()
        self.checks: tuple[Callable[[], Iterator[None]], ...] = (
            self._check_vhosts,
            self._check_users,
            self._check_permissions,
            self._check_parameters,
            self._check_policies,
            self._check_exchanges,
            self._check_queues,
            self._check_room,
            self._check_bindings,
        )

    def _require_vhost(self, name: str) -> None:
        if name not in self._vhosts:
            raise NotFound(f"no vhost '{name}', here or in the definitions")

    def _require_user(self, name: str) -> None:
        if name not in self._users:
            raise NotFound(f"no user '{name}', here or in the definitions")

    # ------------------------------------------------------------------ virtual hosts and users

    def _check_vhosts(self) -> Iterator[None]:
        for entry in self._found.vhosts:
            with naming(f"vhost '{entry.name}'"):
                if not entry.name:
                    raise PreconditionFailed("it has no name")
                Metadata().changed(
                    description=entry.description, tags=entry.tags, default_queue_type=entry.default_queue_type
                )
                for name, value in entry.limits.items():
                    read_limit(name, value, OF_VHOSTS)
            yield

    def _check_users(self) -> Iterator[None]:
        kept = []
        for entry in self._found.users:
            with naming(f"user '{entry.name}'"):
                if not entry.name:
                    raise PreconditionFailed("it has no name")
                check_hash(entry)
                for name, value in entry.limits.items():
                    read_limit(name, value, OF_USERS)
            if entry.name in self._fixed:
                self._found.say(f"user '{entry.name}' is left out: the configuration file has one of that name")
            else:
                kept.append(entry)
            yield
        self._found.users[:] = kept

    def _check_permissions(self) -> Iterator[None]:
        for entry in self._found.permissions:
            self._check_permission("permission", entry, (entry.configure, entry.write, entry.read))
            yield
        for topic in self._found.topic_permissions:
            self._check_permission("topic permission", topic, (topic.write, topic.read))
            yield
        # The rights of a user of the configuration file are set there, too.
        self._found.permissions[:] = [one for one in self._found.permissions if one.user not in self._fixed]
        self._found.topic_permissions[:] = [one for one in self._found.topic_permissions if one.user not in self._fixed]

    def _check_permission(
        self, kind: str, entry: PermissionEntry | TopicPermissionEntry, patterns: tuple[str, ...]
    ) -> None:
        described = f"{kind} of user '{entry.user}' in vhost '{entry.vhost}'"
        with naming(described):
            self._require_vhost(entry.vhost)
            self._require_user(entry.user)
            for pattern in patterns:
                check_pattern(pattern)
        if entry.user in self._fixed:
            self._found.say(f"{described} is left out: the configuration file has that user")

    # ------------------------------------------------------------------ parameters and policies

    def _check_parameters(self) -> Iterator[None]:
        kept = []
        for entry in self._found.parameters:
            described = f"parameter '{entry.name}' of component '{entry.component}' in vhost '{entry.vhost}'"
            with naming(described):
                self._require_vhost(entry.vhost)
                if not self._broker.parameters.knows(entry.component):
                    self._found.say(f"{described} is left out: {unknown_component(entry.component)}")
                elif fault := self._fault_of(entry):
                    self._found.say(f"{described} is left out: {fault}")
                else:
                    kept.append(entry)
            yield
        self._found.parameters[:] = kept
        for one in self._found.global_parameters:
            with naming(f"global parameter '{one.name}'"):
                self._broker.parameters.check_global(one.name, one.value)
            yield

    def _fault_of(self, entry: ParameterEntry) -> str:
        """Why its component refuses the value; "": it accepts it."""
        try:
            self._broker.parameters.check(entry.component, entry.vhost, entry.name, entry.value)
        except PreconditionFailed as error:
            return ", ".join(line for line in str(error).splitlines() if line)
        return ""

    def _check_policies(self) -> Iterator[None]:
        kept = []
        for entry in self._found.policies:
            policy = entry.policy
            described = f"{'operator ' if policy.of_operator else ''}policy '{policy.name}' in vhost '{entry.vhost}'"
            with naming(described):
                self._require_vhost(entry.vhost)
            vhost = self._broker.vhosts.get(entry.vhost)
            present = vhost.policies.find(policy.name, of_operator=policy.of_operator) if vhost is not None else None
            if present is not None and present.fixed:
                self._found.say(f"{described} is left out: the configuration file has one of that name")
            else:
                kept.append(entry)
            yield
        self._found.policies[:] = kept

    # ------------------------------------------------------------------ exchanges and queues

    def _check_exchanges(self) -> Iterator[None]:
        kept = []
        for entry in self._found.exchanges:
            described = f"exchange '{entry.name}' in vhost '{entry.vhost}'"
            with naming(described):
                self._require_vhost(entry.vhost)
                made = made_exchange(entry, described)
            present = self._exchange_there(entry.vhost, entry.name)
            if (entry.vhost, entry.name) in self._exchanges:
                self._found.say(f"{described} is left out: it stands there twice, and the first one counts")
            elif present is not None:
                if not is_same_exchange(present, entry):
                    self._found.say(f"{described} is there with other options, and stays as it is")
            elif entry.name.startswith(RESERVED) or entry.name in ("", MANAGEMENT):
                self._found.say(f"{described} is left out: its name is the broker's")
            else:
                self._exchanges[entry.vhost, entry.name] = made
                kept.append(entry)
            yield
        self._found.exchanges[:] = kept

    def _exchange_there(self, vhost: str, name: str) -> Exchange | None:
        there = self._broker.vhosts.get(vhost)
        if there is not None:
            return there.router.exchange(name)
        # A new virtual host has the predeclared exchanges.
        return self._broker.vhosts["/"].router.exchange(name) if name.startswith(RESERVED) or not name else None

    def _check_queues(self) -> Iterator[None]:
        kept = []
        for entry in self._found.queues:
            described = f"queue '{entry.name}' in vhost '{entry.vhost}'"
            with naming(described):
                self._require_vhost(entry.vhost)
                if not entry.name:
                    raise PreconditionFailed("it has no name")
                check_queue(entry, described)
            is_second = (entry.vhost, entry.name) in self._queues
            self._queues.add((entry.vhost, entry.name))
            vhost = self._broker.vhosts.get(entry.vhost)
            present = vhost.queues.get(entry.name) if vhost is not None else None
            if present is not None:
                is_same = (present.durable, present.auto_delete) == (entry.durable, entry.auto_delete)
                if not is_same or not same_arguments(present.arguments, entry.arguments):
                    self._found.say(f"{described} is there with other options, and stays as it is")
            elif is_second:
                self._found.say(f"{described} is left out: it stands there twice, and the first one counts")
            elif entry.name.startswith(RESERVED) and not entry.name.startswith(GENERATED):
                self._found.say(f"{described} is left out: its name is the broker's")
                self._queues.discard((entry.vhost, entry.name))
            else:
                kept.append(entry)
            yield
        self._found.queues[:] = kept

    def _check_room(self) -> Iterator[None]:
        """Would they exceed the limit of queues in a virtual host?"""
        counts: dict[str, set[str]] = {}
        for entry in self._found.queues:
            counts.setdefault(entry.vhost, set()).add(entry.name)
        limits = {entry.name: entry.limits for entry in self._found.vhosts if MAX_QUEUES in entry.limits}
        for name, queues in counts.items():
            there = self._broker.vhosts.get(name)
            limit = limit_of(limits.get(name, there.limits if there is not None else {}), MAX_QUEUES)
            count = len(queues) + (len(there.queues) if there is not None else 0)
            if limit is not None and count > limit:
                raise BadRequest(f"vhost '{name}': there would be {count} queues, and {MAX_QUEUES} is {limit}")
            yield

    # ------------------------------------------------------------------ bindings

    def _check_bindings(self) -> Iterator[None]:
        kept = []
        for entry in self._found.bindings:
            kind = QUEUE if entry.to_queue else EXCHANGE
            described = (
                f"binding from '{entry.source}' to {kind} '{entry.destination}' with key '{entry.routing_key}'"
                f" in vhost '{entry.vhost}'"
            )
            with naming(described):
                self._require_vhost(entry.vhost)
                source = self._source(entry)
                if source is not None:
                    source.check_arguments(entry.arguments)
                    source.check_key(entry.routing_key)
            # RabbitMQ 4 exports bindings to internal exchanges, but not the exchanges.
            if source is None:
                self._found.say(f"{described} is left out: there is no exchange '{entry.source}'")
            elif not self._has_destination(entry):
                self._found.say(f"{described} is left out: there is no {kind} '{entry.destination}'")
            else:
                kept.append(entry)
            yield
        self._found.bindings[:] = kept

    def _source(self, entry: BindingEntry) -> Exchange | None:
        return self._exchanges.get((entry.vhost, entry.source)) or self._exchange_there(entry.vhost, entry.source)

    def _has_destination(self, entry: BindingEntry) -> bool:
        address = entry.vhost, entry.destination
        if not entry.to_queue:
            return address in self._exchanges or self._exchange_there(*address) is not None
        there = self._broker.vhosts.get(entry.vhost)
        return address in self._queues or (there is not None and entry.destination in there.queues)
