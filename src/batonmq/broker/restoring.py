"""A broker comes up again: its virtual hosts, exchanges, queues, bindings and policies, from the store."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from batonmq.broker.overflow import drop_what_is_too_much

if TYPE_CHECKING:
    from batonmq.broker.broker import Broker
    from batonmq.store.interface import Definition, LaneRecord

log = logging.getLogger("batonmq.broker")


def restore(broker: Broker) -> None:
    """Open the store and make all that it defines again; messages are read as they are wanted. Raises StoreError."""
    snapshot = broker.store.open()
    broker.add_vhost("/")
    lanes: dict[tuple[str, str], list[LaneRecord]] = {}
    for record in snapshot.lanes:
        lanes.setdefault((record.vhost, record.queue), []).append(record)
    by_kind: dict[str, list[Definition]] = {}
    for definition in snapshot.definitions:
        by_kind.setdefault(definition.kind, []).append(definition)
    for definition in by_kind.get("policy", []):
        broker.add_vhost(definition.vhost).policies.restore(definition)
    for definition in by_kind.get("exchange", []):
        broker.add_vhost(definition.vhost).add_exchange(
            definition.name,
            str(definition.value["type"]),
            durable=True,
            auto_delete=bool(definition.value["auto_delete"]),
            internal=bool(definition.value["internal"]),
            arguments=definition.arguments,
            keep=False,
        )
    for definition in by_kind.get("queue", []):
        queue = broker.add_vhost(definition.vhost).add_queue(
            definition.name,
            durable=True,
            auto_delete=bool(definition.value["auto_delete"]),
            owner=None,
            arguments=definition.arguments,
            lanes=lanes.pop((definition.vhost, definition.name), []),
        )
        if definition.value.get("paused"):
            queue.pause(True)
    for definition in by_kind.get("binding", []):
        _restore_binding(broker, definition)
    for vhost in broker.vhosts.values():
        for queue in vhost.queues.values():
            drop_what_is_too_much(queue)
    for leftover in lanes.values():
        for record in leftover:
            broker.store.drop_lane(record.lane_id)


def _restore_binding(broker: Broker, definition: Definition) -> None:
    vhost = broker.add_vhost(definition.vhost)
    source_name, kind, name, routing_key, _ = json.loads(definition.name)
    source = vhost.exchanges.get(source_name)
    destination = (vhost.exchanges if kind == "exchange" else vhost.queues).get(name)
    if source is None or destination is None:
        log.error("a binding from %r to %s %r names what is not there; it is dropped", source_name, kind, name)
        broker.store.forget("binding", definition.vhost, definition.name)
        return
    vhost.add_binding(source, destination, routing_key, definition.arguments, keep=False)
