"""check, repair and backup: on whole files and damaged ones, in use or not, of files and of data directories."""

from __future__ import annotations

import itertools
import json
import os
import random
from pathlib import Path

import apsw
import pytest
from tests.cli.conftest import Batonmq, serving
from tests.support.driven import Driven

import batonmq as api
from batonmq.store.schema import VERSION

PAGE = 8192
# The same in each run: one page of very many looks like one of SQLite's.
NOISE = random.Random(1).randbytes(PAGE)
BODIES = [f"order {number} ".ljust(400, "x") for number in range(1_000)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A thousand messages in `orders`, and two in each of `large` and `both`, closed in order."""
    path = tmp_path / "orders.db"
    with api.connect(path) as mq:
        for queue in ("orders", "large"):
            mq.declare(queue)
        mq.send_many("orders", [api.Message(body.encode(), id=f"m{n}") for n, body in enumerate(BODIES)])
        mq.send("large", b"L" * 40_000)
        mq.send("large", b"M" * 40_000, delay=10**6)
    return path


def place_of(path: Path, text: bytes) -> int:
    """Where a text lies in a file."""
    found = path.read_bytes().index(text)
    assert found > PAGE
    return found


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as opened:
        opened.seek(at)
        opened.write(data)


def bodies_in(path: Path, queue: str = "orders") -> list[str]:
    with api.connect(path) as mq, mq.receiver(queue, prefetch=5_000) as receiver:
        return [delivery.body.decode() for delivery in receiver.receive(5_000, wait=0)]


def test_a_whole_file(file: Path, batonmq: Batonmq) -> None:
    before = {entry.name: entry.read_bytes() for entry in file.parent.iterdir()}
    done = batonmq("check", "orders.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"orders.db is whole: {file.stat().st_size:,} bytes, format {VERSION}"
    found = json.loads(batonmq("check", "orders.db", "--json").stdout)
    assert found["whole"] is True
    assert {queue["queue"]: queue["messages"] for queue in found["queues"]} == {"orders": 1_000, "large": 2}
    assert {entry.name: entry.read_bytes() for entry in file.parent.iterdir()} == before


def test_a_byte_of_a_body(file: Path, batonmq: Batonmq, caplog: pytest.LogCaptureFixture) -> None:
    file.write_bytes(file.read_bytes().replace(b"order 17 xx", b"order 17 xy"))
    done = batonmq("check", "orders.db")
    assert done.returncode == 1
    assert "damaged in orders: m17" in done.stdout
    assert bodies_in(file) == BODIES[:17] + BODIES[18:]
    assert "its checksum is wrong" in caplog.text


@pytest.mark.parametrize("damage", [b"\0" * PAGE, NOISE, b"\x0d" + b"\xff" * (PAGE - 1)])
def test_a_page_of_messages(file: Path, batonmq: Batonmq, damage: bytes) -> None:
    before = file.read_bytes()
    page = place_of(file, b"order 500 ") // PAGE
    overwrite(file, page * PAGE, damage)
    damaged = file.read_bytes()
    done = batonmq("check", "orders.db")
    assert done.returncode == 1
    done = batonmq("repair", "orders.db", "saved.db", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert file.read_bytes() == damaged
    gone = [body for body in BODIES if body.encode() in before[page * PAGE : (page + 1) * PAGE]]
    assert 10 < len(gone) < 30
    assert batonmq("check", "saved.db").returncode == 0
    saved = bodies_in(file.with_name("saved.db"))
    assert saved == [body for body in BODIES if body not in gone]
    assert any(f"up to {len(gone)} messages" in note for note in json.loads(done.stdout)["notes"])


@pytest.mark.parametrize("kind", [0, 10, 12, 13], ids=["NULL", "reserved", "an empty blob", "an empty text"])
@pytest.mark.parametrize("is_torn", [False, True], ids=["read in order", "read page by page"])
def test_a_number_of_a_row_that_is_gone(file: Path, batonmq: Batonmq, kind: int, is_torn: bool) -> None:
    """A message that is served all the same is saved as well."""
    # The types of deliveries, returned, and stored: 0, 0 and 1, which take no space of their own.
    at = file.read_bytes().rindex(bytes((8, 8, 8, 9, 8, 8)), 0, place_of(file, b"order 500 ")) + 2
    overwrite(file, at, bytes((kind,)))
    served = file.with_name("served.db")
    served.write_bytes(file.read_bytes())
    assert bodies_in(served) == BODIES
    if is_torn:
        db = apsw.Connection(str(file))
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").get
        db.close()
        overwrite(file, (root - 1) * PAGE, b"\0" * PAGE)
    assert batonmq("repair", "orders.db", "saved.db").returncode == 0
    assert bodies_in(file.with_name("saved.db")) == BODIES
    assert batonmq("check", "saved.db").returncode == 0


def test_pages_to_which_nothing_leads(file: Path, batonmq: Batonmq) -> None:
    """The root of the table, whose leaves are whole."""
    db = apsw.Connection(str(file))
    root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").get
    db.close()
    overwrite(file, (root - 1) * PAGE, b"\0" * PAGE)
    assert batonmq("check", "orders.db").returncode == 1
    assert batonmq("repair", "orders.db", "saved.db").returncode == 0
    assert bodies_in(file.with_name("saved.db")) == BODIES
    assert bodies_in(file.with_name("saved.db"), "large") == ["L" * 40_000]


def test_the_first_page(file: Path, batonmq: Batonmq) -> None:
    overwrite(file, 0, b"\0" * PAGE)
    done = batonmq("check", "orders.db")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "file: it holds nothing but zeros")
    with pytest.raises(api.StoreCorrupt, match=r"orders.db .*`batonmq repair`"):
        api.connect(file)
    assert batonmq("repair", "orders.db", "saved.db").returncode == 0
    assert bodies_in(file.with_name("saved.db")) == BODIES
    assert batonmq("check", "saved.db").returncode == 0


def test_definitions_that_are_lost(file: Path, batonmq: Batonmq) -> None:
    db = apsw.Connection(str(file))
    db.execute("UPDATE definition SET value = '{' WHERE name = 'orders'")
    db.close()
    done = batonmq("check", "orders.db")
    assert "definition: the definition of queue 'orders' cannot be read: its checksum is wrong" in done.stdout
    with pytest.raises(api.StoreCorrupt, match=r"'orders' cannot be read: .*`batonmq check`.*`batonmq repair`"):
        api.connect(file)
    done = batonmq("repair", "orders.db", "saved.db")
    assert "'orders' in virtual host '/' is lost: now it is durable, with no arguments\n" in done.stdout
    assert bodies_in(file.with_name("saved.db")) == BODIES


def test_lanes_that_are_lost(file: Path, batonmq: Batonmq) -> None:
    db = apsw.Connection(str(file))
    lane = db.execute("SELECT id FROM lane WHERE queue = 'orders'").get
    db.execute("UPDATE lane SET queue = 'others' WHERE queue = 'orders'")
    db.close()
    assert "its checksum is wrong" in batonmq("check", "orders.db").stdout
    assert batonmq("repair", "orders.db", "saved.db").returncode == 0
    assert bodies_in(file.with_name("saved.db"), f"recovered.{lane}") == BODIES


def test_what_is_no_store(tmp_path: Path, batonmq: Batonmq) -> None:
    (tmp_path / "text").write_text("no store at all,\nbut long enough to be something" * 1000)
    (tmp_path / "short").write_text("no")
    (tmp_path / "zeros").write_bytes(bytes(100_000))
    (tmp_path / "empty").touch()
    db = apsw.Connection(str(tmp_path / "other.db"))
    db.execute("CREATE TABLE x(y)")
    db.close()
    for name in ("text", "short", "zeros", "empty", "other.db"):
        for command in (("check", name), ("repair", name, "new"), ("backup", name, "new")):
            done = batonmq(*command)
            assert done.returncode in (1, 2)
            assert done.stderr.startswith(f"batonmq: {name} is not a BatonMQ store"), command
            assert done.stderr.count("\n") == 1
            assert not done.stdout
    for command in (("check", "nothing"), ("repair", "nothing", "new"), ("backup", "nothing", "new")):
        done = batonmq(*command)
        assert (done.returncode, done.stderr) == (2, "batonmq: there is no nothing\n")
    assert not (tmp_path / "new").exists()


def test_a_pipe_and_a_device_are_not_read(tmp_path: Path, batonmq: Batonmq) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", os.devnull):
        for command in (("check", name), ("repair", name, "new"), ("backup", name, "new")):
            done = batonmq(*command)
            assert (done.returncode, done.stderr) == (2, f"batonmq: {name} is no file\n")
    assert not (tmp_path / "new").exists()


def test_a_newer_format(file: Path, batonmq: Batonmq) -> None:
    db = apsw.Connection(str(file))
    db.pragma("user_version", 99)
    db.close()
    line = f"was written by a newer BatonMQ (format 99, this one knows {VERSION})"
    for command in (("check", "orders.db"), ("repair", "orders.db", "new"), ("backup", "orders.db", "new")):
        done = batonmq(*command)
        assert done.returncode in (1, 2)
        assert done.stderr == f"batonmq: orders.db {line}\n"
    for words in (("queues",), ("send", "orders", "x"), ("receive", "orders"), ("status",)):
        done = batonmq("--url", "orders.db", *words)
        assert done.returncode == 1
        assert line in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_file_that_is_in_use(tmp_path: Path, batonmq: Batonmq) -> None:
    """Its log is part of it; what is held by then comes back counted."""
    path = tmp_path / "orders.db"
    driven = Driven(path)
    driven.queue()
    for number in range(100):
        driven.publish(str(number))
    driven.settle()
    taker = driven.consume(prefetch=3)
    driven.settle()
    assert batonmq("check", "orders.db").returncode == 0
    assert "in use" in batonmq("repair", "orders.db", "saved.db").stderr
    assert batonmq("backup", "orders.db", "copy.db").returncode == 0
    driven.publish("later")
    driven.settle()
    assert taker.seen == ["0", "1", "2"]
    copied = Driven(tmp_path / "copy.db")
    again = copied.consume(prefetch=1_000)
    copied.settle()
    assert again.seen == [str(number) for number in range(100)]
    assert [queued.returns for queued in again.held] == [1, 1, 1, *[0] * 97]
    assert batonmq("check", "copy.db").returncode == 0


def test_a_log_that_is_gone(tmp_path: Path, batonmq: Batonmq) -> None:
    driven = Driven(tmp_path / "orders.db")
    driven.queue()
    driven.publish("a")
    driven.settle()
    (tmp_path / "killed.db").write_bytes((tmp_path / "orders.db").read_bytes())
    for command in (("check", "killed.db"), ("backup", "killed.db", "new")):
        done = batonmq(*command)
        assert done.returncode == 1
        assert "its log (-wal) is gone: confirmed messages may be missing" in done.stdout + done.stderr


def test_a_log_that_is_torn(tmp_path: Path, batonmq: Batonmq, caplog: pytest.LogCaptureFixture) -> None:
    driven = Driven(tmp_path / "orders.db")
    driven.queue()
    for number in range(20):
        driven.publish(str(number))
        driven.settle()
    killed = tmp_path / "killed.db"
    for ending in ("", "-wal"):
        killed.with_name(f"killed.db{ending}").write_bytes(Path(f"{driven.path}{ending}").read_bytes())
    assert batonmq("check", "killed.db").returncode == 0
    log = killed.with_name("killed.db-wal")
    overwrite(log, log.stat().st_size // 2, b"damage")
    done = batonmq("check", "killed.db")
    assert done.returncode == 1
    assert "log: its log (-wal) cannot be read from page" in done.stdout
    again = Driven(killed)
    assert again.bodies() == [str(number) for number in range(len(again.bodies()))]
    assert "its log (-wal) cannot be read from page" in caplog.text


def test_a_log_whose_last_commit_is_not_whole_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A crash in the middle of a commit leaves one, too."""
    driven = Driven(tmp_path / "orders.db")
    driven.queue()
    for number in range(20):
        driven.publish(str(number))
        driven.settle()
    killed = tmp_path / "killed.db"
    for ending in ("", "-wal"):
        killed.with_name(f"killed.db{ending}").write_bytes(Path(f"{driven.path}{ending}").read_bytes())
    log = killed.with_name("killed.db-wal")
    overwrite(log, log.stat().st_size - 6, b"damage")
    assert Driven(killed).bodies() == [str(number) for number in range(19)]
    told = [
        record for record in caplog.records if "the last commit is lost, unless a crash came" in record.getMessage()
    ]
    assert [record.levelname for record in told] == ["WARNING"]


@pytest.mark.parametrize("target", ["copy", "orders.db"])
def test_a_backup_never_overwrites(file: Path, batonmq: Batonmq, target: str) -> None:
    file.with_name("copy").mkdir()
    before = file.read_bytes()
    done = batonmq("backup", "orders.db", target)
    assert (done.returncode, done.stderr) == (2, f"batonmq: {target} is there already\n")
    assert file.read_bytes() == before
    assert not list(file.with_name("copy").iterdir())
    assert batonmq("repair", "orders.db", target).returncode == 2


def test_a_backup_of_a_damaged_file_leaves_nothing(file: Path, batonmq: Batonmq) -> None:
    overwrite(file, 100, NOISE[:400])
    names = {entry.name for entry in file.parent.iterdir()}
    done = batonmq("backup", "orders.db", "copy.db")
    assert done.returncode == 1
    assert "orders.db is damaged" in done.stderr
    assert {entry.name for entry in file.parent.iterdir()} == names


def test_a_broker_and_its_users_come_back(tmp_path: Path, batonmq: Batonmq) -> None:
    """All that was confirmed when the backup began, from a broker that went on meanwhile."""
    data = tmp_path / "data"
    with serving(tmp_path) as served:
        assert batonmq("users", "add", "ann", "--data", "data", "--password-stdin", stdin="secret\n").returncode == 0
        with api.connect(served.url) as mq:
            mq.declare("orders")
            mq.send_many("orders", [str(number).encode() for number in range(500)])
            assert batonmq("check", "data").returncode == 0
            done = batonmq("backup", "data", "copy")
            assert (done.returncode, done.stderr) == (0, "")
            mq.send("orders", b"later")
        assert served.stop() == 0
    copy = tmp_path / "copy"
    assert sorted(entry.name for entry in copy.iterdir()) == ["batonmq.db", "users.json"]
    for one in ("", "batonmq.db", "users.json"):
        assert (copy / one).stat().st_mode == (data / one).stat().st_mode
    assert batonmq("check", "copy").stdout.splitlines()[-1].startswith("copy/batonmq.db is whole, with its users: ")
    data.rename(tmp_path / "before")
    copy.rename(data)
    with serving(tmp_path) as served, api.connect(served.url) as mq, mq.receiver("orders", prefetch=1_000) as receiver:
        found = [one.body.decode() for one in itertools.islice(receiver, 500)]
        assert found == [str(number) for number in range(500)]
        assert "ann" in batonmq("users", "list", "--data", "data").stdout


def test_a_damaged_broker_is_one_line(file: Path, batonmq: Batonmq, batonmq_alone: Batonmq) -> None:
    data = file.parent / "data"
    data.mkdir()
    file.rename(data / "batonmq.db")
    overwrite(data / "batonmq.db", 100, NOISE[:300])
    (data / "users.json").write_text("{")
    done = batonmq("check", "data")
    assert done.returncode == 1
    assert "users: data/users.json: not a file of users" in done.stdout
    (data / "users.json").unlink()
    done = batonmq_alone("serve", "--data", "data", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "data/batonmq.db is damaged: " in done.stderr
    assert "`batonmq repair` saves it in a new file" in done.stderr
    (data / "batonmq.db").unlink()
    (data / "batonmq.db-wal").write_bytes(b"a log of its own")
    done = batonmq("check", "data")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        1,
        "file: it is gone, and its log (-wal) or users are there",
    )
