"""Commands that a test types."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def run(*command: str, folder: Path, **environment: str) -> str:
    """What a command prints; it must succeed."""
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
