"""send, receive, queues and purge against a broker, and their errors in one line."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from proof.commands import runner
from tests.cli.conftest import LONG, OTHERS, Served
from tests.support import forking

from batonmq.cli import main

Batonmq = Callable[..., subprocess.CompletedProcess[str]]
# For a shell.
BATONMQ = f"{shlex.quote(sys.executable)} -m batonmq"


def test_what_is_sent_is_received_once(served: Served, batonmq: Batonmq) -> None:
    assert batonmq("--url", served.url, "send", "hello", "Hello, wörld").returncode == 0
    assert batonmq("receive", "hello", "--url", served.url).stdout == "Hello, wörld\n"
    again = batonmq("receive", "hello", environment={"BATONMQ_URL": served.url})
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_the_url_after_the_command_counts_most(served: Served, batonmq: Batonmq) -> None:
    wrong = "amqp://127.0.0.1:1/"
    for arguments in (["queues", "--url", served.url], ["--url", wrong, "queues", "--url", served.url]):
        assert batonmq(*arguments, environment={"BATONMQ_URL": wrong}).returncode == 0
    assert batonmq("--url", served.url, "queues", environment={"BATONMQ_URL": wrong}).returncode == 0


def test_standard_input_is_one_message_or_one_a_line(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "-", stdin="a\nb\n")
    assert batonmq("--url", served.url, "receive", "hello").stdout == "a\nb\n\n"
    sent = batonmq("--url", served.url, "send", "hello", "--lines", stdin="a\nb\r\n\nc")
    assert sent.stdout == "4 messages sent to hello\n"
    assert batonmq("--url", served.url, "receive", "hello").stdout == "a\nb\n\nc\n"


def test_a_file_is_sent_as_it_is_as_often_as_asked(served: Served, batonmq: Batonmq, tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text("{}")
    batonmq("--url", served.url, "send", "hello", "--file", "order.json", "--count", "3")
    assert batonmq("--url", served.url, "receive", "hello", "-n", "2").stdout == "{}\n{}\n"
    assert batonmq("--url", served.url, "receive", "hello").stdout == "{}\n"


def test_messages_survive_a_broker_that_is_killed(own_served: Served, batonmq: Batonmq, tmp_path: Path) -> None:
    batonmq("--url", own_served.url, "send", "hello", "durable")
    own_served.process.kill()
    own_served.process.wait()
    with forking.start(
        ["serve", "--port", str(own_served.port), *OTHERS, "--data", "data"], cwd=tmp_path, stdout=subprocess.PIPE
    ) as again:
        assert again.stdout is not None
        assert "BatonMQ" in again.stdout.readline()
        assert batonmq("--url", own_served.url, "receive", "hello").stdout == "durable\n"
        again.terminate()


def test_a_follower_waits_for_more_and_ends_at_ctrl_c(served: Served, batonmq: Batonmq, tmp_path: Path) -> None:
    batonmq("--url", served.url, "send", "hello", "one")
    with forking.start(
        ["--url", served.url, "receive", "hello", "--follow"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as follower:
        guard = threading.Timer(LONG, follower.kill)
        guard.start()
        assert follower.stdout is not None
        assert follower.stdout.readline() == "one\n"
        batonmq("--url", served.url, "send", "hello", "two")
        assert follower.stdout.readline() == "two\n"
        follower.send_signal(signal.SIGINT)
        assert follower.stderr is not None
        output, errors = follower.stdout.read(), follower.stderr.read()
        follower.wait(LONG)
        guard.cancel()
    assert (follower.returncode, output, errors) == (0, "", "")


def test_what_a_reader_does_not_take_stays_in_the_queue(served: Served, batonmq: Batonmq) -> None:
    batonmq("--url", served.url, "send", "hello", "--lines", stdin="\n".join(map(str, range(1, 601))))
    receiver = f"{BATONMQ} --url {served.url} receive hello"
    taken = subprocess.run(
        f"{receiver} | head -n 1", shell=True, capture_output=True, text=True, timeout=LONG, check=True
    )
    assert (taken.stdout, taken.stderr) == ("1\n", "")
    rest = batonmq("--url", served.url, "receive", "hello").stdout.split()
    assert rest[-1] == "600"
    assert rest == [str(number) for number in range(601 - len(rest), 601)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_what_cannot_be_printed_stays_in_the_queue(served: Served, batonmq: Batonmq) -> None:
    assert batonmq("--url", served.url, "send", "hello", "hi").returncode == 0
    for where, said in ((">/dev/full", "No space left on device"), (">&-", "standard output is closed")):
        command = f"{BATONMQ} --url {served.url} receive hello {where}"
        done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=LONG, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"batonmq: {said}")
        assert done.stderr.count("\n") == 1
    assert batonmq("--url", served.url, "receive", "hello").stdout == "hi\n"


def test_closed_streams_are_like_empty_ones(served: Served, batonmq: Batonmq) -> None:
    command = f"{BATONMQ} --url {served.url} send hello <&- >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=LONG, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert batonmq("--url", served.url, "receive", "hello").stdout == "\n"


def test_queues_are_listed_and_purged(served: Served, batonmq: Batonmq) -> None:
    assert "there are no queues" in batonmq("--url", served.url, "queues").stdout
    batonmq("--url", served.url, "send", "orders", "--count", "12", "x")
    batonmq("--url", served.url, "send", "hello", "x")
    listed = batonmq("--url", served.url, "queues").stdout.splitlines()
    assert listed[0].split() == ["QUEUE", "READY", "UNSETTLED", "CONSUMERS"]
    assert [line.split() for line in listed[1:]] == [
        ["hello", "1", "0", "0", "durable"],
        ["orders", "12", "0", "0", "durable"],
    ]
    assert batonmq("--url", served.url, "purge", "orders").stdout == "12 messages dropped from orders\n"
    found = json.loads(batonmq("--url", served.url, "queues", "--json").stdout)
    assert {queue["name"]: queue["ready"] for queue in found} == {"hello": 1, "orders": 0}


@pytest.mark.parametrize("command", ["receive", "purge"])
def test_a_queue_that_is_not_there_is_one_line(served: Served, batonmq: Batonmq, command: str) -> None:
    result = batonmq("--url", served.url, command, "nothing")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "batonmq: there is no queue 'nothing'; `batonmq queues` lists those there are\n"


def test_a_virtual_host_that_is_not_there_is_one_line(served: Served, batonmq: Batonmq) -> None:
    result = batonmq("--url", served.url + "nothing", "queues")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"batonmq: user 'guest' has no access to virtual host 'nothing' at 127.0.0.1:{served.port}\n"
    )


def test_a_broker_that_is_not_there_is_one_line(batonmq: Batonmq) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    result = batonmq("--url", f"amqp://127.0.0.1:{port}/", "receive", "hello")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"batonmq: cannot connect to 127.0.0.1:{port}: is the broker running? `batonmq serve` starts one\n"
    )


@pytest.mark.parametrize(
    "url",
    ["http://guest:secret@127.0.0.1/", "amqp://guest:secret@127.0.0.1:port/", "amqp://guest:secret@[::1", "hello"],
)
def test_a_url_that_is_none_is_one_line_without_its_password(batonmq: Batonmq, url: str) -> None:
    result = batonmq("--url", url, "queues")
    assert result.returncode == 2
    assert result.stderr.startswith("batonmq: --url: ")
    assert result.stderr.count("\n") == 1
    assert "secret" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["send", "q", "body", "--lines"], "--lines is for standard input"),
        (["send", "q", "body", "--file", __file__], "expected either BODY or --file"),
        (["send", "q", "--count", "0", "x"], "0 is not in the range"),
        (["receive", "q", "-n", "0"], "0 is not in the range"),
        (["send"], "Missing argument 'QUEUE'"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], expected: str) -> None:
    result = runner().invoke(main, arguments)
    assert result.exit_code == 2
    assert expected in result.stderr


@pytest.mark.parametrize("command", ["serve", "send", "receive", "queues", "purge", "users"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    result = runner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"  batonmq {command}" in result.output or f" {command} " in result.output.partition("Example")[2]
