"""What fits BatonMQ into frameworks costs nothing to who does not ask for it."""

from __future__ import annotations

import subprocess
import sys

USES_IT = """
import sys, batonmq, batonmq.aio
with batonmq.connect("memory:") as mq:
    mq.declare("q")
print([name for name in sys.modules if name.startswith("batonmq.contrib") or name in ("kombu", "celery", "django")])
"""


def test_a_program_that_uses_batonmq_reads_nothing_of_frameworks() -> None:
    done = subprocess.run([sys.executable, "-c", USES_IT], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
