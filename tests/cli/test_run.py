"""batonmq run: a worker in a process of its own, from its start to its orderly end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import LONG, Served
from tests.support import forking
from tests.support.forking import Forked

import batonmq
from batonmq.cli.failure import Failure
from batonmq.cli.loading import load_object

Batonmq = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")

SHOP = """
import os, sys, threading
import batonmq

app = batonmq.Worker("own.db")

def say(text):
    os.write(1, f"{text}\\n".encode())

@app.on_start
def declare(mq):
    mq.declare("orders", dead_letter="orders.dead")
    mq.declare("mails")
    say("declared")

@app.handler("orders", attempts=2, backoff=0)
def handle(delivery):
    text = delivery.message.text
    say(f"{text}, attempt {delivery.delivery_count}")
    if text == "poison":
        raise ZeroDivisionError
    if text == "slow":
        # Until the test says so, or for ever.
        sys.stdin.readline()
    if text == "leaves a thread":
        threading.Thread(target=threading.Event().wait, daemon=False).start()
    app.connection.send("mails", delivery.body)

@app.handler("mails")
async def mail(delivery):
    say(f"mail: {delivery.message.text}")
"""


class Running:
    """The command, its lines of output as they come, and what it logged."""

    def __init__(self, process: Forked) -> None:
        self.process = process
        self.log = ""

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, number: int) -> None:
        """Send a signal, and wait until the worker has heard it."""
        assert self.process.stderr is not None
        self.process.send_signal(number)
        while "stops: handlers have" not in self.log:
            line = self.process.stderr.readline()
            assert line, self.log
            self.log += line

    def end(self) -> int:
        """The exit code, when it has ended. Its input stays open: a handler may wait for it."""
        assert self.process.stderr is not None
        code = self.process.wait(LONG)
        self.log += self.process.stderr.read()
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.end()


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    (folder / "shop.py").write_text(SHOP, encoding="utf-8")
    with forking.start(
        ["run", "shop:app", *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        guard = threading.Timer(LONG, process.kill)
        guard.start()
        try:
            yield Running(process)
        finally:
            guard.cancel()
            process.kill()


def test_it_works_on_all_queues_and_finishes_what_it_holds_at_sigterm(served: Served, tmp_path: Path) -> None:
    with running(tmp_path, "--url", served.url) as worker, batonmq.connect(served.url) as mq:
        assert worker.line() == "declared"
        mq.send_many("orders", [b"poison", b"quick"])
        said = {worker.line() for _ in range(4)}
        assert said == {"poison, attempt 1", "poison, attempt 2", "quick, attempt 1", "mail: quick"}
        mq.send_many("orders", [b"slow", b"not begun"])
        assert worker.line() == "slow, attempt 1"
        worker.tell(signal.SIGTERM)
        assert worker.process.stdin is not None
        worker.process.stdin.write("\n")
        worker.process.stdin.flush()
        assert worker.end() == 0, worker.log
        # Exactly once: it is not in the queue, and has been passed on.
        assert (mq.count("orders"), mq.count("orders.dead")) == (1, 1)
        lines = [line.partition(" INFO ")[2].strip() for line in worker.log.splitlines() if " INFO " in line]
        shown = served.url.replace("guest:guest", "guest:***")
        assert lines[:2] == [f"runs shop:app on {shown}", "works on 'orders' (1 at once), 'mails' (1 at once)"]
        assert lines[-1] == "stopped"


def test_what_is_not_done_within_the_drain_time_goes_back_at_ctrl_c(tmp_path: Path) -> None:
    with running(tmp_path, "--drain", "0.1") as worker:
        assert worker.line() == "declared"
    with batonmq.connect(tmp_path / "own.db") as mq:
        mq.send("orders", b"slow")
    with running(tmp_path, "--drain", "0.1") as worker:
        assert [worker.line(), worker.line()] == ["declared", "slow, attempt 1"]
        assert worker.stop(signal.SIGINT) == 0, worker.log
    with batonmq.connect(tmp_path / "own.db") as mq:
        assert mq.count("orders") == 1


def test_a_second_signal_ends_the_drain_time(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "shop.db") as mq:
        mq.declare("orders", dead_letter="orders.dead")
        mq.send("orders", b"slow")
    with running(tmp_path, "--url", "shop.db", "--drain", "3600") as worker:
        assert [worker.line(), worker.line()] == ["declared", "slow, attempt 1"]
        worker.tell(signal.SIGTERM)
        assert worker.stop() == 0, worker.log
    with batonmq.connect(tmp_path / "shop.db") as mq:
        assert mq.count("orders") == 1


def test_so_many_messages_are_worked_on_at_once_as_the_command_says(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "shop.db") as mq:
        mq.declare("orders", dead_letter="orders.dead")
        mq.send_many("orders", [b"slow"] * 3)
    with running(tmp_path, "--url", "shop.db", "--concurrency", "3", "--drain", "0") as worker:
        assert [worker.line() for _ in range(4)] == ["declared", *["slow, attempt 1"] * 3]
        assert worker.stop() == 0, worker.log


def test_a_thread_that_a_handler_left_behind_does_not_keep_the_process(tmp_path: Path) -> None:
    with batonmq.connect(tmp_path / "shop.db") as mq:
        mq.declare("orders", dead_letter="orders.dead")
        mq.send("orders", b"leaves a thread")
    with running(tmp_path, "--url", "shop.db") as worker:
        assert [worker.line() for _ in range(3)][-1] == "mail: leaves a thread"
        assert worker.stop() == 0, worker.log


BROKEN = {
    "shop": "expected MODULE:NAME, as in shop.worker:app, got 'shop'",
    "shop.py:app": "there is no module 'shop.py' in",
    "shop:": "expected MODULE:NAME",
    "a-b:app": "expected MODULE:NAME",
    "nothing:app": "there is no module 'nothing' in",
    "shop.nothing:app": "there is no module 'shop.nothing' in",
    "shop:nothing": "module 'shop' has no 'nothing'",
    "raises:app": "module 'raises' cannot be imported: ZeroDivisionError: division by zero (",
    "exits:app": "module 'exits' cannot be imported: SystemExit: 3 (",
    "wrong:app": "module 'wrong' cannot be imported: SyntaxError: ",
    "imports:app": "module 'imports' cannot be imported: ModuleNotFoundError: No module named 'nothing'",
}


SOURCES = {
    "shop": "import batonmq\nidle = batonmq.Worker()\napp = batonmq.Worker()\napp.handler('orders')(print)\n",
    "raises": "1 / 0\n",
    "exits": "import sys\nsys.exit(3)\n",
    "wrong": "def\n",
    "imports": "import nothing\n",
}


@pytest.fixture
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for name in SOURCES:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("_modules")
@pytest.mark.parametrize("application", BROKEN)
def test_an_application_that_cannot_be_had_is_one_line(application: str) -> None:
    with pytest.raises(Failure) as caught:
        load_object(application)
    assert caught.value.message.startswith(BROKEN[application])
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == (1 if "cannot be imported" in caught.value.message else 2)


@pytest.mark.usefixtures("_modules")
def test_a_name_is_looked_up_in_the_module_and_in_what_it_holds() -> None:
    app = load_object("shop:app")
    assert isinstance(app, batonmq.Worker)
    assert load_object("shop:app.queues") == ["orders"]


@pytest.mark.usefixtures("_modules")
@pytest.mark.parametrize(
    ("application", "said"),
    [
        ("shop:app.handler", "shop:app.handler is a method, not a batonmq.Worker"),
        ("shop:idle", "shop:idle has no handlers"),
    ],
)
def test_what_is_no_worker_is_one_line(batonmq_alone: Batonmq, application: str, said: str) -> None:
    done = batonmq_alone("run", application)
    assert (done.returncode, done.stderr) == (2, f"batonmq: {said}\n")


@pytest.mark.usefixtures("_modules")
@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("gopher://host", "--url: 'gopher://host' cannot be read: no engine for 'gopher'", 2),
        ("amqp://ann:secret@", "--url: 'amqp://ann:***@' cannot be read: 'amqp://ann:***@' names no host", 2),
        ("amqp://ann:secret@host:port/", "--url: 'amqp://ann:***@host:port/' cannot be read: Port", 2),
        ("amqp://ann:secret@127.0.0.1:1/", "amqp://ann:***@127.0.0.1:1/: cannot connect to 127.0.0.1:1", 1),
        ("memory:", "memory:: ", 1),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line(batonmq_alone: Batonmq, url: str, said: str, code: int) -> None:
    done = batonmq_alone("run", "shop:app", "--url", url)
    assert done.stderr.splitlines()[-1].startswith(f"batonmq: {said}")
    assert not [line for line in done.stderr.splitlines()[:-1] if " INFO " not in line]
    assert "secret" not in done.stderr
    assert done.returncode == code


@pytest.mark.usefixtures("_modules")
@pytest.mark.parametrize(("flag", "value"), [("--drain", "nan"), ("--drain", "inf"), ("--concurrency", "1" + "0" * 30)])
def test_a_number_out_of_range_is_one_line(batonmq_alone: Batonmq, flag: str, value: str) -> None:
    done = batonmq_alone("run", "shop:app", flag, value)
    assert done.returncode == 2
    assert done.stderr.startswith(f"batonmq: {flag} is ")
    assert done.stderr.count("\n") == 1


@pytest.mark.usefixtures("_modules")
def test_the_traceback_of_a_module_is_there_for_who_asks(batonmq_alone: Batonmq) -> None:
    done = batonmq_alone("run", "raises:app", "--log-level", "debug")
    assert 'raises.py", line 1' in done.stderr


@pytest.mark.usefixtures("_modules")
def test_the_environment_counts_more_than_the_worker_and_less_than_the_flag(
    batonmq_alone: Batonmq, tmp_path: Path
) -> None:
    # The queue is not there: the worker says where it looked, and ends.
    (tmp_path / "own.py").write_text("from shop import app\napp.url = 'own.db'\n", encoding="utf-8")
    environment = {"BATONMQ_URL": "environment.db"}
    assert " on own.db" in batonmq_alone("run", "own:app").stderr
    assert " on environment.db" in batonmq_alone("run", "own:app", environment=environment).stderr
    assert " on flag.db" in batonmq_alone("run", "own:app", "--url", "flag.db", environment=environment).stderr
