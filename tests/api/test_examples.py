"""The examples run as they stand."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import batonmq
from batonmq.testing import RunningServer
from tests.support.markdown import blocks
from tests.support.waiting import until

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_the_work_queue_works_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "work_queue.py"), str(tmp_path / "orders.db")]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    with worker.stdout as output:
        lines = {output.readline() for _ in range(10)}
        worker.send_signal(signal.SIGINT)
        assert worker.wait(40) == 0
    assert lines == {f"order {number}, attempt 1\n" for number in range(10)}


def test_a_request_gets_its_reply() -> None:
    command = [sys.executable, str(EXAMPLES / "request_reply.py"), "memory:prices"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (run.stdout, run.returncode) == ("4.20 for article 17\n", 0), run.stderr


def test_the_first_example_of_the_documentation_runs_as_it_stands(tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "docs" / "python-api.md").read_text()
    program = text.partition("```python\n")[2].partition("```")[0]
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert (run.stdout, run.returncode) == ("b'17'\n", 0), run.stderr


def run_pytest(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What pytest says of the tests in a folder, with nothing of this run's own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, *words]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_the_handlers_of_the_shop_pass_their_tests() -> None:
    done = run_pytest(EXAMPLES / "handlers", "--rootdir", str(EXAMPLES / "handlers"), "test_shop.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_handlers_of_the_documentation_pass_the_tests_of_the_documentation(tmp_path: Path) -> None:
    docs = EXAMPLES.parent / "docs"
    (shop,) = [block.text for block in blocks(docs / "handlers.md", "python") if block.text.startswith("# shop.py")]
    (tests,) = [block.text for block in blocks(docs / "testing.md", "python") if "TestClient(app)" in block.text]
    (tmp_path / "shop.py").write_text(shop)
    (tmp_path / "test_shop.py").write_text(tests)
    done = run_pytest(tmp_path, "--rootdir", str(tmp_path), "test_shop.py")
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a socket that a process inherits, and signals, as POSIX has them")
def test_the_web_application_of_the_shop_answers_with_receipts(tmp_path: Path) -> None:
    order = {"id": 17, "items": ["tea"], "customer": "ann@example.com"}
    listener = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "uvicorn", "web:app", "--log-level", "error", "--fd", str(listener.fileno())]
    environment = {**os.environ, "BATONMQ_URL": str(tmp_path / "shop.db"), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=EXAMPLES / "handlers", env=environment, pass_fds=[listener.fileno()], stderr=subprocess.PIPE
    ) as process:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with listener, httpx.Client(base_url=base, timeout=50) as client:
            assert client.post("/orders", json=order).json() == {"order": 17, "total": 4.2}
            assert client.post("/orders/later", json=order).status_code == 202
            assert client.post("/orders", json={"id": 17}).status_code == 422
        with batonmq.connect(tmp_path / "shop.db") as mq:
            until(lambda: mq.count("orders") == 0)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert b"Traceback" not in said, said
    with batonmq.connect(tmp_path / "shop.db") as mq:
        assert (mq.count("orders"), mq.count("orders.dead")) == (0, 0)


# ---------------------------------------------------------------------- with a broker


def environment_of(server: RunningServer) -> dict[str, str]:
    return {**os.environ, "BATONMQ_URL": server.url, "PYTHONDONTWRITEBYTECODE": "1"}


def program(folder: Path, server: RunningServer, *words: str) -> str:
    """What a program of a folder prints; it must succeed."""
    run = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment_of(server),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def celery_worker(baton_server: RunningServer, tmp_path: Path) -> Iterator[Path]:
    """The worker that the page starts; its log."""
    (command,) = re.findall("^celery (.*)$", (EXAMPLES / "celery_app" / "README.md").read_text(), re.MULTILINE)
    log = tmp_path / "worker.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "celery", *shlex.split(command)],
            cwd=EXAMPLES / "celery_app",
            env=environment_of(baton_server),
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as worker,
    ):
        with batonmq.connect(baton_server.url) as mq:
            until(lambda: any(queue.name == "shop" and mq.stats("shop").consumers for queue in mq.queues()))
        yield log
        # Its processes as well, without a word to anybody.
        os.killpg(worker.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="Celery's processes as POSIX has them")
def test_a_celery_application_tries_again_but_not_for_ever(baton_server: RunningServer, celery_worker: Path) -> None:
    printed = program(EXAMPLES / "celery_app", baton_server, "order.py")
    assert printed == "receipt for order 17: 420 cents, to ann@example.com\n"
    with batonmq.connect(baton_server.url) as mq:
        until(lambda: mq.count("shop.dead") == 1)
        assert mq.count("shop") == 0
    assert celery_worker.read_text().count("scales 3.jpg") == 3


def test_notifications_come_to_those_who_follow(baton_server: RunningServer) -> None:
    folder = EXAMPLES / "notifications"
    start, use, *_ = blocks(folder / "README.md", "sh")
    assert start.text == "batonmq serve\n"
    printed = [program(folder, baton_server, *shlex.split(line)[1:]) for line in use.text.splitlines()]
    assert "".join(printed[:-2]) == ""
    assert printed[-2] == "order.shipped: Order 17 is on its way\nalert.disk.full: No space left on db1\n"
    (said,) = [block for block in blocks(folder / "README.md") if not block.language]
    assert printed[-1] == said.text
    program(folder, baton_server, "follow.py", "--not", "ann", "order.*")
    program(folder, baton_server, "notify.py", "order.shipped", "Order 18 is on its way")
    assert program(folder, baton_server, "pull.py", "ann") == ""


def test_who_follows_nothing_is_told_so(baton_server: RunningServer) -> None:
    with pytest.raises(AssertionError, match="eve follows nothing"):
        program(EXAMPLES / "notifications", baton_server, "pull.py", "eve")
