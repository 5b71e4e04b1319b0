"""Ctrl-C, at whatever moment of a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

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
