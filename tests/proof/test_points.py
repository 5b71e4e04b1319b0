"""The points at which a process can be killed: each is in the sources, is reached by some run, and kills there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from proof.archives import unpack
from proof.armed import Strike, main, parse
from proof.disk import Disk
from proof.passes import Passes

import batonmq
from batonmq import points
from batonmq.store import SqliteStore
from tests.support.driven import Driven

ROOT = Path(__file__).parents[2]
FORMATS = ROOT / "tests" / "store" / "formats"

PROGRAM = """
import sys, batonmq
mq = batonmq.connect(sys.argv[1])
mq.declare("orders")
mq.send("orders", b"1")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def met() -> Iterator[Counter[str]]:
    """How often each point was reached."""
    met: Counter[str] = Counter()

    def arm(name: str) -> None:
        points.arm(name, lambda: met.update([name]))

    for name in points.POINTS:
        arm(name)
    yield met
    points.disarm()


def lives_of_a_store(path: Path) -> None:
    """Made, filled, purged, shrunk, killed, and closed."""
    driven = Driven(path)
    driven.queue()
    for number in range(30):
        driven.publish(str(number), size=100_000)
    driven.settle()
    driven.consume()
    driven.settle()
    driven.crash()
    driven.operations.purge_queue("q")
    driven.settle()
    driven.broker.store.close(None)
    store = SqliteStore(str(path))
    store.open()
    # The first one notices that no trash is left.
    for _ in range(2):
        store.shrink()
        store.stage()
        store.commit()
        store.finish(None)
    store.close(None)


def life_of_an_old_file(folder: Path) -> None:
    unpack(FORMATS / "5.tar.gz", folder)
    store = SqliteStore(str(next(folder.rglob("batonmq.db"))))
    store.open()
    store.close(None)


def lives_of_a_disk(folder: Path) -> None:
    """It is full, and has room again; it fails to sync, and works again."""
    with Disk(folder) as disk:
        driven = Driven(folder / "store")
        driven.queue()
        driven.attempt()
        for fault in ("is_full", "is_broken"):
            setattr(disk, fault, True)
            driven.publish("refused")
            driven.attempt()
            assert driven.broker.store.error is not None
            setattr(disk, fault, False)
            driven.publish("taken")
            driven.attempt()
            driven.attempt()
            assert driven.broker.store.error is None
        driven.broker.store.close(None)


@contextmanager
def another(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has sent a message and stays connected until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def lives_of_an_owner(path: Path) -> None:
    """It is killed; its guest takes over, serves itself and another process, and hands over to that one."""
    with another(path) as owner, batonmq.connect(path) as mq:
        owner.kill()
        mq.send("orders", b"2")
        with another(path):
            assert mq.count("orders") == 3
            mq.close()


def test_each_point_is_one_instant_of_the_sources() -> None:
    found = Counter(
        name
        for source in (ROOT / "src" / "batonmq").rglob("*.py")
        for name in re.findall(r'\breached\("([^"]+)"\)', source.read_text(encoding="utf-8"))
    )
    assert found.keys() == points.POINTS.keys()


def test_each_point_is_reached_by_some_run(met: Counter[str], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    lives_of_a_store(tmp_path / "store")
    life_of_an_old_file(tmp_path / "old")
    lives_of_a_disk(tmp_path / "disk")
    lives_of_an_owner(tmp_path / "x.db")
    assert points.POINTS.keys() - met.keys() == set()


def test_nothing_is_done_at_a_point_that_was_passed_too_seldom() -> None:
    hits: list[int] = []
    points.arm("commit.done", lambda: hits.append(1), after=2)
    for expected in (0, 0, 1, 2):
        points.reached("commit.done")
        points.reached("commit.begun")
        assert len(hits) == expected
    points.disarm()
    points.reached("commit.done")
    assert len(hits) == 2
    with pytest.raises(KeyError):
        points.arm("commit.over", hits.clear)


def test_the_launcher_reads_where_to_strike() -> None:
    assert parse("commit.done") == Strike("commit.done")
    assert parse("commit.ready:20~1.5") == Strike("commit.ready", 20, 1.5)
    for wrong in ("commit.over", "commit.done:0", "commit.done:x", "commit.done:1~-1"):
        with pytest.raises(ValueError, match=r".+"):
            parse(wrong)
    assert main(["commit.over", "serve"]) == 2


@pytest.mark.parametrize("strike", ["commit.done:2", "commit.ready:2~1"])
def test_a_command_is_killed_at_a_point(strike: str, tmp_path: Path) -> None:
    note, passed = tmp_path / "note", tmp_path / "passed"
    armed = [sys.executable, "-m", "proof.armed", "--note", str(note), "--passes", str(passed), strike]
    off = [f"--{name}-port=off" for name in ("stomp", "websocket", "management")]
    serve = ["serve", "--data", str(tmp_path), "--port=0", *off]
    ended = subprocess.run([*armed, *serve], cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert note.read_text().split()[0] == strike.partition(":")[0]
    passes = Passes(passed)
    counts = passes.counts()
    passes.close()
    assert counts[strike.partition(":")[0]] >= 2
    assert (counts["recovery.done"], counts["close.done"]) == (1, 0)
