"""Ctrl-C, at whatever moment of a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import Batonmq

import batonmq as baton
from batonmq.cli import move, shovel
from batonmq.cli.streams import Root

# What waits until it is ended, and says so.
STANDS_STILL = """
import signal
print(signal.getsignal(signal.SIGINT), flush=True)
while True:
    signal.pause()
"""


@contextmanager
def _standing_still(
    folder: Path, arguments: Sequence[str], module: str, before: Sequence[str] = ()
) -> Iterator[subprocess.Popen[str]]:
    """The command, as it imports a module that never ends, after the line that it prints."""
    (folder / f"{module}.py").write_text(STANDS_STILL, encoding="utf-8")
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "batonmq", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("click", ["queues"]), ("shop", ["run", "shop:app"])],
    ids=["while it is read", "while it runs"],
)
def test_ctrl_c_ends_a_command_by_the_signal_and_without_a_word(
    tmp_path: Path, module: str, arguments: Sequence[str]
) -> None:
    with _standing_still(tmp_path, arguments, module) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == -signal.SIGINT


def test_who_starts_it_with_ctrl_c_ignored_is_obeyed(tmp_path: Path) -> None:
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with _standing_still(tmp_path, ["queues"], "click", ignoring) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{signal.SIG_IGN}\n"


def test_ctrl_c_while_the_help_is_made_is_no_failure() -> None:
    class Interrupted(Root):
        def list_commands(self, _: object) -> list[str]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Interrupted("batonmq", modules={}).main(["--help"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        (["move", "from.db", "to.db", "--follow"], move.LOOK_SECONDS),
        (["shovel", "from.db#orders", "to.db#orders"], shovel.SHOW_SECONDS),
    ],
    ids=["move", "shovel"],
)
def test_a_signal_may_come_in_the_middle_of_the_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batonmq: Batonmq, words: Sequence[str], seconds: float
) -> None:
    with baton.connect(tmp_path / "from.db") as mq:
        mq.declare("orders")
    wait = threading.Event.wait
    told: list[threading.Event] = []

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout == seconds and threading.current_thread() is threading.main_thread() and not told:
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            told.append(event)
            with event._cond:  # type: ignore[attr-defined]
                signal.raise_signal(signal.SIGTERM)
        return wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    done = batonmq(*words)
    assert (done.returncode, len(told)) == (0, 1), done.stderr
