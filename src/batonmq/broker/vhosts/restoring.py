"""Restoring a broker from its store: virtual hosts, exchanges, queues, bindings, policies and parameters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from batonmq.broker.features.length_limit import drop_what_is_too_much
from batonmq.broker.routing.exchanges import ExchangeOptions
from batonmq.errors import BatonError, StoreCorrupt, StoreError
from batonmq.json_text import read_json

if TYPE_CHECKING:
    from batonmq.broker.vhosts.parameters import Parameters
    from batonmq.broker.vhosts.vhost import VirtualHost
    from batonmq.store.interface import Store
    from batonmq.store.records import Definition, LaneRecord

log = logging.getLogger("batonmq.broker")

# By virtual host and queue: those of which no queue was made yet.
AddVhost: TypeAlias = "Callable[[str], VirtualHost]"
Lanes: TypeAlias = "dict[tuple[str, str], list[LaneRecord]]"


def restore(add_vhost: AddVhost, parameters: Parameters, store: Store) -> None:
    """Open the store and restore all its definitions; messages are read on demand. Raises StoreError."""
    snapshot = store.open()
    add_vhost("/")
    lanes: Lanes = {}
    for record in snapshot.lanes:
        lanes.setdefault((record.vhost, record.queue), []).append(record)
    by_kind: dict[str, list[Definition]] = {}
    for definition in snapshot.definitions:
        by_kind.setdefault(definition.kind, []).append(definition)
    for kind, make in MAKE.items():
        for definition in by_kind.get(kind, []):
            with _damage(store, definition):
                make(add_vhost(definition.vhost), definition, lanes)
    for kind in PARAMETERS:
        for definition in by_kind.get(kind, []):
            with _damage(store, definition):
                parameters.restore(definition)
    for name in sorted({definition.vhost for definition in by_kind.get("queue", [])}):
        for queue in add_vhost(name).queues.values():
            drop_what_is_too_much(queue)
    for (vhost_name, name), leftover in lanes.items():
        for record in leftover:
            _leave(store, vhost_name, name, record)


@contextmanager
def _damage(store: Store, definition: Definition) -> Iterator[None]:
    """A context manager: any error in a definition is damage to the store. Raises StoreCorrupt."""
    try:
        yield
    except StoreError:
        raise
    except (BatonError, KeyError, TypeError, ValueError) as error:
        what = f"{definition.kind} {definition.name!r} cannot be made of its definition"
        remedy = "`batonmq check` tells what is whole, and `batonmq repair` saves it in a new file"
        raise StoreCorrupt(f"{store.status().path} is damaged: {what}: {error!r}; {remedy}") from error


def _leave(store: Store, vhost: str, name: str, record: LaneRecord) -> None:
    """Report a lane without its queue. They are deleted in one transaction, so only a damaged file has one."""
    if not record.waiting:
        store.drop_lane(record.lane_id)
        return
    log.error(
        "the store has %d messages of queue %r in virtual host %r, and no such queue; they are left in the file,"
        " and are in that queue after the start that follows its declaration",
        record.waiting,
        name,
        vhost,
    )


def _restore_vhost(vhost: VirtualHost, definition: Definition, _: Lanes) -> None:
    vhost.restore(definition)


def _restore_policy(vhost: VirtualHost, definition: Definition, _: Lanes) -> None:
    vhost.policies.restore(definition)


def _restore_exchange(vhost: VirtualHost, definition: Definition, _: Lanes) -> None:
    vhost.add_exchange(
        str(definition.value["type"]),
        ExchangeOptions(
            definition.name,
            durable=True,
            auto_delete=bool(definition.value["auto_delete"]),
            internal=bool(definition.value["internal"]),
            arguments=definition.arguments,
        ),
        keep=False,
    )


def _restore_queue(vhost: VirtualHost, definition: Definition, lanes: Lanes) -> None:
    queue = vhost.add_queue(
        definition.name,
        durable=True,
        auto_delete=bool(definition.value["auto_delete"]),
        owner=None,
        arguments=definition.arguments,
        lanes=lanes.pop((definition.vhost, definition.name), []),
    )
    declared = definition.value.get("declared")
    if isinstance(declared, dict):
        queue.change_arguments(queue.arguments, declared)
    if definition.value.get("paused"):
        queue.pause(True)


def _restore_binding(vhost: VirtualHost, definition: Definition, _: Lanes) -> None:
    source_name, kind, name, routing_key, _ = read_json(definition.name)
    source = vhost.router.exchanges.get(source_name)
    destination = (vhost.router.exchanges if kind == "exchange" else vhost.queues).get(name)
    if source is None or destination is None:
        log.error("a binding from %r to %s %r names what is not there; it is dropped", source_name, kind, name)
        vhost.store.forget("binding", definition.vhost, definition.name)
        return
    vhost.router.bind(source, destination, routing_key, definition.arguments, keep=False)


PARAMETERS = ("parameter", "global_parameter")
# In this order: each needs those before it.
MAKE: dict[str, Callable[[VirtualHost, Definition, Lanes], None]] = {
    "policy": _restore_policy,
    "operator_policy": _restore_policy,
    "exchange": _restore_exchange,
    "queue": _restore_queue,
    "binding": _restore_binding,
    # Last: nothing can be declared in a virtual host that is being deleted.
    "vhost": _restore_vhost,
}
