"""The commands on the queues in a file, without a broker, and beside another process that has the file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.cli.conftest import Batonmq
from tests.contract.places import file_of_another

import batonmq as api


@pytest.mark.parametrize("url", ["orders.db", "file:orders.db"])
def test_a_file_is_a_place_like_a_broker(batonmq: Batonmq, url: str) -> None:
    assert batonmq("--url", url, "send", "hello", "--lines", stdin="one\ntwo\nthree\n").returncode == 0
    assert batonmq("queues", "--url", url).stdout.splitlines()[1].split() == ["hello", "3", "0", "0", "durable"]
    assert batonmq("--url", url, "queues", "peek", "hello", "-n", "2").stdout == "one\ntwo\n"
    assert batonmq("--url", url, "receive", "hello", "-n", "1").stdout == "one\n"
    batonmq("--url", url, "send", "old", "zero")
    assert batonmq("--url", url, "queues", "move", "hello", "old").stdout == "2 messages moved from hello to old\n"
    assert batonmq("receive", "old", "--url", url).stdout == "zero\ntwo\nthree\n"
    assert batonmq("--url", url, "purge", "old").stdout == "0 messages dropped from old\n"
    assert batonmq("--url", url, "queues", "delete", "old", "--yes").stdout == "old deleted, with 0 messages\n"


def test_a_queue_in_a_file_is_paused_for_whoever_comes_next(batonmq: Batonmq) -> None:
    batonmq("--url", "orders.db", "send", "hello", "one")
    assert batonmq("--url", "orders.db", "queues", "pause", "hello").returncode == 0
    assert batonmq("--url", "orders.db", "receive", "hello").stdout == ""
    assert batonmq("--url", "orders.db", "queues", "resume", "hello").returncode == 0
    assert batonmq("--url", "orders.db", "receive", "hello").stdout == "one\n"


def test_dead_letters_in_a_file_are_replayed(batonmq: Batonmq, tmp_path: Path) -> None:
    with api.connect(tmp_path / "orders.db") as mq:
        mq.declare("orders", dead_letter="dead")
        mq.send("orders", b"one")
        with mq.receiver("orders") as receiver:
            receiver.receive()[0].reject(reason="broken")
    assert batonmq("--url", "orders.db", "queues", "replay", "dead").stdout == "1 message brought back from dead\n"
    assert batonmq("--url", "orders.db", "receive", "orders").stdout == "one\n"


def test_what_another_process_has_open_is_asked_of_it(batonmq: Batonmq, tmp_path: Path) -> None:
    with file_of_another(tmp_path) as url:
        path = os.fspath(url)
        with api.connect(path) as mq:
            mq.declare("hello")
            mq.send_many("hello", [b"one", b"two", b"three"])
        listed = json.loads(batonmq("--url", path, "queues", "--json").stdout)
        assert {queue["name"]: queue["ready"] for queue in listed}["hello"] == 3
        assert batonmq("--url", path, "queues", "peek", "hello").stdout == "one\ntwo\nthree\n"
        assert batonmq("--url", path, "receive", "hello", "-n", "1").stdout == "one\n"
        batonmq("--url", path, "send", "old", "zero")
        assert batonmq("--url", path, "queues", "move", "hello", "old").stdout == "2 messages moved from hello to old\n"
        assert batonmq("--url", path, "receive", "old").stdout == "zero\ntwo\nthree\n"


def test_a_file_is_made_by_send_alone(batonmq: Batonmq, tmp_path: Path) -> None:
    for command in (["queues"], ["purge", "hello"], ["receive", "hello"], ["queues", "peek", "hello"]):
        refused = batonmq("--url", "orders.db", *command)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"batonmq: --url: there is no file '{tmp_path / 'orders.db'}'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("memory:", "queues in memory", 2),
        ("memory:shop", "queues in memory", 2),
        ("letter.txt", "not a BatonMQ", 1),
        ("folder", "folder: it is a folder, and queues are in a file\n", 1),
        ("data", "and queues are in a file, as {path}/data/batonmq.db in it is one\n", 1),
    ],
)
def test_what_is_no_place_for_queues_is_one_line(
    batonmq: Batonmq, tmp_path: Path, url: str, said: str, code: int
) -> None:
    (tmp_path / "letter.txt").write_text("Dear customer, " * 100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "batonmq.db").touch()
    before = sorted(tmp_path.rglob("*"))
    refused = batonmq("--url", url, "queues")
    assert (refused.returncode, refused.stdout) == (code, "")
    assert said.format(path=tmp_path) in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
