"""Metrics of the node: the process, alarms, churn, and totals."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of

from batonmq import __version__
from batonmq.management.api.server_facts import RABBITMQ_VERSION
from batonmq.management.metrics.families import Family, Figure, Scope, single
from batonmq.management.slices import sliced
from batonmq.management.statistics.process import limits, usage

__all__ = ["BUILD", "IDENTITY", "NODE", "OWN_BUILD", "TOTALS", "build_labels", "identity_labels", "own_build_labels"]

BUILD = Family("rabbitmq_build_info", "unknown", "The version of the broker, and of what it is made with")
IDENTITY = Family("rabbitmq_identity_info", "unknown", "The node")
OWN_BUILD = Family("batonmq_build_info", "unknown", "The version of the broker, and of what it is made with")


def build_labels() -> dict[str, str]:
    """The labels of ``rabbitmq_build_info``. Python stands in for Erlang."""
    return {
        "rabbitmq_version": RABBITMQ_VERSION,
        "prometheus_plugin_version": RABBITMQ_VERSION,
        "prometheus_client_version": version_of("prometheus-client"),
        "erlang_version": platform.python_version(),
    }


def own_build_labels() -> dict[str, str]:
    """The labels of ``batonmq_build_info``."""
    return {"version": __version__, "python_version": platform.python_version()}


def identity_labels(scope: Scope, endpoint: str) -> dict[str, str]:
    """The labels of ``rabbitmq_identity_info``; ``endpoint``: which of the lists it is in."""
    node = scope.context.node
    named = scope.broker.parameters.all_global().get("cluster_name", node)
    return {
        "rabbitmq_node": node,
        "rabbitmq_cluster": named if isinstance(named, str) else node,
        "rabbitmq_cluster_permanent_id": node,
        "rabbitmq_endpoint": endpoint,
    }


CHURN = ("connection_churn_metrics",)
COARSE = ("node_coarse_metrics",)
MORE = ("node_metrics",)
SYNCS = ("node_persister_metrics",)


async def _read_node(scope: Scope) -> tuple[Figure, ...]:
    context = scope.context
    churn, vitals = scope.broker.clients.churn, context.parts.vitals
    used, most = usage(context.parts.data), limits()
    clients = len(scope.broker.clients)
    return (
        int(scope.broker.store.error is not None),
        0,
        int(used.files >= most.files),
        churn.connections_opened,
        churn.connections_closed,
        churn.channels_opened,
        churn.channels_closed,
        churn.queues_declared,
        churn.queues_created,
        churn.queues_deleted,
        used.files,
        clients,
        used.memory,
        used.disk_free,
        most.files,
        min(most.files, context.parts.config.limits.connections),
        most.memory,
        0,
        context.parts.clock.time() - context.started_at,
        0,
        vitals.commits.count,
        vitals.commits.total,
        context.started_at,
    )


NODE = single(
    (
        Family("rabbitmq_alarms_free_disk_space_watermark", "unknown", "1 while the store takes no messages"),
        Family("rabbitmq_alarms_memory_used_watermark", "unknown", "0: what does not fit in memory waits on disk"),
        Family("rabbitmq_alarms_file_descriptor_limit", "unknown", "1 when no more files can be opened"),
        Family("rabbitmq_connections_opened_total", "counter", "Clients that have logged in", CHURN),
        Family("rabbitmq_connections_closed_total", "counter", "Of these, those that are gone", CHURN),
        Family("rabbitmq_channels_opened_total", "counter", "Channels that were opened", CHURN),
        Family("rabbitmq_channels_closed_total", "counter", "Channels that were closed", CHURN),
        Family("rabbitmq_queues_declared_total", "counter", "Declarations of queues", CHURN),
        Family("rabbitmq_queues_created_total", "counter", "Queues that were not there before", CHURN),
        Family("rabbitmq_queues_deleted_total", "counter", "Queues that were deleted", CHURN),
        Family("rabbitmq_process_open_fds", "gauge", "Open files, sockets included", COARSE),
        Family("rabbitmq_process_open_tcp_sockets", "gauge", "Sockets of clients", COARSE),
        Family("rabbitmq_process_resident_memory_bytes", "gauge", "Octets of memory in use", COARSE),
        Family("rabbitmq_disk_space_available_bytes", "gauge", "Octets that are free where the data are", COARSE),
        Family("rabbitmq_process_max_fds", "gauge", "Files that may be open", MORE),
        Family("rabbitmq_process_max_tcp_sockets", "gauge", "Clients that may be connected", MORE),
        Family("rabbitmq_resident_memory_limit_bytes", "gauge", "Octets of memory that the machine has", MORE),
        Family("rabbitmq_disk_space_available_limit_bytes", "gauge", "0: messages are taken while there is room", MORE),
        Family("rabbitmq_erlang_uptime_seconds", "gauge", "Seconds since the start of the broker", MORE),
        Family("rabbitmq_unreachable_cluster_peers_count", "gauge", "0: there is one node"),
        Family("rabbitmq_io_sync_ops_total", "counter", "Commits of the store", SYNCS),
        Family("rabbitmq_io_sync_time_seconds_total", "counter", "Seconds that they took", SYNCS),
        Family("process_start_time_seconds", "gauge", "When the broker started, in seconds of the epoch"),
    ),
    _read_node,
)


async def _read_totals(scope: Scope) -> tuple[Figure, ...]:
    broker = scope.broker
    clients = list(broker.clients)
    queues = [queue for vhost in broker.vhosts.values() for queue in vhost.queues.values()]
    channels = consumers = 0
    async for client in sliced(clients):
        channels += client.channel_count
    async for queue in sliced(queues):
        consumers += len(queue.consumers)
    return len(clients), channels, consumers, len(queues), len(broker.vhosts)


TOTALS = single(
    (
        Family("rabbitmq_connections", "gauge", "Clients that are logged in"),
        Family("rabbitmq_channels", "gauge", "Channels, and sessions of AMQP 1.0"),
        Family("rabbitmq_consumers", "gauge", "Consumers"),
        Family("rabbitmq_queues", "gauge", "Queues"),
        Family("batonmq_vhosts", "gauge", "Virtual hosts"),
    ),
    _read_totals,
)
