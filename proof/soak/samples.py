"""What is measured in a soak: the broker's process and files, what it says of itself, and the rows of its tables."""

from __future__ import annotations

import re
import urllib.request
from base64 import b64encode
from pathlib import Path

import apsw
from bench.processes import PROC

from proof.soak.broker import Everything

__all__ = ["FLOORS", "Sample", "of_broker", "of_file", "of_process", "rows", "suffix"]

Sample = dict[str, float]
"""Figures by their names."""

# What the broker says of itself.
SAID = {
    "batonmq_event_loop_tasks": "tasks",
    "batonmq_python_blocks": "blocks",
    "rabbitmq_connections": "connections",
    "rabbitmq_channels": "channels",
    "rabbitmq_consumers": "consumers",
    "rabbitmq_queues": "queues",
    "batonmq_vhosts": "vhosts",
    "batonmq_memory_messages_bytes": "messages MB",
}
MEGABYTE = 1024 * 1024
TABLES = ("definition", "lane", "message", "body", "seen", "trash", "done")
# By the end of a name: what may come and go at any time, and the share of the value that is nobody's fault.
FLOORS: dict[str, tuple[float, float]] = {
    "memory MB": (4.0, 0.02),
    # What refers to itself in a circle waits for a full collection, which comes once in some minutes.
    "blocks": (40_000.0, 0.02),
    "messages MB": (1.0, 0.02),
    "file MB": (2.0, 0.05),
    "log MB": (2.0, 0.05),
    "files": (8.0, 0.0),
    "threads": (2.0, 0.0),
    "tasks": (3.0, 0.0),
    "connections": (8.0, 0.0),
    "channels": (8.0, 0.0),
    "consumers": (8.0, 0.0),
    "queues": (2.0, 0.0),
    "vhosts": (0.0, 0.0),
    "rows": (20.0, 0.0),
}


def suffix(name: str) -> str:
    """Which of FLOORS a figure belongs to."""
    return next(end for end in FLOORS if name.endswith(end))


def of_process(pid: int, name: str) -> Sample:
    """Resident memory, open files and threads, as the system has them; nothing when the process is gone."""
    folder = PROC / str(pid)
    try:
        status = (folder / "status").read_text()
        files = sum(1 for _ in (folder / "fd").iterdir())
    except OSError:
        return {}
    resident, threads = (int(match[1]) for match in re.finditer(r"^(?:VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    return {f"{name} memory MB": resident / 1024, f"{name} files": files, f"{name} threads": threads}


def of_file(store: Path, name: str) -> Sample:
    """The sizes of a store, of its log, and of the files beside it."""

    def size(of: str) -> float:
        try:
            return store.with_name(store.name + of).stat().st_size / MEGABYTE
        except OSError:
            return 0.0

    return {f"{name} file MB": size(""), f"{name} log MB": size("-wal"), f"{name} journal file MB": size("-hands")}


def of_broker(broker: Everything) -> Sample:
    """The process, its files, and what its metrics say."""
    request = urllib.request.Request(f"http://127.0.0.1:{broker.management_port}/metrics")
    request.add_header("authorization", "Basic " + b64encode(b"guest:guest").decode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    found = dict(re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE))
    said = {name: float(found[metric]) for metric, name in SAID.items()}
    said["messages MB"] /= MEGABYTE
    return (
        of_process(broker.pid, "broker") | of_file(broker.store, "broker") | {f"broker {k}": v for k, v in said.items()}
    )


def rows(store: Path, name: str) -> Sample:
    """How many rows each table has."""
    database = apsw.Connection(str(store), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        database.set_busy_timeout(10_000)
        return {f"{name} {table} rows": database.execute(f"SELECT count(*) FROM {table}").get for table in TABLES}
    finally:
        database.close()
