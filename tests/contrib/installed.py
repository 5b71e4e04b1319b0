"""What an installation tells others of the package, for programs that run from these sources."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.support.markdown import ROOT

GROUPS = ("kombu.serializers", "celery.result_backends")


def install_entry_points(folder: Path) -> Path:
    """A folder for PYTHONPATH with the entry points of pyproject.toml, however old the installation is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines: list[str] = []
    for group in GROUPS:
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in project["entry-points"][group].items())]
    found = folder / "batonmq_sources-0.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: batonmq-sources\nVersion: 0\n")
    (found / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
