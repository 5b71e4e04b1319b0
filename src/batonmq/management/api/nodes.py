"""Nodes: there is one, shown with the resources that its process uses."""

from __future__ import annotations

import os
from typing import Final

from batonmq import __version__
from batonmq.management.api.figures import Row
from batonmq.management.api.ranges import RANGES_QUERY, Ranges, ranges
from batonmq.management.api.server_facts import RABBITMQ_VERSION, contexts, exchange_types, versions
from batonmq.management.http.call import Call
from batonmq.management.http.errors import not_found
from batonmq.management.http.listing import LIST_QUERY, chosen_columns, listing, only_columns
from batonmq.management.http.responses import Json, Response
from batonmq.management.http.rights import Tag
from batonmq.management.http.routes import Route
from batonmq.management.statistics.kinds import CHURN, USED
from batonmq.management.statistics.process import limits

__all__ = ["ROUTES"]

MECHANISMS: Final = {
    "PLAIN": "Name and password (RFC 4616).",
    "AMQPLAIN": "Name and password in a table of AMQP.",
    "ANONYMOUS": "As the user that the configuration names (RFC 4505).",
    "EXTERNAL": "By the certificate of the client (RFC 4422).",
}

# RabbitMQ's plugins whose features are built in here.
PLUGINS: Final = ("rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_stomp", "rabbitmq_web_stomp")


async def list_nodes(call: Call) -> Response:
    """The node, in a list."""
    row = await _described(call, ranges(call.query))
    return await listing(call, [row], lambda each: each, name=lambda _: call.context.node, order=lambda _: ())


async def get_node(call: Call) -> Response:
    """The node. Raises HttpError if it has another name."""
    _require_name(call)
    row = await _described(call, ranges(call.query))
    if call.query.flag("memory"):
        row["memory"] = _memory(call)
    return Json(only_columns(row, chosen_columns(call.query)))


async def get_memory(call: Call) -> Response:
    """The node's use of memory. Raises HttpError if it has another name."""
    _require_name(call)
    return Json({"memory": _memory(call)})


def _require_name(call: Call) -> None:
    if call.path["name"] != call.context.node:
        raise not_found()


async def _described(call: Call, wanted: Ranges) -> Row:
    context = call.context
    parts, statistics = context.parts, context.statistics
    most = limits()
    error = parts.broker.store.error
    whole = await statistics.broker()
    return {
        "name": context.node,
        "type": "disc",
        "running": True,
        "being_drained": False,
        "os_pid": str(os.getpid()),
        "uptime": int((parts.clock.time() - context.started_at) * 1000),
        "rates_mode": "basic",
        "processors": most.processors,
        # Clients with more requests than a turn of the loop had time for.
        "run_queue": parts.broker.turn_time.in_line,
        "mem_limit": most.memory,
        "mem_alarm": False,
        "mem_calculation_strategy": "rss",
        "disk_free_limit": 0,
        "disk_free_alarm": error is not None,
        "fd_total": most.files,
        "sockets_total": most.files,
        "proc_total": most.threads,
        **statistics.process().show(USED, wanted.node),
        **whole.show(CHURN, wanted.node),
        "partitions": [],
        "cluster_links": [],
        "net_ticktime": 0,
        "metrics_gc_queue_length": {},
        "enabled_plugins": list(PLUGINS),
        "applications": [{"name": "batonmq", "description": "BatonMQ", "version": __version__}],
        "auth_mechanisms": [
            {"name": name, "description": description, "enabled": _is_enabled(call, name)}
            for name, description in MECHANISMS.items()
        ],
        "exchange_types": exchange_types(),
        "contexts": contexts(context),
        "config_files": [],
        "log_files": ["<stderr>"],
        "db_dir": str(parts.data),
        **{name: value for name, value in versions().items() if name != "management_version"},
        "rabbitmq_version": RABBITMQ_VERSION,
    }


def _is_enabled(call: Call, mechanism: str) -> bool:
    if mechanism == "EXTERNAL":
        return call.context.parts.tls is not None
    if mechanism == "ANONYMOUS":
        return bool(call.context.parts.config.amqp10.anonymous_login)
    return True


def _memory(call: Call) -> Row:
    """By RabbitMQ's names. Those of the Erlang machine do not exist here, and are 0."""
    resident = call.context.statistics.usage().memory
    messages = call.context.parts.broker.scheduler.memory.used
    samples = call.context.statistics.size
    nothing = dict.fromkeys(
        (
            "allocated_unused",
            "atom",
            "binary",
            "code",
            "connection_channels",
            "connection_other",
            "connection_readers",
            "connection_writers",
            "metadata_store",
            "metadata_store_ets",
            "metrics",
            "mnesia",
            "msg_index",
            "other_ets",
            "other_system",
            "plugins",
            "quorum_ets",
            "quorum_queue_dlx_procs",
            "queue_slave_procs",
            "quorum_queue_procs",
            "reserved_unallocated",
            "stream_queue_coordinator_procs",
            "stream_queue_procs",
            "stream_queue_replica_reader_procs",
        ),
        0,
    )
    return {
        **nothing,
        "strategy": "rss",
        "queue_procs": messages,
        "mgmt_db": samples,
        "other_proc": max(resident - messages - samples, 0),
        "total": {"rss": resident, "allocated": resident, "erlang": resident},
    }


ROUTES = (
    Route(
        "GET",
        "/api/nodes",
        list_nodes,
        "The nodes: there is one.",
        Tag.MONITORING,
        query={**LIST_QUERY, **RANGES_QUERY},
    ),
    Route("GET", "/api/nodes/{name}", get_node, "The node.", Tag.MONITORING, query=RANGES_QUERY),
    Route("GET", "/api/nodes/{name}/memory", get_memory, "The node's use of memory.", Tag.MONITORING),
)
