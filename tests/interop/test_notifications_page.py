"""The page of examples/notifications receives what its programs send, as a user who may do nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker

NODE = Path(__file__).parent / "node"
EXAMPLE = Path(__file__).parents[2] / "examples" / "notifications"
PASSWORD = "ann's password"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """With the example's own configuration."""
    if shutil.which("node") is None or not (NODE / "node_modules").is_dir():
        pytest.skip("node is missing, or `npm ci` was not run in tests/interop/node")
    broker = Broker(tmp_path, (EXAMPLE / "batonmq.toml").read_text(encoding="utf-8"))
    broker.start()
    yield broker
    broker.terminate()


def program(broker: Broker, *words: str) -> str:
    url = f"amqp://guest:guest@127.0.0.1:{broker.address.port}/"
    environment = {**os.environ, "BATONMQ_URL": url, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=90, check=True
    ).stdout


def page(
    broker: Broker, count: int, *, queue: str = "notifications.ann", password: str = PASSWORD, fails: bool = False
) -> str:
    """What the page shows until it is closed."""
    url = f"ws://127.0.0.1:{broker.ports['ws']}/ws"
    module = (EXAMPLE / "page" / "stomp.mjs").as_uri()
    command = ["node", str(NODE / "inbox.mjs"), module, url, password, queue, str(count), *(["fails"] if fails else [])]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=not fails).stdout


@pytest.fixture
def sent(broker: Broker) -> Broker:
    """Two notifications wait for ann."""
    program(broker, "follow.py", "ann", "order.*")
    program(broker, "notify.py", "order.shipped", "Order 17: on its way\nto you")
    program(broker, "notify.py", "--to", "ann", "mention", "Grüße")
    return broker


def test_the_page_shows_what_has_come_and_is_done_with_it(sent: Broker) -> None:
    assert page(sent, 2) == "[connected]\norder.shipped: Order 17: on its way\nto you\nmention: Grüße\n"
    assert program(sent, "pull.py", "ann") == ""


def test_what_was_not_shown_to_its_end_comes_again(sent: Broker) -> None:
    assert page(sent, 2, fails=True) == "[connected]\norder.shipped: Order 17: on its way\nto you\n"
    assert page(sent, 2).count(": ") == 3


def test_nobody_reads_the_queue_of_another(sent: Broker) -> None:
    program(sent, "follow.py", "bob", "order.*")
    said = page(sent, 1, queue="notifications.bob")
    assert "access" in said.lower()
    assert "refused" in said.lower()


def test_a_wrong_password_is_told(sent: Broker) -> None:
    assert "Bad CONNECT" in page(sent, 1, password="sesame")


def test_the_page_is_told_that_there_is_no_queue(broker: Broker) -> None:
    assert "notifications.ann" in page(broker, 1)
