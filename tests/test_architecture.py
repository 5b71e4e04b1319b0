"""ARCHITECTURE.md names what there is: every file, class, function and table in it exists, in the file beside it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.markdown import ROOT, prose, spans

PAGE = ROOT / "ARCHITECTURE.md"
PACKAGE = ROOT / "src" / "batonmq"

_NAME = re.compile(r"\w+(\.\w+)?")


def paragraphs() -> list[str]:
    """Paragraphs, entries of lists and rows of tables: what names a file says within which what it names is."""
    found = re.split(r"\n\s*\n|\n(?=\s*(?:\d+\.|-) )|\n(?=\|)", prose(PAGE))
    heading = ""
    whole = []
    for part in found:
        if part.startswith("|") and "---" not in part:
            # A table's first cell may say for all of its rows which file it is about.
            heading = part if heading == "" else heading
            whole.append(part if part is heading else f"{part} {heading.split('|')[1]}")
        elif not part.startswith("|"):
            heading = ""
            whole.append(part)
    return [part for part in whole if spans(part)]


def file_of(span: str) -> Path | None:
    """What a span names if it is a path; None if it is a name."""
    if "/" not in span and not span.endswith((".py", ".md", ".toml")):
        return None
    inside = PACKAGE / span
    return inside if inside.exists() else ROOT / span


@cache
def defined_in(path: Path) -> frozenset[str]:
    """Classes, functions, methods as Class.method and by themselves, and tables of a schema."""
    names: set[str] = set()
    sources = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    for source in sources:
        text = source.read_text(encoding="utf-8")
        names.update(re.findall(r"CREATE TABLE (\w+)", text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                names.add(node.name)
                methods = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
                names.update(f"{node.name}.{method.name}" for method in methods)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
    return frozenset(names)


@pytest.mark.parametrize("paragraph", paragraphs(), ids=lambda text: text[:40])
def test_what_is_named_is_there(paragraph: str) -> None:
    files = {span: file for span in spans(paragraph) if (file := file_of(span)) is not None}
    for span, file in files.items():
        assert file.exists(), f"{span} is not there"
        assert file.is_dir() == span.endswith("/"), f"{span}: a folder, and only a folder, ends with a slash"
    known = frozenset[str]().union(*(defined_in(file) for file in files.values() if file != PACKAGE))
    for span in spans(paragraph):
        if span not in files:
            assert _NAME.fullmatch(span), f"{span!r} is neither a file nor a name"
            assert span in known, f"{span} is not in {', '.join(files) or 'any file that is named beside it'}"


def test_every_package_is_in_its_table() -> None:
    table = "\n".join(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `"))
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {span.rstrip("/") for span in spans(table) if re.fullmatch(r"\w+/", span)} == packages


def test_it_is_one_page() -> None:
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) < 150
