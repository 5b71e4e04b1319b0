"""A greenlet that waits for messages or results in a file keeps no other one waiting, as Celery's pools count on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gevent")

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import sys, gevent, kombu
import batonmq.contrib.kombu
from batonmq.contrib.celery.results import Results

folder = sys.argv[1]
turns, got = [], []
results = Results(folder + "/results")
results.set(b"task", b"pending", None)
waiting = gevent.spawn(results.wait, results.version(), 60)
with kombu.Connection(f"batonmq:///{folder}/tasks.db") as consuming, consuming.clone() as publishing:
    queue = kombu.Queue("q")

    def act():
        while len(turns) < 20:
            turns.append(len(got))
            gevent.sleep(0.005)
        publishing.Producer().publish(17, routing_key="q", declare=[queue])
        results.set(b"task", b"done", None)

    with consuming.Consumer(queue, on_message=got.append):
        acting = gevent.spawn(act)
        consuming.drain_events(timeout=60)
        got[0].ack()
    gevent.joinall([acting, waiting], raise_error=True, timeout=60)
print(turns == [0] * 20, got[0].payload, waiting.dead, results.get(b"task"))
"""


def test_who_waits_lets_others_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.returncode) == ("True 17 True b'done'\n", 0), done.stderr
