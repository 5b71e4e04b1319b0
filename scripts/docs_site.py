"""What the documentation's site has beside the pages of docs/: hooks of mkdocs, which mkdocs.yml names.

The list of docs/README.md is the navigation, so a page is entered in one place; strict mode fails for a page that is
not there. The reference is made of the docstrings of public names. Links that leave docs/ lead to the repository.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatch_build import absolute

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s/]+\.md)\)")


@dataclass(frozen=True)
class Reference:
    """A page of the reference: the public names of modules, and what is said above them."""

    title: str
    modules: tuple[str, ...]
    about: str


REFERENCE = {
    "api.md": Reference(
        "batonmq",
        ("batonmq",),
        "For threads; [`batonmq.aio`](aio.md) has the same for asyncio. See [The Python API](../python-api.md).",
    ),
    "aio.md": Reference(
        "batonmq.aio",
        ("batonmq.aio",),
        "For asyncio. `Message`, `Capabilities` and the figures of queues are those of [`batonmq`](api.md).",
    ),
    "errors.md": Reference(
        "Errors",
        ("batonmq.errors",),
        "Those that the Python API raises are also names of `batonmq`, as `batonmq.NotFound`.",
    ),
    "testing.md": Reference(
        "batonmq.testing", ("batonmq.testing",), "See [Testing code that uses queues](../testing.md)."
    ),
    "engine.md": Reference(
        "The interface of engines",
        ("batonmq.engines.interface", "batonmq.engines.values", "batonmq.engines.futures", "batonmq.engines.exchanges"),
        "What the API asks of an engine. See [Writing an engine](../writing-an-engine.md).",
    ),
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make the navigation, and the link to the repository at the foot of each page."""
    reference = [{page.title: f"reference/{name}"} for name, page in REFERENCE.items()]
    config.nav = [*navigation((DOCS / "README.md").read_text(encoding="utf-8")), {"Reference": reference}]
    config.extra["social"] = [{"icon": "fontawesome/brands/git-alt", "link": repository(), "name": "Repository"}]
    return config


def navigation(index: str) -> list[dict[str, Any]]:
    """The sections of the index, each with the pages that it lists; what is named below the last list comes last."""
    sections: list[dict[str, Any]] = [{"Documentation": "README.md"}]
    below: list[dict[str, str]] = []
    for part in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        listed: list[dict[str, str]] = []
        for line in text.splitlines():
            (listed if line.startswith("- ") else below).extend({title: page} for title, page in LINK.findall(line))
        sections.append({heading.strip(): listed})
    return [*sections, {"Extending it": below}]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the reference."""
    from mkdocs.structure.files import File

    shown: set[str] = set()
    for name, page in REFERENCE.items():
        names = [each for module in page.modules for each in public_names(module) if each not in shown]
        # The page of errors has them, though `batonmq` is an earlier one.
        names = [each for each in names if name == "errors.md" or not each.startswith("batonmq.errors.")]
        shown.update(names)
        content = "\n\n".join([f"# {page.title}", page.about, *(f"::: {each}" for each in names)])
        files.append(File.generated(config, f"reference/{name}", content=content))
    return files


def public_names(module: str) -> Iterator[str]:
    """The public names of a module, each with the module that defines it: functions first."""
    path = ROOT / "src" / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    imported: dict[str, str] = {}
    declared = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            imported |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            declared = ast.literal_eval(node.value)
    for name in sorted(declared, key=lambda name: name[0].isupper()):
        full = imported.get(name, f"{module}.{name}")
        # A module among the names has a page of its own.
        if full != "batonmq.aio":
            yield full


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Let links that leave docs/ lead to the repository; pages of the reference have none."""
    if "/" in page.file.src_uri:
        return markdown
    return absolute(markdown, repository(), "main", ROOT, folder=DOCS.name)


def repository() -> str:
    """Its page, which pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Homepage"])
