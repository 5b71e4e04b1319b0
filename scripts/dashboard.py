"""Makes the Grafana dashboard of deploy/: ``--check`` only tells whether it is current."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards" / "batonmq.json"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'instance=~"$instance"'
WIDTH = 24
RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """A plot, or with ``kind`` "stat" a number. Of each query: what it asks, and how its lines are called."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    about: str = ""


def rate(name: str, by: str = "", labels: str = "") -> str:
    """Per second, added up."""
    chosen = f"{HERE}, {labels}" if labels else HERE
    return f"sum{f' by ({by}) ' if by else ' '}(rate({name}{{{chosen}}}{RATE}))"


def total(name: str) -> str:
    """Added up over all brokers."""
    return f"sum ({name}{{{HERE}}})"


def quantile(part: float, name: str) -> str:
    """Of a histogram."""
    return f"histogram_quantile({part}, sum by (le) (rate({name}_bucket{{{HERE}}}{RATE})))"


def quantiles(name: str) -> tuple[tuple[str, str], ...]:
    """The usual ones."""
    return tuple((quantile(part, name), f"p{part * 100:g}") for part in (0.5, 0.99, 0.999))


def top(name: str) -> str:
    """The ten queues with most."""
    return f"topk(10, {name}{{{HERE}}} > 0)"


OF_QUEUE = "{{vhost}} {{queue}}"
ORPHANS = (
    f"topk(10, rabbitmq_detailed_queue_messages_ready{{{HERE}}} > 0"
    f" and rabbitmq_detailed_queue_consumers{{{HERE}}} == 0)"
)

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Now",
        (
            Panel("Ready", ((total("rabbitmq_queue_messages_ready"), ""),), kind="stat", width=3, height=4),
            Panel("Held", ((total("rabbitmq_queue_messages_unacked"), ""),), kind="stat", width=3, height=4),
            Panel("Delayed", ((total("batonmq_queue_messages_delayed"), ""),), kind="stat", width=3, height=4),
            Panel("Queues", ((total("rabbitmq_queues"), ""),), kind="stat", width=3, height=4),
            Panel("Connections", ((total("rabbitmq_connections"), ""),), kind="stat", width=3, height=4),
            Panel("Consumers", ((total("rabbitmq_consumers"), ""),), kind="stat", width=3, height=4),
            Panel("Disk free", ((total("rabbitmq_disk_space_available_bytes"), ""),), "bytes", "stat", 3, 4),
            Panel("Store faulty", ((total("batonmq_store_faulty"), ""),), kind="stat", width=3, height=4),
        ),
    ),
    (
        "Messages",
        (
            Panel(
                "In and out",
                (
                    (rate("rabbitmq_global_messages_received_total"), "published"),
                    (rate("rabbitmq_global_messages_confirmed_total"), "confirmed"),
                    (rate("rabbitmq_global_messages_delivered_total"), "delivered"),
                    (rate("rabbitmq_global_messages_acknowledged_total"), "acknowledged"),
                ),
                "cps",
            ),
            Panel(
                "Waiting",
                (
                    (total("rabbitmq_queue_messages_ready"), "ready"),
                    (total("rabbitmq_queue_messages_unacked"), "held"),
                    (total("batonmq_queue_messages_delayed"), "delayed"),
                    (total("rabbitmq_queue_messages_paged_out"), "on disk only"),
                ),
            ),
            Panel(
                "Published by protocol",
                ((rate("rabbitmq_global_messages_received_total", "protocol"), "{{protocol}}"),),
                "cps",
            ),
            Panel(
                "What went wrong with messages",
                (
                    (rate("batonmq_queue_messages_dead_lettered_total"), "dead-lettered"),
                    (rate("batonmq_queue_messages_rejected_total"), "rejected"),
                    (rate("batonmq_queue_messages_expired_total"), "expired"),
                    (rate("batonmq_queue_messages_dropped_total"), "dropped: queue full"),
                    (rate("batonmq_queue_messages_refused_total"), "refused: queue full"),
                    (rate("batonmq_queue_messages_given_up_total"), "came back too often"),
                ),
                "cps",
            ),
            Panel(
                "Redelivered and unroutable",
                (
                    (rate("rabbitmq_global_messages_redelivered_total"), "redelivered"),
                    (rate("rabbitmq_global_messages_unroutable_returned_total"), "returned"),
                    (rate("rabbitmq_global_messages_unroutable_dropped_total"), "wanted by none"),
                ),
                "cps",
            ),
            Panel("Not confirmed yet", ((total("rabbitmq_channel_messages_unconfirmed"), "unconfirmed"),)),
        ),
    ),
    (
        "Queues",
        (
            Panel("Most ready", ((top("rabbitmq_detailed_queue_messages_ready"), OF_QUEUE),)),
            Panel("Most held", ((top("rabbitmq_detailed_queue_messages_unacked"), OF_QUEUE),)),
            Panel(
                "Growing dead letters",
                (
                    (
                        f"topk(10, rate(batonmq_detailed_queue_messages_dead_lettered_total{{{HERE}}}{RATE}) > 0)",
                        OF_QUEUE,
                    ),
                ),
                "cps",
            ),
            Panel(
                "Ready, and nobody consumes",
                ((ORPHANS, OF_QUEUE),),
                width=16,
            ),
            Panel(
                "Paused, set aside",
                (
                    (total("batonmq_queue_paused"), "paused"),
                    (total("batonmq_queue_set_aside"), "set aside: their work failed"),
                ),
            ),
        ),
    ),
    (
        "Store",
        (
            Panel("Commits take", quantiles("batonmq_store_commit_seconds"), "s"),
            Panel(
                "Commits",
                (
                    (rate("batonmq_store_commit_seconds_count"), "commits"),
                    (rate("batonmq_store_commits_failed_total"), "failed"),
                ),
                "cps",
            ),
            Panel("Octets of a commit", quantiles("batonmq_store_batch_bytes"), "bytes"),
            Panel(
                "Files",
                (
                    (total("batonmq_store_size_bytes"), "store"),
                    (total("batonmq_store_free_bytes"), "of it free"),
                    (total("batonmq_store_wal_size_bytes"), "write-ahead log"),
                ),
                "bytes",
            ),
            Panel("Disk free", ((total("rabbitmq_disk_space_available_bytes"), "free"),), "bytes"),
            Panel(
                "Waits for the next commit",
                (
                    (total("batonmq_store_pending_bytes"), "pending"),
                    (total("batonmq_store_pending_limit_bytes"), "publishers are held at"),
                ),
                "bytes",
            ),
        ),
    ),
    (
        "Broker",
        (
            Panel("Turns hold the loop for", quantiles("batonmq_turn_seconds"), "s"),
            Panel(
                "Flow control",
                (
                    (total("batonmq_clients_held"), "clients read more slowly"),
                    (total("batonmq_clients_in_line"), "clients in line"),
                ),
            ),
            Panel(
                "Memory",
                (
                    (total("rabbitmq_process_resident_memory_bytes"), "process"),
                    (total("batonmq_memory_messages_bytes"), "messages that wait"),
                    (total("batonmq_memory_messages_limit_bytes"), "their limit"),
                ),
                "bytes",
            ),
            Panel(
                "Connections and channels",
                (
                    (total("rabbitmq_connections"), "connections"),
                    (total("rabbitmq_channels"), "channels"),
                    (rate("rabbitmq_connections_opened_total"), "opened each second"),
                ),
            ),
            Panel(
                "Octets",
                (
                    (rate("rabbitmq_connection_incoming_bytes_total"), "in"),
                    (rate("rabbitmq_connection_outgoing_bytes_total"), "out"),
                ),
                "Bps",
            ),
            Panel(
                "Log-ins and handshakes that failed",
                (
                    (rate("rabbitmq_auth_attempts_failed_total", "protocol"), "{{protocol}}"),
                    (rate("batonmq_tls_handshakes_failed_total"), "TLS"),
                ),
                "cps",
            ),
        ),
    ),
)


def panels() -> Iterator[dict[str, object]]:
    """The rows and their panels, from left to right and from top to bottom."""
    number, top_of = 1, 0
    for title, row in ROWS:
        yield {"id": number, "type": "row", "title": title, "gridPos": {"x": 0, "y": top_of, "w": WIDTH, "h": 1}}
        number, top_of, left, height = number + 1, top_of + 1, 0, 0
        for panel in row:
            if left + panel.width > WIDTH:
                top_of, left, height = top_of + height, 0, 0
            yield shown(panel, number, {"x": left, "y": top_of, "w": panel.width, "h": panel.height})
            number, left, height = number + 1, left + panel.width, max(height, panel.height)
        top_of += height


def shown(panel: Panel, number: int, place: dict[str, int]) -> dict[str, object]:
    """One panel as Grafana has it."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto"}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }


def dashboard() -> dict[str, object]:
    """The whole of it."""
    return {
        "uid": "batonmq-overview",
        "title": "BatonMQ",
        "tags": ["batonmq"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
                {
                    "name": "instance",
                    "type": "query",
                    "label": "Broker",
                    "datasource": SOURCE,
                    "query": "label_values(batonmq_build_info, instance)",
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                    "refresh": 2,
                },
            ]
        },
        "panels": list(panels()),
    }


def main() -> int:
    """Write the file, or check it."""
    text = json.dumps(dashboard(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        if PATH.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PATH} is not what scripts/dashboard.py makes: run it", file=sys.stderr)
        return 1
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
