"""README's snippets run as they stand; only the broker's port is another one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import batonmq
from tests.support.broker import Broker
from tests.support.commands import run
from tests.support.markdown import ROOT, Block, blocks

README = ROOT / "README.md"
PORT = "127.0.0.1:5672"
# An installation that fetches nothing, and leaves this environment as it is.
OFFLINE = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """`batonmq serve`, on a free port."""
    broker = Broker(tmp_path_factory.mktemp("readme"), config="")
    broker.start()
    yield broker
    broker.terminate()


def snippet(words: str) -> Block:
    """The one Python block with these words in it."""
    (found,) = [block for block in blocks(README, "python") if words in block.text]
    return found


def url(broker: Broker) -> dict[str, str]:
    """The variable that tells the command where this broker is."""
    return {"BATONMQ_URL": f"amqp://guest:guest@127.0.0.1:{broker.address.port}/"}


def elsewhere(text: str, broker: Broker) -> str:
    """A snippet for the broker of these tests."""
    assert PORT in text
    return text.replace(PORT, f"127.0.0.1:{broker.address.port}")


def test_the_embedded_example_sends_and_receives(tmp_path: Path) -> None:
    first = blocks(README, "python")[0]
    assert run(sys.executable, "-c", first.text, folder=tmp_path) == "b'order 17'\n"
    assert (tmp_path / "orders.db").exists()


def test_the_embedded_example_is_ten_lines_long() -> None:
    assert len([line for line in blocks(README, "python")[0].text.splitlines() if line.strip()]) <= 10


def test_the_pika_example_sends_and_receives(tmp_path: Path, broker: Broker) -> None:
    program = elsewhere(snippet('pika.BlockingConnection(pika.URLParameters("amqp:').text, broker)
    assert run(sys.executable, "-c", program, folder=tmp_path) == "b'order 17'\n"


def test_the_stomp_example_sends(tmp_path: Path, broker: Broker) -> None:
    port = '"127.0.0.1", 61613'
    program = snippet("import stomp").text
    assert port in program
    program = program.replace(port, f'"127.0.0.1", {broker.ports["stomp"]}')
    assert run(sys.executable, "-c", program, folder=tmp_path) == ""
    received = run(sys.executable, "-m", "batonmq", "receive", "orders", "-n", "1", folder=tmp_path, **url(broker))
    assert received == "order 18\n"


def test_the_proton_example_sends_and_receives(tmp_path: Path, broker: Broker) -> None:
    pytest.importorskip("proton")
    program = elsewhere(snippet("from proton import").text, broker)
    assert run(sys.executable, "-c", program, folder=tmp_path) == "order 19\n"


def test_the_celery_example_has_its_tasks_done(tmp_path: Path, broker: Broker) -> None:
    (tmp_path / "shop.py").write_text(elsewhere(snippet("from celery import").text, broker))
    command = shlex.split("celery -A shop worker")
    assert " ".join(command) in README.read_text(encoding="utf-8")
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", *command, "--pool", "solo"], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        program = "import shop; print(shop.add.delay(2, 3).get(timeout=120))"
        assert run(sys.executable, "-c", program, folder=tmp_path) == "5\n", (tmp_path / "worker.log").read_text()
    finally:
        worker.terminate()
        worker.wait(90)


def test_the_test_of_the_plugin_passes(tmp_path: Path) -> None:
    (tmp_path / "test_orders.py").write_text(snippet("baton_clock").text)
    (point,) = entry_points(group="pytest11", name="batonmq")
    command = (sys.executable, "-m", "pytest", "-q", "-p", point.value, "-p", "no:cacheprovider", "test_orders.py")
    # Found by itself, the plugin of what is installed to be edited has pytest write all of the package anew.
    assert "1 passed" in run(*command, folder=tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")


def test_every_shell_command_works(tmp_path: Path, broker: Broker) -> None:
    commands = [line for block in blocks(README, "sh") for line in block.text.splitlines()]
    for name in ("orders", "readings"):
        with batonmq.connect(tmp_path / f"{name}.db") as mq:
            mq.declare(name)
            mq.send(name, b"one")
    printed = [shell(command, tmp_path, broker) for command in commands]
    assert commands[-4:-2] == ['batonmq send hello "Hello, world"', "batonmq receive hello"]
    assert printed[-3] == "Hello, world\n"
    assert "1 message was moved" in printed[-2]
    assert printed[-1].startswith("moved 1 message in ")
    assert (tmp_path / "installed" / "bin" / "batonmq").exists(), "pip install gives the command"


def shell(command: str, folder: Path, broker: Broker) -> str:
    """Do what the line says, or so much of it as fits into a test: elsewhere, and on another port."""
    program, *arguments = shlex.split(command)
    if program == "make":
        # What it would run: the recipe names the command that the other tests have tried.
        wanted = run("make", "--dry-run", *arguments, folder=ROOT)
        assert "batonmq serve --data ./data" in wanted
        return wanted
    if program == "pip":
        # `make test-compiled` installs what is compiled; that takes a minute and a half of a processor.
        into = ("--target", str(folder / "installed"))
        return run(sys.executable, "-m", "pip", *arguments, *OFFLINE, *into, folder=ROOT, BATONMQ_PURE="1")
    assert program == "batonmq"
    if arguments == ["serve"]:
        # The broker of these tests was started so, with another port and folder.
        return ""
    arguments = [one.replace(PORT, f"127.0.0.1:{broker.address.port}") for one in arguments]
    return run(sys.executable, "-m", "batonmq", *arguments, folder=folder, **url(broker))
