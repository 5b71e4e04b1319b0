"""ARCHITECTURE.md and docs/extending.md name what there is: each file, and each name in the file beside it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.markdown import ROOT, Block, blocks, prose, spans

PAGE = ROOT / "ARCHITECTURE.md"
EXTENDING = ROOT / "docs" / "extending.md"
PACKAGE = ROOT / "src" / "batonmq"

_NAME = re.compile(r"\w+(\.\w+)?")


def paragraphs(page: Path) -> list[str]:
    """Paragraphs, entries of lists and rows of tables: what names a file says within which what it names is."""
    found = re.split(r"\n\s*\n|\n(?=\s*(?:\d+\.|-) )|\n(?=\|)", prose(page))
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
    """Classes, functions, constants, members as Class.member, methods also by themselves, and tables of a schema."""
    names: set[str] = set()
    sources = sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.suffix == ".py" else []
    for source in sources:
        text = source.read_text(encoding="utf-8")
        names.update(re.findall(r"CREATE TABLE (\w+)", text))
        tree = ast.parse(text)
        names.update(_assigned(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names.add(node.name)
                names.update(f"{node.name}.{field}" for field in _assigned(node))
                methods = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
                names.update(f"{node.name}.{method.name}" for method in methods)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
    return frozenset(names)


def _assigned(scope: ast.Module | ast.ClassDef) -> set[str]:
    """The constants of a module, the fields of a class."""
    targets: list[ast.expr] = [part.target for part in scope.body if isinstance(part, ast.AnnAssign)]
    targets += [target for part in scope.body if isinstance(part, ast.Assign) for target in part.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("paragraph", [*paragraphs(PAGE), *paragraphs(EXTENDING)], ids=lambda text: text[:40])
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


@pytest.mark.parametrize("block", blocks(EXTENDING), ids=str)
def test_an_example_stands_in_a_file_that_its_section_names(block: Block) -> None:
    before = EXTENDING.read_text(encoding="utf-8").split(block.text)[0]
    section = before[before.rindex("\n## ") :]
    files = [file for span in spans(section) if (file := file_of(span)) is not None and file.suffix == ".py"]
    lines = {line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()}
    for line in block.text.splitlines():
        assert line.strip() in lines, f"{line.strip()} is in none of {', '.join(map(str, files))}"
