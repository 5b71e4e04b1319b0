"""A queue in the form of RabbitMQ's listings, with more detail when a single one is requested."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from batonmq.broker.management.descriptions import head_timestamp
from batonmq.broker.model.clients import Client
from batonmq.broker.model.settings import QUORUM
from batonmq.broker.operations.declarations import shown_arguments
from batonmq.broker.queues.queue import Queue
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.api.clients import connection_details, describe_consumer, each_consumer
from batonmq.management.api.figures import Row, lengths, queue_stats
from batonmq.management.api.ranges import Ranges, ranges
from batonmq.management.http.call import Call

__all__ = ["QUEUE_QUERY", "describe_in_detail", "describer"]

QUEUE_QUERY: Final = {
    "disable_stats": "true: only what queues were declared as, which is made in less time.",
    "enable_queue_totals": "With disable_stats: the numbers of messages besides.",
}


def describer(call: Call, vhosts: Iterable[VirtualHost], *, in_detail: bool = False) -> Callable[[Queue], Row]:
    """A function that describes queues of these virtual hosts, as the request wants it. Raises BadRequest."""
    wanted = ranges(call.query)
    of_name = {vhost.name: vhost for vhost in vhosts}
    if not call.query.flag("disable_stats"):

        def describe_all(queue: Queue) -> Row:
            vhost = of_name[queue.vhost_name]
            row = _described(call, vhost, queue, wanted)
            return row | _detail(vhost, queue) if in_detail else row

        return describe_all
    has_totals = call.query.flag("enable_queue_totals")

    def describe(queue: Queue) -> Row:
        row = _declared(call, of_name[queue.vhost_name], queue)
        if has_totals:
            ready, unsettled = queue.ready_count, queue.unsettled
            row["messages"] = ready + unsettled
            row["messages_ready"] = ready
            row["messages_unacknowledged"] = unsettled
        return row

    return describe


async def describe_in_detail(call: Call, vhost: VirtualHost, queue: Queue) -> Row:
    """The full description of one queue, with its consumers. Raises BadRequest."""
    node = call.context.node
    return {
        **_described(call, vhost, queue, ranges(call.query)),
        **_detail(vhost, queue),
        "consumer_details": [describe_consumer(*each, node) async for each in each_consumer([queue])],
        "deliveries": [],
        "incoming": [],
    }


def _declared(call: Call, vhost: VirtualHost, queue: Queue) -> Row:
    node = call.context.node
    policy = vhost.policies.of_queue(queue)
    kind = queue.settings.queue_type
    row: Row = {
        "name": queue.name,
        "vhost": vhost.name,
        "node": node,
        "type": kind,
        "durable": queue.durable,
        "auto_delete": queue.auto_delete,
        "exclusive": queue.exclusive,
        "arguments": shown_arguments(queue.arguments),
        "state": "flow" if queue.flow_control.is_behind(queue) else "running",
        "policy": policy.name if policy is not None else None,
        "internal": False,
    }
    if kind == QUORUM:
        row |= {"leader": node, "members": [node], "online": [node]}
    return row


def _described(call: Call, vhost: VirtualHost, queue: Queue, wanted: Ranges) -> Row:
    figures = call.context.statistics.queue(queue)
    ready_bytes, paged_bytes = queue.ready_bytes, sum(lane.paged_bytes for lane in queue.lanes)
    in_memory = sum(len(lane.ready) - lane.gone for lane in queue.lanes)
    consumers = len(queue.consumers)
    has_room = 1.0 if queue.ready_consumers.count else 0.0
    return {
        **_declared(call, vhost, queue),
        **lengths(figures, wanted),
        **queue_stats(figures, wanted),
        "effective_policy_definition": vhost.policies.definition_for(queue),
        "messages_ram": in_memory + queue.unsettled,
        "messages_ready_ram": in_memory,
        "messages_unacknowledged_ram": queue.unsettled,
        "messages_paged_out": sum(lane.paged for lane in queue.lanes),
        "message_bytes_ready": ready_bytes,
        "message_bytes_ram": ready_bytes - paged_bytes,
        "message_bytes_paged_out": paged_bytes,
        "memory": sum(lane.bytes for lane in queue.lanes),
        "consumers": consumers,
        "consumer_utilisation": has_room,
        "consumer_capacity": has_room,
        # Beyond what RabbitMQ has.
        "paused": queue.paused,
        "fault": queue.fault or None,
        "delayed": queue.delayed_count,
    }


def _detail(vhost: VirtualHost, queue: Queue) -> Row:
    operator_policy = vhost.policies.of_queue(queue, of_operator=True)
    active = queue.active if queue.settings.single_active else None
    row: Row = {
        "operator_policy": operator_policy.name if operator_policy is not None else None,
        "exclusive_consumer_tag": next((one.tag for one in queue.consumers if one.exclusive), None),
        "single_active_consumer_tag": active.tag if active is not None else None,
        "head_message_timestamp": head_timestamp(queue),
    }
    # An exclusive queue belongs to the parts of a connection, which know how it is listed.
    client = getattr(queue.owner, "client", None)
    if isinstance(client, Client):
        row["owner_pid_details"] = connection_details(client)
    return row
