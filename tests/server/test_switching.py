"""A broker's threads get the interpreter's lock sooner than Python's default lets them."""

from __future__ import annotations

import subprocess
import sys


def test_a_process_that_is_nothing_but_a_broker_hands_the_lock_over_sooner() -> None:
    program = (
        "import sys; from batonmq.server.switching import INTERVAL, tune_switching; tune_switching();"
        "assert sys.getswitchinterval() == INTERVAL < 0.005"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
