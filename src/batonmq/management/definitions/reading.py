"""Parses a file of definitions in RabbitMQ's format to entries: of every version from 3.7 on, and of this broker.

Faults of form are found here, and reported with their entry. Whether this broker can take an entry is decided in
``checking``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from batonmq.broker.routing.exchanges import EXCHANGE_TYPES
from batonmq.broker.vhosts.policy import read_policy
from batonmq.broker.vhosts.policy_keys import KEYS
from batonmq.errors import BatonError
from batonmq.json_text import JsonError, read_json_as
from batonmq.management.definitions.entries import (
    BindingEntry,
    Definitions,
    ExchangeEntry,
    GlobalParameterEntry,
    ParameterEntry,
    PermissionEntry,
    PolicyEntry,
    QueueEntry,
    TopicPermissionEntry,
    UserEntry,
    VhostEntry,
)
from batonmq.management.definitions.exact_arguments import read_arguments
from batonmq.management.definitions.foreign import FOREIGN_EXCHANGES, STREAM, unknown_exchange, without_effect
from batonmq.management.http.bodies import Body, as_arguments, as_table, as_tags
from batonmq.management.http.errors import BadRequest, HttpError

__all__ = ["read_definitions"]

_Kind = TypeVar("_Kind")

# The default algorithm of a hash, since RabbitMQ 3.6.
DEFAULT_ALGORITHM: Final = "rabbit_password_hashing_sha256"
OPERATOR_POLICY: Final = "operator_policy"
VHOST_LIMITS: Final = "vhost-limits"
# A key of the metadata of a virtual host.
PROTECTED: Final = "protected_from_deletion"


def read_definitions(data: bytes, vhost: str | None = None) -> Iterator[Definitions]:
    """Read definitions, step by step; the last step yields them all. Raises BadRequest, which names the entry.

    ``vhost``: the virtual host of entries that name none, as in the export of a single one; entries that belong to no
    virtual host are then left out.
    """
    found = Definitions()
    reader = _Reader(found, vhost)
    content = _decoded("the definitions", data, dict[str, msgspec.Raw])
    for section, read in reader.sections.items():
        raw = content.get(section)
        if raw is None or bytes(raw) == b"null":
            continue
        # One by one: a file of 20 MB would block the loop for a tenth of a second.
        entries = _decoded(section, raw, list[msgspec.Raw])
        if vhost is not None and section in OF_THE_BROKER:
            if entries:
                found.say(f"{section} are not of one virtual host: left out")
            continue
        for number, entry in enumerate(entries):
            reader.read(section, number, _decoded(f"{section}[{number}]", entry, dict[str, object]), read)
            yield found
    reader.leave_out_bindings()
    yield found


def _decoded(what: str, data: bytes | msgspec.Raw, kind: type[_Kind]) -> _Kind:
    try:
        return read_json_as(data, kind)
    except msgspec.ValidationError:
        wanted = "a list" if kind == list[msgspec.Raw] else "an object"
        raise BadRequest(f"{what}: expected {wanted}") from None
    except JsonError as error:
        raise BadRequest(f"{what}: {error}") from None


OF_THE_BROKER: Final = frozenset({"vhosts", "users", "permissions", "topic_permissions", "global_parameters"})


class _Reader:
    def __init__(self, found: Definitions, vhost: str | None) -> None:
        self._found = found
        self._vhost = vhost
        # The omitted objects, whose bindings are omitted, too.
        self._no_queues: set[tuple[str, str]] = set()
        self._no_exchanges: set[tuple[str, str]] = set()
        self.sections: dict[str, Callable[[Body], None]] = {
            "vhosts": self._vhost_entry,
            "users": self._user,
            "permissions": self._permission,
            "topic_permissions": self._topic_permission,
            "global_parameters": self._global_parameter,
            "parameters": self._parameter,
            "policies": self._policy,
            "operator_policies": self._operator_policy,
            "exchanges": self._exchange,
            "queues": self._queue,
            "bindings": self._binding,
        }

    def read(self, section: str, number: int, entry: dict[str, object], read: Callable[[Body], None]) -> None:
        try:
            read(Body(entry))
        except HttpError as error:
            raise BadRequest(f"{section}[{number}]{_named(entry)}: {error.reason}") from None
        except BatonError as error:
            raise BadRequest(f"{section}[{number}]{_named(entry)}: {error}") from None

    def _in_vhost(self, body: Body) -> str:
        if self._vhost is not None:
            return self._vhost
        body.need("vhost")
        return body.text("vhost")

    # ------------------------------------------------------------------ the broker's

    def _vhost_entry(self, body: Body) -> None:
        body.need("name")
        # RabbitMQ 3.8 to 3.13 have both, 4 has only the metadata.
        metadata = Body({**body.values, **as_table("metadata", body.values.get("metadata"))})
        self._found.vhosts.append(
            VhostEntry(
                body.short_text("name"),
                metadata.text("description") if metadata.has("description") else None,
                as_tags(metadata.value("tags")) if metadata.has("tags") else None,
                metadata.text("default_queue_type") if metadata.has("default_queue_type") else None,
                metadata.flag(PROTECTED) if metadata.has(PROTECTED) else None,
                _limits(body),
            )
        )

    def _user(self, body: Body) -> None:
        body.need("name", "tags")
        self._found.users.append(
            UserEntry(
                body.short_text("name"),
                body.text("password_hash"),
                body.text("hashing_algorithm", DEFAULT_ALGORITHM),
                as_tags(body.value("tags")),
                _limits(body),
            )
        )

    def _permission(self, body: Body) -> None:
        body.need("user", "configure", "write", "read")
        texts = (body.text(name) for name in ("user", "configure", "write", "read"))
        self._found.permissions.append(PermissionEntry(self._in_vhost(body), *texts))

    def _topic_permission(self, body: Body) -> None:
        body.need("user", "exchange", "write", "read")
        texts = (body.text(name) for name in ("user", "exchange", "write", "read"))
        self._found.topic_permissions.append(TopicPermissionEntry(self._in_vhost(body), *texts))

    def _global_parameter(self, body: Body) -> None:
        body.need("name", "value")
        self._found.global_parameters.append(GlobalParameterEntry(body.short_text("name"), body.value("value")))

    # ------------------------------------------------------------------ parameters and policies

    def _parameter(self, body: Body) -> None:
        body.need("component", "name", "value")
        vhost, component, name = self._in_vhost(body), body.short_text("component"), body.short_text("name")
        value = body.value("value")
        if component == OPERATOR_POLICY:
            self._read_policy(vhost, name, Body(as_table("value", value)), of_operator=True)
        elif component == VHOST_LIMITS:
            limits = _limits(Body({"limits": value}))
            self._found.vhosts.append(VhostEntry(vhost, limits=limits))
        else:
            self._found.parameters.append(ParameterEntry(vhost, component, name, value))

    def _policy(self, body: Body) -> None:
        body.need("name")
        self._read_policy(self._in_vhost(body), body.short_text("name"), body, of_operator=False)

    def _operator_policy(self, body: Body) -> None:
        body.need("name")
        self._read_policy(self._in_vhost(body), body.short_text("name"), body, of_operator=True)

    def _read_policy(self, vhost: str, name: str, body: Body, *, of_operator: bool) -> None:
        body.need("pattern", "definition")
        described = f"{'operator ' if of_operator else ''}policy '{name}' in vhost '{vhost}'"
        definition = as_arguments("definition", body.values.get("definition"))
        kept = {key: value for key, value in definition.items() if key in KEYS}
        for key in definition:
            if key not in kept:
                self._found.say(f"{described}: '{key[:64]}' is left out: it is not known here")
            elif not KEYS[key].has_effect:
                self._found.say(f"{described}: '{key}' is kept and does nothing: {without_effect(key)}")
        if definition and not kept:
            self._found.say(f"{described} is left out: nothing of it is left")
            return
        apply_to = body.text("apply-to", "all")
        if apply_to == "streams":
            self._found.say(f"{described} is kept and does nothing: there are no streams")
        priority = body.number("priority", 0, -(2**31), 2**31 - 1)
        policy = read_policy(
            name, body.text("pattern"), kept, apply_to=apply_to, priority=priority, of_operator=of_operator
        )
        self._found.policies.append(PolicyEntry(vhost, policy))

    # ------------------------------------------------------------------ exchanges, queues, bindings

    def _exchange(self, body: Body) -> None:
        body.need("name", "type")
        vhost, name, kind = self._in_vhost(body), body.short_text("name"), body.text("type")
        if name in FOREIGN_EXCHANGES:
            self._no_exchanges.add((vhost, name))
            self._found.say(f"exchange '{name}' in vhost '{vhost}' is left out: nothing is published to it here")
            return
        if kind not in EXCHANGE_TYPES:
            self._no_exchanges.add((vhost, name))
            self._found.say(f"exchange '{name}' in vhost '{vhost}' is left out: {unknown_exchange(kind)}")
            return
        self._found.exchanges.append(
            ExchangeEntry(
                vhost,
                name,
                kind,
                body.flag("durable"),
                body.flag("auto_delete"),
                body.flag("internal"),
                read_arguments(body),
            )
        )

    def _queue(self, body: Body) -> None:
        body.need("name")
        vhost, name = self._in_vhost(body), body.short_text("name")
        arguments = read_arguments(body)
        if STREAM in (arguments.get("x-queue-type"), body.value("type")):
            self._no_queues.add((vhost, name))
            self._found.say(f"queue '{name}' in vhost '{vhost}' is left out: there are no streams")
            return
        self._found.queues.append(QueueEntry(vhost, name, body.flag("durable"), body.flag("auto_delete"), arguments))

    def _binding(self, body: Body) -> None:
        body.need("source", "destination", "destination_type")
        kind = body.text("destination_type")
        if kind not in ("queue", "exchange"):
            raise BadRequest(f"destination_type is to be queue or exchange, and not '{kind[:64]}'")
        if not body.text("destination"):
            raise BadRequest("the default exchange cannot be bound to another")
        self._found.bindings.append(
            BindingEntry(
                self._in_vhost(body),
                body.short_text("source"),
                body.short_text("destination"),
                kind == "queue",
                body.short_text("routing_key"),
                read_arguments(body),
            )
        )

    def leave_out_bindings(self) -> None:
        """Omit bindings whose source or destination was omitted."""
        kept = []
        for binding in self._found.bindings:
            missing = self._no_queues if binding.to_queue else self._no_exchanges
            if (binding.vhost, binding.destination) in missing or (binding.vhost, binding.source) in self._no_exchanges:
                where = f"'{binding.source}' to '{binding.destination}' in vhost '{binding.vhost}'"
                self._found.say(f"the binding from {where} is left out, as one of them is")
            # Older exports include the default exchange's implicit bindings.
            elif binding.source:
                kept.append(binding)
        self._found.bindings[:] = kept


def _limits(body: Body) -> dict[str, int]:
    limits = Body(as_table("limits", body.values.get("limits")))
    return {name: limits.number(name) for name in limits.values}


def _named(entry: Mapping[str, object]) -> str:
    """The entry in words, as far as it can be identified."""
    named = [
        f"{key} '{value[:64]}'"
        for key in ("name", "user", "source", "vhost")
        if isinstance(value := entry.get(key), str)
    ]
    return f" ({', '.join(named)})" if named else ""
