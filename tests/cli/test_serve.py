"""`batonmq serve` says what is going on, stops in order, and has no traceback for mistakes of its user."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import OTHERS, Served
from tests.support.managed import ManagedServer

import batonmq as baton
from batonmq.cli.serve import say_ready

Batonmq = Callable[..., subprocess.CompletedProcess[str]]


def test_it_says_where_it_listens_and_what_to_type_next(own_served: Served, tmp_path: Path) -> None:
    assert f"amqp://127.0.0.1:{own_served.port}" in own_served.banner
    assert str(tmp_path / "data") in own_served.banner
    assert "guest, password guest, from this machine only" in own_served.banner
    assert f"users add --data {tmp_path / 'data'}` adds others" in own_served.banner
    assert f'batonmq --url {own_served.url} send hello "Hello, world"' in own_served.banner
    assert f"batonmq --url {own_served.url} receive hello" in own_served.banner


def test_it_names_the_web_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ManagedServer(tmp_path) as managed:
        say_ready(managed.server)
    assert f"\n  web page  http://127.0.0.1:{managed.http_port}/\n" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that takes nothing")
def test_it_serves_also_where_its_output_goes_to_a_full_disk(tmp_path: Path) -> None:
    off = [f"--{name}-port=off" for name in ("stomp", "websocket", "management")]
    command = [sys.executable, "-m", "batonmq", "serve", "--data", str(tmp_path), "--port", "0", *off]
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True) as serving,
    ):
        assert serving.stderr is not None
        said = next(line for line in serving.stderr if "cannot be printed" in line)
        found = re.search(
            r"cannot be printed \(No space left on device\): listens on amqp://127\.0\.0\.1:(\d+)\n", said
        )
        assert found
        with socket.create_connection(("127.0.0.1", int(found[1])), 30) as opened:
            opened.sendall(b"nonsense")
            assert opened.recv(8) == b"AMQP\0\0\x09\1"
        serving.terminate()
        serving.communicate(timeout=60)
    assert serving.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_order(own_served: Served, number: int) -> None:
    assert own_served.stop(number) == 0
    assert "Traceback" not in own_served.log
    assert "stopped" in own_served.log


def test_whatever_it_logs_it_goes_on(own_served: Served) -> None:
    with baton.connect(own_served.url) as mq:
        for _ in range(400):
            with pytest.raises(baton.NotFound):
                mq.count("q" * 250)
    assert own_served.stop() == 0


def test_a_data_directory_in_use_is_one_line(own_served: Served, batonmq_alone: Batonmq) -> None:
    result = batonmq_alone("serve", "--port", "0", "--data", "data")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"batonmq: the data directory data is in use by another broker (process {own_served.process.pid})\n"
    )


def test_a_port_in_use_is_one_line(batonmq_alone: Batonmq) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = batonmq_alone("serve", "--port", str(port), "--data", "data")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"batonmq: port {port} on 127.0.0.1 is in use by another program; --port chooses another\n"
    )


@pytest.mark.parametrize("flag", ["--stomp-port", "--websocket-port", "--management-port"])
def test_a_port_is_a_number_or_off(batonmq_alone: Batonmq, flag: str) -> None:
    result = batonmq_alone("serve", flag, "65536")
    assert (result.returncode, result.stdout) == (2, "")
    assert f"Invalid value for '{flag}': '65536' is neither a port from 0 to 65535 nor off" in result.stderr


def test_a_mistake_in_the_configuration_is_one_line(batonmq_alone: Batonmq, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("[amqp]\nheartbeats = 3\n")
    result = batonmq_alone("serve", "--config", "b.toml")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "batonmq: b.toml: amqp: unknown key 'heartbeats'\n"


def test_a_configuration_that_is_not_there_is_one_line(batonmq_alone: Batonmq) -> None:
    result = batonmq_alone("serve", "--config", "b.toml")
    assert (result.returncode, result.stderr) == (2, "batonmq: b.toml: cannot be read: No such file or directory\n")


def test_a_refused_log_in_stands_in_the_log_without_the_password(own_served: Served, batonmq_alone: Batonmq) -> None:
    url = own_served.url.replace("guest:guest", "guest:hunter2")
    result = batonmq_alone("--url", url, "queues")
    assert result.returncode == 1
    assert result.stderr == (
        f"batonmq: the broker at 127.0.0.1:{own_served.port} refused to log in user 'guest': wrong name or password\n"
    )
    own_served.stop()
    assert re.search(r"127\.0\.0\.1:\d+: log-in refused for user 'guest'", own_served.log)
    assert "hunter2" not in own_served.log


@pytest.mark.parametrize(
    ("flag", "value", "said", "code"),
    [
        ("--host", "", "it is empty", 2),
        ("--data", "", "it is empty", 2),
        ("--host", "a..b", "batonmq: cannot listen on a..b: it is no name of a machine\n", 1),
    ],
)
def test_a_flag_that_names_nothing_is_refused(
    batonmq_alone: Batonmq, flag: str, value: str, said: str, code: int
) -> None:
    """A variable of the shell that was never set does not open the broker to the network."""
    refused = batonmq_alone("serve", "--port", "0", *OTHERS, flag, value)
    assert refused.returncode == code
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
