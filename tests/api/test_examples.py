"""The examples of the Python API run as they stand."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
def test_the_work_queue_works_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "work_queue.py"), str(tmp_path / "orders.db")]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    with worker.stdout as output:
        lines = {output.readline() for _ in range(10)}
        worker.send_signal(signal.SIGINT)
        assert worker.wait(10) == 0
    assert lines == {f"order {number}, attempt 1\n" for number in range(10)}


def test_a_request_gets_its_reply() -> None:
    command = [sys.executable, str(EXAMPLES / "request_reply.py"), "memory:prices"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (run.stdout, run.returncode) == ("4.20 for article 17\n", 0), run.stderr


def test_the_first_example_of_the_documentation_runs_as_it_stands(tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "docs" / "python-api.md").read_text()
    program = text.partition("```python\n")[2].partition("```")[0]
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=10, check=False
    )
    assert (run.stdout, run.returncode) == ("b'17'\n", 0), run.stderr
