"""batonmq shovel: from a queue to another, with what is told on the way and how it ends."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import LONG, Batonmq
from tests.support import forking
from tests.support.broker import Broker
from tests.support.drained import drained
from tests.support.waiting import until

import batonmq as baton

USER = """
[[user]]
name = "ann"
password = "sesame-7"

[[user.permission]]
configure = ".*"
write = ".*"
read = ".*"
"""
IDLE = ("--until-empty", "--idle", "0.3")


def fill(path: Path, count: int = 5, queue: str = "orders") -> None:
    with baton.connect(path) as mq:
        mq.declare(queue)
        mq.send_many(queue, [b"%d" % number for number in range(count)])


def bodies(path: Path, queue: str) -> list[bytes]:
    with baton.connect(path) as mq:
        return [message.body for message in mq.peek(queue, 1000)]


def test_a_queue_is_emptied_into_another_which_is_made(batonmq: Batonmq, tmp_path: Path) -> None:
    fill(tmp_path / "from.db")
    done = batonmq("shovel", "from.db#orders", "to.db#archive", *IDLE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("moved 5 messages in ")
    assert bodies(tmp_path / "to.db", "archive") == [b"0", b"1", b"2", b"3", b"4"]
    assert bodies(tmp_path / "from.db", "orders") == []


def test_it_ends_after_so_many_and_the_rest_stays(batonmq: Batonmq, tmp_path: Path) -> None:
    fill(tmp_path / "from.db")
    done = batonmq("shovel", "from.db", "to.db", "--queue", "orders", "-n", "1")
    assert done.returncode == 0
    assert done.stdout.startswith("moved 1 message in ")
    assert bodies(tmp_path / "to.db", "orders") == [b"0"]
    assert bodies(tmp_path / "from.db", "orders") == [b"1", b"2", b"3", b"4"]


def test_what_cannot_be_moved_is_told_and_lies_where_it_was_asked_for(batonmq: Batonmq, tmp_path: Path) -> None:
    broker = Broker(tmp_path, "[amqp]\nmax_message_size = 1000\n")
    url = broker.start().url
    try:
        with baton.connect(tmp_path / "from.db") as mq:
            mq.declare("orders")
            mq.send_many("orders", [b"1", bytes(1001), b"2"])
        done = batonmq("shovel", "from.db#orders", f"{url}#orders", *IDLE, "--dead-letters", "poison")
        assert (done.returncode, done.stderr) == (0, "")
        assert "; 1 could not be moved and waits in queue 'poison'" in done.stdout
        assert bodies(tmp_path / "from.db", "poison") == [bytes(1001)]
        with baton.connect(url) as mq:
            assert mq.count("orders") == 2
    finally:
        broker.kill()


def test_the_password_of_a_url_is_nowhere(batonmq_alone: Batonmq, tmp_path: Path) -> None:
    broker = Broker(tmp_path, USER)
    port = broker.start().port
    try:
        fill(tmp_path / "from.db")
        done = batonmq_alone("shovel", "from.db#orders", f"amqp://ann:sesame-7@127.0.0.1:{port}/#orders", *IDLE)
        assert done.returncode == 0, done.stderr
        wrong = batonmq_alone("shovel", "from.db#orders", f"amqp://ann:sesame-8@127.0.0.1:{port}/#orders", *IDLE)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
        assert "refused to log in" in wrong.stderr
        said = done.stdout + done.stderr + wrong.stdout + wrong.stderr + broker.output()
        assert "sesame" not in said
        assert "Traceback" not in said
    finally:
        broker.kill()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("from.db#orders", "from.db#orders"), 2, "FROM and TO are the same queue"),
        (("from.db", "to.db#orders"), 2, "FROM: which queue of 'from.db'? Write it behind a #, or give --queue"),
        (("nothing.db#orders", "to.db#orders"), 2, "FROM: there is no file 'nothing.db'"),
        (("memory:x#orders", "to.db#orders"), 2, "FROM: queues in memory are those of one program"),
        (("gopher://x#orders", "to.db#orders"), 2, "FROM: 'gopher://x' cannot be read: no engine for 'gopher'"),
        (("from.db#orders", "amqp://a:secret@host:port/#orders"), 2, "TO: 'amqp://a:***@host:port/' cannot be read"),
        (("from.db#orders", "amqp://a:secret@127.0.0.1:1/#orders"), 1, "cannot connect to 127.0.0.1:1"),
        (("from.db#orders", "to.db#orders", "--dead-letters", "orders"), 2, "dead_letters is the queue that"),
        (("from.db#nothing", "to.db#orders", "--no-declare"), 1, "nothing"),
        (("from.db#orders", "to.db#nothing", "--no-declare"), 1, "nothing"),
    ],
)
def test_what_cannot_be_is_one_line_without_a_password(
    batonmq: Batonmq, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    fill(tmp_path / "from.db")
    refused = batonmq("shovel", *arguments)
    assert (refused.returncode, refused.stderr.count("\n")) == (code, 1)
    assert said in refused.stderr
    assert "secret" not in refused.stderr
    assert not (tmp_path / "nothing.db").exists()
    assert len(bodies(tmp_path / "from.db", "orders")) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    source, target = tmp_path / "from.db", tmp_path / "to.db"
    fill(source, 2000)
    command = ("shovel", f"{source}#orders", f"{target}#orders", "--rate", "2000")
    with baton.connect(target) as far:
        far.declare("orders")
        with forking.start(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            until(lambda: far.count("orders") >= 100)
            process.send_signal(number)
            assert process.wait(LONG) == 0
            assert process.stdout is not None
            said = process.stdout.read()
    assert said.startswith("moved ")
    assert "Traceback" not in said
    # Each is in one of the two, once, and in order.
    left = [*drained(target, "orders"), *drained(source, "orders")]
    assert [message.body for message in left] == [b"%d" % number for number in range(2000)]
