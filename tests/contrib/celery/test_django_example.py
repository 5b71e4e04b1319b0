"""The example with Django, as its README has it run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.contrib.installed import install_entry_points
from tests.support.markdown import ROOT
from tests.support.waiting import until

EXAMPLE = ROOT / "examples" / "django_celery"


def test_an_order_is_confirmed_by_a_worker(tmp_path: Path) -> None:
    paths = [str(install_entry_points(tmp_path / "installed")), str(ROOT / "src")]
    environment = {**os.environ, "SHOP_DATA": str(tmp_path), "PYTHONPATH": os.pathsep.join(paths)}

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "No changes detected" in manage("makemigrations", "--check")
    manage("migrate")
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "--pool", "solo", "--loglevel", "INFO"]
    with log.open("wb") as out:
        worker = subprocess.Popen(command, cwd=EXAMPLE, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        until(lambda: b"ready." in log.read_bytes() or worker.poll() is not None, 90)
        assert manage("order", "ann", "3") == "order 1 of ann: 3 confirmed\n"
    finally:
        worker.terminate()
        worker.wait(60)
    assert (tmp_path / "tasks.db").exists()
    assert (tmp_path / "tasks.db-results").exists()
    assert "Traceback" not in log.read_text()
