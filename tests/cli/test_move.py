"""batonmq move: definitions and messages from one place to another, told before, and again after a crash."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import LONG, Batonmq, Served, serving
from tests.support import forking
from tests.support.broker import Broker
from tests.support.drained import drained
from tests.support.waiting import until

import batonmq as baton
from batonmq.cli.moving.found import FoundQueue
from batonmq.cli.moving.options import Declared, without_refused
from batonmq.engines.amqp10.products.artemis_queues import check_declare
from batonmq.engines.values import Capabilities, QueueOptions
from batonmq.shovels.translation import translated


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("managed"), "--management-port", "0") as served:
        yield served


def fill(url: str, prefix: str = "", count: int = 50) -> None:
    with baton.connect(url) as mq:
        mq.declare(f"{prefix}dead")
        mq.declare(f"{prefix}orders", max_deliveries=5, dead_letter=f"{prefix}dead", max_length=10_000)
        mq.send_many(
            f"{prefix}orders",
            [baton.Message(b"%d" % n, id=str(n), headers={"n": n, "half": 0.5}, ttl=3600) for n in range(count)],
        )


def taken(url: str, queue: str) -> list[bytes]:
    return [message.body for message in drained(url, queue)]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(batonmq: Batonmq, tmp_path: Path) -> None:
    fill(str(tmp_path / "from.db"))
    with baton.connect(tmp_path / "to.db"):
        pass
    done = batonmq("move", "from.db", "to.db", "--dry-run")
    assert done.returncode == 0
    assert "queue orders: 50 ready; is made" in done.stdout
    assert "lost" not in done.stdout
    with baton.connect(tmp_path / "to.db") as mq, pytest.raises(baton.NotFound):
        mq.count("orders")
    into_new = batonmq("move", "from.db", "new.db", "--dry-run")
    assert (into_new.returncode, into_new.stdout) == (0, done.stdout.replace("to.db", "new.db"))
    assert not list(tmp_path.glob("new.db*"))
    nowhere = batonmq("move", "from.db", "none/new.db", "--dry-run")
    assert (nowhere.returncode, nowhere.stdout) == (2, "")


def test_from_a_file_to_another_with_what_is_delayed(batonmq: Batonmq, tmp_path: Path) -> None:
    fill(str(tmp_path / "from.db"))
    with baton.connect(tmp_path / "from.db") as mq:
        for number in range(3):
            mq.send("orders", baton.Message(b"late", delay=3600, headers={"n": number, "octets": b"\xff"}))
    before = json.loads(batonmq("--url", "from.db", "delayed", "orders", "--json").stdout)["messages"]
    done = batonmq("move", "from.db", "to.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert "53 messages were moved" in done.stdout
    assert taken(str(tmp_path / "from.db"), "orders") == []
    after = json.loads(batonmq("--url", "to.db", "delayed", "orders", "--json").stdout)["messages"]
    for old, new in zip(before, after, strict=True):
        assert abs(old["due_at"] - new["due_at"]) < 1000
        assert {**old["headers"], "x-delay": 0} == {**new["headers"], "x-delay": 0}
    with baton.connect(tmp_path / "to.db") as mq:
        # Declared as it was: nothing is refused.
        mq.declare("orders", max_deliveries=5, dead_letter="dead", max_length=10_000)
    arrived = drained(tmp_path / "to.db", "orders")
    assert len(arrived) == 50
    for number, message in enumerate(arrived):
        assert (message.body, message.id) == (b"%d" % number, str(number))
        assert message.headers == {"n": number, "half": 0.5}
        assert message.ttl == 3600
    # Again: there is nothing to do.
    done = batonmq("move", "from.db", "to.db")
    assert "is there already" in done.stdout
    assert "0 messages were moved" in done.stdout


def test_exchanges_bindings_and_policies_of_a_broker(batonmq: Batonmq, managed: Served, tmp_path: Path) -> None:
    definitions = {
        "exchanges": [
            {
                "name": "shop",
                "vhost": "/",
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
        ],
        "queues": [
            {"name": "shop.a", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 7}}
        ],
        "bindings": [
            {
                "source": "shop",
                "vhost": "/",
                "destination": "shop.a",
                "destination_type": "queue",
                "routing_key": "a.#",
                "arguments": {},
            }
        ],
        "policies": [
            {
                "name": "short",
                "vhost": "/",
                "pattern": "^shop",
                "apply-to": "queues",
                "priority": 0,
                "definition": {"message-ttl": 60000},
            }
        ],
    }
    (tmp_path / "definitions.json").write_text(json.dumps(definitions))
    assert batonmq("--url", managed.url, "definitions", "import", "definitions.json").returncode == 0
    with baton.connect(managed.url) as mq:
        mq.send("shop.a", b"x")
    done = batonmq("move", managed.url, "copy.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert "x-max-length=7" in batonmq("--url", "copy.db", "queues").stdout
    assert "short" in batonmq("--url", "copy.db", "policies", "list").stdout
    assert "a.#" in batonmq("--url", "copy.db", "bindings").stdout
    # And back, with nothing but AMQP.
    batonmq("--url", managed.url, "queues", "delete", "shop.a", "--yes")
    batonmq("--url", managed.url, "policies", "clear", "short")
    done = batonmq("move", "copy.db", managed.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "short" in batonmq("--url", managed.url, "policies", "list").stdout
    assert "a.#" in batonmq("--url", managed.url, "bindings").stdout
    assert taken(managed.url, "shop.a") == [b"x"]


def test_the_data_directory_of_a_broker_that_is_stopped(batonmq: Batonmq, tmp_path: Path) -> None:
    with serving(tmp_path, "--data", str(tmp_path / "data")) as served:
        fill(served.url)
        refused = batonmq("move", "data", "to.db")
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert batonmq("move", "data", "to.db").returncode == 0
    assert len(taken(str(tmp_path / "to.db"), "orders")) == 50


def test_one_that_is_killed_loses_nothing_and_goes_on(batonmq: Batonmq, managed: Served, tmp_path: Path) -> None:
    fill(str(tmp_path / "from.db"), "killed-", 2000)
    with baton.connect(managed.url) as mq:
        mq.declare("killed-dead")
        process = forking.start(("move", "from.db", managed.url), cwd=tmp_path)
        with process:
            deadline = time.monotonic() + LONG
            while True:
                assert time.monotonic() < deadline
                try:
                    if mq.count("killed-orders") >= 200:
                        break
                except baton.NotFound:
                    continue
            process.kill()
            process.wait(LONG)
    assert batonmq("move", "from.db", managed.url).returncode == 0
    found = [int(body) for body in taken(managed.url, "killed-orders")]
    assert set(found) == set(range(2000))
    # At most what was in flight came twice.
    assert len(found) <= 2000 + 200


def test_a_live_queue_is_followed(batonmq: Batonmq, managed: Served, tmp_path: Path) -> None:
    fill(managed.url, "live-", 10)
    process = forking.start(("move", managed.url, "to.db", "--queue", "live-orders", "--follow"), cwd=tmp_path)
    with process:
        with baton.connect(managed.url) as mq:
            deadline = time.monotonic() + LONG
            while mq.count("live-orders"):
                assert time.monotonic() < deadline
            mq.send("live-orders", b"later")
            while mq.count("live-orders"):
                assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        assert process.wait(LONG) == 0
    assert taken(str(tmp_path / "to.db"), "live-orders")[-1] == b"later"


def test_what_is_lost_is_said_and_asked(batonmq: Batonmq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from batonmq.cli.moving.places import Place

    fill(str(tmp_path / "from.db"))
    # The other side has no way to keep it.
    monkeypatch.setattr(Place, "has_policies", property(lambda _self: False))
    batonmq("--url", "from.db", "policies", "set", "short", "^x", '{"max-length": 5}')
    refused = batonmq("move", "from.db", "to.db")
    assert (refused.returncode, refused.stderr) == (1, "batonmq: something would be lost: --yes goes on all the same\n")
    assert "policy short" in refused.stdout
    assert len(taken(str(tmp_path / "from.db"), "orders")) == 50
    assert batonmq("move", "from.db", "to.db", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("nothing.db", "to.db", 2),
        ("amqp://guest:secret@127.0.0.1:1/", "to.db", 1),
        ("memory:x", "to.db", 2),
        ("gopher://x", "to.db", 2),
        ("from.db", "amqp://guest:secret@127.0.0.1:1/", 1),
    ],
)
def test_wrong_places_are_one_line_without_a_password(
    batonmq: Batonmq, tmp_path: Path, source: str, target: str, code: int
) -> None:
    fill(str(tmp_path / "from.db"))
    refused = batonmq("move", source, target)
    assert (refused.returncode, refused.stderr.count("\n")) == (code, 1)
    assert "secret" not in refused.stderr
    assert not (tmp_path / "nothing.db").exists()


def test_a_wrong_queue_is_one_line(batonmq: Batonmq, tmp_path: Path) -> None:
    fill(str(tmp_path / "from.db"))
    refused = batonmq("move", "from.db", "to.db", "--queue", "no")
    assert (refused.returncode, refused.stderr) == (1, "batonmq: there is no queue 'no' at from.db\n")


def test_queues_with_names_of_the_broker_stay(batonmq: Batonmq, managed: Served, tmp_path: Path) -> None:
    (tmp_path / "definitions.json").write_text(
        json.dumps({"queues": [{"name": "amq.gen-x", "vhost": "/", "durable": True}]})
    )
    assert batonmq("--url", managed.url, "definitions", "import", "definitions.json").returncode == 0
    done = batonmq("move", managed.url, "own.db", "--definitions-only")
    assert done.returncode == 0
    assert "queue 'amq.gen-x', whose name its broker has chosen" in done.stdout
    assert "amq.gen-x" not in batonmq("--url", "own.db", "queues").stdout


def test_what_the_other_side_refuses_stays_beside_and_is_not_moved_again(batonmq: Batonmq, tmp_path: Path) -> None:
    with baton.connect(tmp_path / "from.db") as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"1", bytes(100_001), b"2", bytes(100_002), b"3"])
        for number in range(2):
            mq.send("orders", baton.Message(bytes(100_003 * number) + b"late", delay=3600))
    broker = Broker(tmp_path, "[amqp]\nmax_message_size = 100000\n")
    url = broker.start().url
    try:
        done = batonmq("move", "from.db", url)
        assert (done.returncode, done.stderr) == (0, "")
        assert "4 messages were moved\n2 could not be moved, and wait in queues beside their own" in done.stdout
        assert "1 delayed ones stay: run it again when they are due" in done.stdout
        again = batonmq("move", "from.db", url)
        assert again.returncode == 0
        assert "queue 'orders.unmoved', with 2 messages that could not be moved before" in again.stdout
        assert "0 messages were moved" in again.stdout
        assert taken(url, "orders") == [b"1", b"2", b"3"]
        with baton.connect(url) as mq, pytest.raises(baton.NotFound):
            mq.count("orders.unmoved")
        # Who wants it takes it along by its name.
        assert batonmq("move", "from.db", "to.db", "--queue", "orders.unmoved").returncode == 0
        assert [len(body) for body in taken(str(tmp_path / "to.db"), "orders.unmoved")] == [100_001, 100_002]
    finally:
        broker.kill()


def test_ctrl_c_in_a_batch_loses_and_doubles_nothing(batonmq: Batonmq, managed: Served, tmp_path: Path) -> None:
    fill(str(tmp_path / "from.db"), "stopped-", 3000)
    process = forking.start(("move", "from.db", managed.url), cwd=tmp_path)
    with process:
        with baton.connect(managed.url) as mq:
            until(lambda: _counted(mq, "stopped-orders") >= 200)
        process.send_signal(signal.SIGINT)
        code = process.wait(LONG)
    # It may have been done by then.
    assert code in (0, 1)
    went = taken(managed.url, "stopped-orders")
    assert went + taken(str(tmp_path / "from.db"), "stopped-orders") == [b"%d" % number for number in range(3000)]


def _counted(mq: baton.Connection, queue: str) -> int:
    try:
        return mq.count(queue)
    except baton.NotFound:
        return 0


def test_a_target_that_stays_full_ends_a_move_which_can_go_on(
    batonmq: Batonmq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batonmq.cli.moving.messages.FULL_SECONDS", 0.3)
    with baton.connect(tmp_path / "from.db") as mq:
        mq.declare("orders")
        mq.send_many("orders", [b"%d" % number for number in range(5)])
    with baton.connect(tmp_path / "to.db") as mq:
        mq.declare("orders", max_length=3, overflow="refuse")
    done = batonmq("move", "from.db", "to.db")
    assert done.returncode == 1
    assert "the other side takes nothing: " in done.stderr
    assert "run it again when it does" in done.stderr
    first = taken(str(tmp_path / "to.db"), "orders")
    assert len(first) == 3
    assert batonmq("move", "from.db", "to.db").returncode == 0
    assert first + taken(str(tmp_path / "to.db"), "orders") == [b"%d" % number for number in range(5)]


def test_options_that_the_other_side_refuses_are_left_off_and_named() -> None:
    def declared(**options: object) -> Declared:
        return Declared(options=QueueOptions(**options))  # type: ignore[arg-type]

    def kept(**options: object) -> tuple[QueueOptions, tuple[str, ...], str]:
        found = without_refused("orders", declared(**options), check_declare)
        return found.options, found.lost, found.refusal

    assert kept(max_length=5, dead_letter="dead") == (QueueOptions(dead_letter="dead"), ("max_length",), "")
    assert kept(max_bytes=5, max_priority=12, ttl=3.0) == (QueueOptions(ttl=3.0), ("max_bytes", "max_priority"), "")
    assert kept(ttl=3.0) == (QueueOptions(ttl=3.0), (), "")
    refused = without_refused("a.#", declared(ttl=3.0), check_declare)
    assert "'*', '#' and '::' in the name of a queue" in refused.refusal


def test_a_queue_that_cannot_be_made_there_stops_a_move_before_it_begins(
    batonmq: Batonmq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batonmq.cli.moving.places import Place

    fill(str(tmp_path / "from.db"))

    def declared(_self: Place, queue: FoundQueue) -> Declared:
        return Declared(refusal="the name is reserved" if queue.name == "dead" else "")

    monkeypatch.setattr(Place, "declared", declared)
    refused = batonmq("move", "from.db", "to.db", "--yes")
    assert refused.returncode == 1
    assert "cannot be made there:\n  queue dead: the name is reserved" in refused.stdout
    assert refused.stderr.startswith("batonmq: nothing was moved: ")
    assert len(taken(str(tmp_path / "from.db"), "orders")) == 50
    assert "cannot be made" not in batonmq("move", "from.db", "to.db", "--queue", "orders").stdout


def test_what_the_other_side_cannot_keep_is_left_off() -> None:
    message = baton.Message(b"x", priority=3, ttl=5, group="g", headers={"a": 1, "x-delay": 5})
    kept = translated(message, Capabilities(engine="none", durable=True))
    assert (kept.priority, kept.ttl, kept.headers) == (0, None, {"a": 1, "x-group": "g"})
    assert kept.body == b"x"
