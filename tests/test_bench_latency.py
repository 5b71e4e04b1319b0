"""The bench at fixed rates, beside no broker, and its peers: real sockets and processes, no figures."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from bench import latency, lavinmq, load
from bench.brokers import Baton
from bench.load import Load
from bench.peers import amqp_peers
from bench.report import Figure

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")

STALL = 0.3
RATE = 1000


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("programs")
    for name in ("amqpload", "floor"):
        load.build(folder, name, "-Wall", "-Wextra", "-Werror")
    return folder


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Baton]:
    with Baton(tmp_path / "broker") as broker:
        yield broker


def _later_than(found: Load, milliseconds: float) -> int:
    """How many messages took longer, by the classes of the histogram that begin there."""
    return sum(count for step, count in found.histogram if 2.0 ** ((step - 1) / 4) >= milliseconds * 1e3)


def test_a_broker_that_stands_still_makes_all_late_that_were_due_meanwhile(programs: Path, broker: Baton) -> None:
    found: list[Load] = []
    # For so long that stalls fall into it.
    count = 4 * RATE
    keys: dict[str, str | int] = {"queue": "q", "count": count, "rate": RATE, "lat": 1, "confirm": 1}
    loading = threading.Thread(
        target=lambda: found.append(load.run(programs / "amqpload", port=broker.port, **keys)), daemon=True
    )
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("q", durable=True)
        loading.start()
        until = time.monotonic() + 30
        while channel.queue_declare("q", passive=True).method.consumer_count == 0:
            assert time.monotonic() < until
    # As long as there is a producer: it may begin only after the first, and be held up itself.
    while loading.is_alive() and time.monotonic() < until + 60:
        os.kill(broker.pid, signal.SIGSTOP)
        time.sleep(STALL)  # the stall itself
        os.kill(broker.pid, signal.SIGCONT)
        time.sleep(STALL)
    loading.join(60)
    (loaded,) = found
    assert sum(number for _, number in loaded.histogram) == count
    # Only one message was on its way at any time, and yet a third of a second is late; half of it is asked for here.
    assert _later_than(loaded, 1e3 * STALL / 3) > RATE * STALL / 2
    assert loaded.p999 is not None
    assert loaded.p999 > 1e3 * STALL / 2


def test_a_rate_is_not_exceeded(programs: Path, tmp_path: Path) -> None:
    loaded = load.run(programs / "floor", file=str(tmp_path / "file"), rate=2000, count=400, lat=1)
    assert loaded.published is not None
    assert loaded.published < 2100


@pytest.mark.parametrize(("persistent", "window"), [(0, 0), (0, 3), (1, 1), (1, 100)])
def test_the_floor_carries_and_stores_every_byte(programs: Path, tmp_path: Path, persistent: int, window: int) -> None:
    file = tmp_path / "file"
    loaded = load.run(programs / "floor", file=str(file), count=50, size=2000, persistent=persistent, confirm=window)
    assert loaded.published
    assert loaded.consumed
    assert (file.stat().st_size if file.exists() else 0) == persistent * 50 * (2000 + 64)


def test_latencies_and_classes_of_rounds_are_gathered() -> None:
    figures = [Figure(part, "ms") for part in ("p50", "p99", "p99.9")]
    counted: dict[int, int] = {}
    for steps in (((3, 1), (5, 2)), ((5, 4),)):
        latency._take(Load(1, 1, 0.1, 0.2, 0.3, 0.5, 0.4, steps), [figure.ours for figure in figures], counted)
    assert [figure.ours for figure in figures] == [[0.1, 0.1], [0.3, 0.3], [0.4, 0.4]]
    assert counted == {3: 1, 5: 6}


# Peers


LAVINMQ = """\
import configparser, os, sys
file = configparser.ConfigParser()
file.read(sys.argv[1].removeprefix("--config="))
assert file["amqp"]["bind"] == file["mgmt"]["bind"] == file["mqtt"]["bind"] == "127.0.0.1"
ports = [file["main"]["metrics_http_port"], *(file[part]["port"] for part in ("amqp", "mgmt", "mqtt"))]
assert len(set(ports)) == 4
off = ["--stomp-port", "off", "--websocket-port", "off", "--management-port", "off"]
command = ["serve", "--port", file["amqp"]["port"], "--data", file["main"]["data_dir"], *off]
os.execv(sys.executable, [sys.executable, "-m", "batonmq", *command])
"""


def test_lavinmq_listens_where_its_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a program of that name that reads the same file and is our broker: LavinMQ itself may not be there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    peer = lavinmq.LavinMQ(tmp_path / "lavinmq-data")
    assert peer.missing() == "lavinmq is not installed"
    program = tmp_path / "lavinmq"
    code = tmp_path / "lavinmq.py"
    code.write_text(LAVINMQ)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(code))} "$@"\n')
    program.chmod(0o755)
    assert peer.missing() is None
    with peer:
        assert peer.version
        pika.BlockingConnection(pika.URLParameters(peer.url)).close()
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(pika.URLParameters(peer.url))


def test_each_peer_says_why_it_takes_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert [peer.missing() for peer in amqp_peers(tmp_path)] == [
        "rabbitmq-server is not installed",
        "python -m tests.peers install rabbitmq4 has not been run",
        "lavinmq is not installed",
    ]
