"""Metrics that RabbitMQ has no names for: the store, turns, memory for messages, flow control, TLS."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator

from batonmq.broker import Broker
from batonmq.errors import StoreError
from batonmq.management.metrics.families import Family, Figure, Scope, single
from batonmq.management.metrics.page import Page
from batonmq.management.slices import sliced
from batonmq.management.statistics.process import usage

__all__ = ["BREAKDOWN", "OWN", "histograms"]


async def _read_own(scope: Scope) -> tuple[Figure, ...]:
    parts = scope.context.parts
    broker, vitals = scope.broker, parts.vitals
    held = 0
    async for client in sliced(list(broker.clients)):
        held += client.socket.is_held
    memory = broker.scheduler.memory
    return (
        *_store(broker),
        parts.config.limits.store_pending,
        memory.used,
        memory.limit,
        broker.turn_time.in_line,
        held,
        vitals.handshakes,
        vitals.handshakes_failed,
        threading.active_count(),
        len(asyncio.all_tasks()),
        sys.getallocatedblocks(),
    )


def _store(broker: Broker) -> tuple[Figure, ...]:
    try:
        status = broker.store.status()
    except StoreError:
        # The file cannot be read: only that is known.
        return (*(None,) * 8, 1, broker.store.pending_bytes, broker.store.spared)
    commits = status.commits
    return (
        status.size,
        status.free,
        status.log_size,
        status.log_used,
        status.checkpoints,
        status.checkpoints_failed,
        commits.failed,
        commits.last,
        int(bool(status.fault)),
        status.pending,
        broker.store.spared,
    )


OWN = single(
    (
        Family("batonmq_store_size_bytes", "gauge", "Octets of the store's file"),
        Family("batonmq_store_free_bytes", "gauge", "Of these, octets of pages that hold nothing"),
        Family("batonmq_store_wal_size_bytes", "gauge", "Octets of its write-ahead log, which does not shrink"),
        Family("batonmq_store_wal_used_bytes", "gauge", "Of these, what is not copied into the file"),
        Family("batonmq_store_checkpoints_total", "counter", "How often the log was copied into the file"),
        Family("batonmq_store_checkpoints_failed_total", "counter", "How often it could not be"),
        Family("batonmq_store_commits_failed_total", "counter", "Commits that the disk did not take"),
        Family("batonmq_store_last_commit_seconds", "gauge", "How long the disk took for the last commit"),
        Family("batonmq_store_faulty", "gauge", "1 while the store takes no messages"),
        Family("batonmq_store_pending_bytes", "gauge", "Octets of messages that wait for the next commit"),
        Family("batonmq_store_batches_spared_total", "counter", "Batches that were settled before they were written"),
        Family("batonmq_store_pending_limit_bytes", "gauge", "At how many publishers are read no further"),
        Family("batonmq_memory_messages_bytes", "gauge", "Octets of memory for messages that wait"),
        Family("batonmq_memory_messages_limit_bytes", "gauge", "Beyond how many they wait on disk only"),
        Family("batonmq_clients_in_line", "gauge", "Clients that want more than their share of a turn"),
        Family("batonmq_clients_held", "gauge", "Clients that are read more slowly: flow control"),
        Family("batonmq_tls_handshakes_total", "counter", "TLS handshakes that came to a connection"),
        Family("batonmq_tls_handshakes_failed_total", "counter", "TLS handshakes that came to nothing"),
        Family("batonmq_process_threads", "gauge", "Threads of the broker"),
        Family("batonmq_event_loop_tasks", "gauge", "Tasks on the broker's loop, the scrape among them"),
        Family("batonmq_python_blocks", "gauge", "Blocks of memory that Python's own allocator has given out"),
    ),
    _read_own,
)


def histograms(scope: Scope, page: Page) -> Iterator[str]:
    """How long turns and commits take, and how large commits are."""
    vitals = scope.context.parts.vitals
    for name, about, found in (
        ("batonmq_turn_seconds", "How long the end of a turn holds the broker's loop", vitals.turns),
        ("batonmq_store_commit_seconds", "From the beginning of a commit to its end", vitals.commits),
        ("batonmq_store_batch_bytes", "Octets of messages in a commit", vitals.batches),
    ):
        yield page.histogram(name, about, found.buckets(), found.total)


async def _read_breakdown(scope: Scope) -> tuple[Figure, ...]:
    messages = scope.broker.scheduler.memory.used
    return messages, max(usage(scope.context.parts.data).memory - messages, 0)


BREAKDOWN = single(
    (
        Family("rabbitmq_memory_classic_queue_erlang_process_bytes", "gauge", "Octets for messages that wait"),
        Family("rabbitmq_memory_other_system_bytes", "gauge", "Octets for everything else"),
    ),
    _read_breakdown,
)
