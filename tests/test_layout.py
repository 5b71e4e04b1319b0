"""Where tests are: a folder for each package, and no folder that nobody explains."""

from __future__ import annotations

from pathlib import Path

from tests.support.markdown import ROOT

SOURCES = ROOT / "src" / "batonmq"
TESTS = ROOT / "tests"


def _folders(parent: Path) -> set[str]:
    """Those below it that hold Python."""
    return {path.name for path in parent.iterdir() if path.is_dir() and any(path.glob("*.py"))}


def test_every_package_has_a_folder_of_tests() -> None:
    assert _folders(SOURCES) - _folders(TESTS) == set()
    protocols = _folders(SOURCES / "protocols")
    assert protocols
    assert protocols == _folders(TESTS / "protocols")


def test_a_folder_of_tests_is_that_of_a_package_or_explained() -> None:
    table = [line for line in (TESTS / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    explained = {cell.strip("`/") for line in table for cell in line.split("|")[1].strip().split(", ")}
    assert _folders(TESTS) - _folders(SOURCES) <= explained
    assert _folders(SOURCES) <= explained
    assert {name for name in explained if not (TESTS / name).exists()} == set()


def test_a_file_of_tests_holds_a_test() -> None:
    files = [path for path in TESTS.rglob("test_*.py") if "node_modules" not in path.parts]
    assert files
    assert [path.name for path in files if "def test_" not in path.read_text(encoding="utf-8")] == []
