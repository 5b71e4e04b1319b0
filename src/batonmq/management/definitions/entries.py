"""The parsed entries of a file of definitions: one class for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batonmq.broker.vhosts.policy import Policy
from batonmq.fields import FieldValue

__all__ = [
    "BindingEntry",
    "Definitions",
    "ExchangeEntry",
    "GlobalParameterEntry",
    "ParameterEntry",
    "PermissionEntry",
    "PolicyEntry",
    "QueueEntry",
    "TopicPermissionEntry",
    "UserEntry",
    "VhostEntry",
]


@dataclass(frozen=True, slots=True)
class VhostEntry:
    """A virtual host. None: not in the definitions."""

    name: str
    description: str | None = None
    tags: tuple[str, ...] | None = None
    default_queue_type: str | None = None
    protected: bool | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UserEntry:
    """A user, and the hash of the password in RabbitMQ's form or in ours; "": no password lets the user in."""

    name: str
    password_hash: str
    hashing_algorithm: str
    tags: tuple[str, ...]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PermissionEntry:
    """What a user may do in a virtual host."""

    vhost: str
    user: str
    configure: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class TopicPermissionEntry:
    """Which routing keys a user may publish with to a topic exchange, and bind to it with."""

    vhost: str
    user: str
    exchange: str
    write: str
    read: str


@dataclass(frozen=True, slots=True)
class ParameterEntry:
    """A parameter of a virtual host, for a component such as "shovel"."""

    vhost: str
    component: str
    name: str
    value: object


@dataclass(frozen=True, slots=True)
class GlobalParameterEntry:
    """A parameter of the whole broker."""

    name: str
    value: object


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """A policy, or one of the operator."""

    vhost: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class ExchangeEntry:
    """An exchange."""

    vhost: str
    name: str
    kind: str
    durable: bool
    auto_delete: bool
    internal: bool
    arguments: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue."""

    vhost: str
    name: str
    durable: bool
    auto_delete: bool
    arguments: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class BindingEntry:
    """A binding, to a queue or to an exchange."""

    vhost: str
    source: str
    destination: str
    to_queue: bool
    routing_key: str
    arguments: Mapping[str, FieldValue]


@dataclass(slots=True)
class Definitions:
    """All entries, in the order of the file."""

    vhosts: list[VhostEntry] = field(default_factory=list)
    users: list[UserEntry] = field(default_factory=list)
    permissions: list[PermissionEntry] = field(default_factory=list)
    topic_permissions: list[TopicPermissionEntry] = field(default_factory=list)
    parameters: list[ParameterEntry] = field(default_factory=list)
    global_parameters: list[GlobalParameterEntry] = field(default_factory=list)
    policies: list[PolicyEntry] = field(default_factory=list)
    exchanges: list[ExchangeEntry] = field(default_factory=list)
    queues: list[QueueEntry] = field(default_factory=list)
    bindings: list[BindingEntry] = field(default_factory=list)
    report: list[str] = field(default_factory=list)
    """Unsupported contents of the file and what happens to each, a sentence each."""

    def say(self, line: str) -> None:
        """Add a line to the report."""
        self.report.append(line)
