"""The contract suite as others use it: an engine of another distribution, its exceptions, and assertions that speak."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import batonmq
from batonmq.testing.contract import has_ready
from tests.support.markdown import ROOT
from tests.support.scratch import scratch

EXAMPLE = ROOT / "examples" / "engine"
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
OTHERWISE = """
import pytest
from batonmq.testing.contract import Otherwise, Place


@pytest.fixture
def place():
    otherwise = {
        "test_first_in_first_out": Otherwise("it was last in, first out"),
        "test_a_delivery_is_settled_once": Otherwise("it settles now and then", always=False),
        "test_closed_means_closed": Otherwise("it never closes"),
        "test_of_nothing": Otherwise("there is no such test"),
    }
    with Place("memory:otherwise", survives=False, shared=False, otherwise=otherwise) as place:
        yield place
"""
SUITE = """
from batonmq.testing.contract.suite import *


def test_closed_means_closed(mq):
    assert mq.capabilities.engine == "never closed"
"""


def contract(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the tests of a folder as somebody else's project does."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "batonmq.testing.plugin",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
    ]
    # Found by itself, the plugin of what is installed to be edited has pytest write all of the package anew.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": "" if path is None else str(path)}
    return subprocess.run(
        [*command, "--rootdir", str(folder), *arguments, str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.mark.skipif(importlib.util.find_spec("fcntl") is None, reason="the example has locks as POSIX has them")
def test_an_engine_of_another_distribution_passes_the_contract(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)], cwd=EXAMPLE, capture_output=True, text=True, check=True
    )
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / built.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    # Each message is written to the disk, thousands in all: where there is one in memory, that is quick.
    with scratch() as base:
        run = contract(EXAMPLE / "tests", "-rs", f"--basetemp={base}/t", path=site)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr
    skipped = [line for line in run.stdout.splitlines() if line.startswith("SKIPPED")]
    assert skipped
    assert [line for line in skipped if "directory: mq.capabilities." not in line] == []


def test_what_an_engine_does_otherwise_is_stated_and_held(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(OTHERWISE)
    (tmp_path / "test_contract.py").write_text(SUITE)
    wanted = "first_in_first_out or settled_once or closed_means or does_otherwise"
    run = contract(tmp_path, "-rA", "-k", wanted)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "[XPASS(strict)] it was last in, first out" in run.stdout
    assert "it settles now and then" in run.stdout
    assert "XFAIL test_contract.py::test_closed_means_closed - it never closes" in run.stdout
    assert "assert ['test_of_nothing'] == []" in run.stdout
    assert "2 failed, 1 skipped" in run.stdout


def test_an_assertion_of_the_contract_shows_both_sides() -> None:
    with batonmq.connect("memory:") as mq:
        mq.declare("orders")
        with pytest.raises(AssertionError, match="assert 0 == 1"):
            has_ready(mq, "orders", 1)
