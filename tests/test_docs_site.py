"""The documentation's site is made of what there is: its navigation, its reference, its links. No mkdocs is needed."""

from __future__ import annotations

import importlib
import re
import runpy

import pytest

from tests.support.markdown import ROOT, links

SITE = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))
INDEX = ROOT / "docs" / "README.md"


def pages_of(listed: str | list[dict[str, str]]) -> list[str]:
    """The pages of an entry of the navigation."""
    return [listed] if isinstance(listed, str) else [page for entry in listed for page in entry.values()]


def test_the_navigation_has_every_page_once_and_in_the_order_of_the_index() -> None:
    sections = SITE["navigation"](INDEX.read_text(encoding="utf-8"))
    found = [pages_of(listed) for section in sections for listed in section.values()]
    assert all(found), "a section has no page"
    pages = [page for section in found for page in section]
    assert pages == ["README.md", *(link for link in links(INDEX) if "/" not in link)]
    assert sorted(pages) == sorted(page.name for page in INDEX.parent.glob("*.md"))


def test_a_page_that_the_index_names_outside_of_its_lists_is_in_the_last_section() -> None:
    index = "# T\n\n## One\n\n- [A](a.md): x\n- [S](../S.md)\n\nMore: [B](b.md).\n\n## Two\n\n- [C](c.md)\n"
    first, one, two, last = SITE["navigation"](index)
    assert pages_of(*first.values()) == ["README.md"]
    assert (one, two) == ({"One": [{"A": "a.md"}]}, {"Two": [{"C": "c.md"}]})
    assert pages_of(*last.values()) == ["b.md"]


@pytest.mark.parametrize("module", ["batonmq", "batonmq.aio", "batonmq.testing"])
def test_the_reference_has_the_public_names_of_a_module(module: str) -> None:
    there = importlib.import_module(module)
    found = dict.fromkeys(SITE["public_names"](module))
    for name in found:
        defined, _, short = name.rpartition(".")
        # `connect` of batonmq.aio is defined as `connect_async`.
        thing = getattr(importlib.import_module(defined), short)
        assert thing is getattr(there, short.removesuffix("_async")), name
    assert len(found) == len(set(there.__all__) - {"aio"})


def test_the_reference_has_every_error() -> None:
    errors = importlib.import_module("batonmq.errors")
    public = {f"batonmq.errors.{name}" for name, thing in vars(errors).items() if isinstance(thing, type)}
    assert set(SITE["public_names"]("batonmq.errors")) == public


def test_each_module_of_the_reference_has_names() -> None:
    for page in SITE["REFERENCE"].values():
        for module in page.modules:
            assert list(SITE["public_names"](module)), module


def test_only_links_that_leave_the_documentation_lead_to_the_repository() -> None:
    text = (
        "[a](../proof/README.md#x) [b](users.md#y) [c](#z) [d](../examples) [e](https://f.org)\n```\n[g](../src)\n```"
    )
    absolute = runpy.run_path(str(ROOT / "hatch_build.py"))["absolute"]
    assert absolute(text, "https://host/p", "main", ROOT, folder="docs") == (
        "[a](https://host/p/blob/main/proof/README.md#x) [b](users.md#y) [c](#z) "
        "[d](https://host/p/tree/main/examples) [e](https://f.org)\n```\n[g](../src)\n```"
    )


def test_the_theme_is_told_to_load_nothing_from_elsewhere() -> None:
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "\n  font: false\n" in settings
    # For a repository on a known host the theme asks that host for its stars.
    assert "\nrepo_url:" not in settings
    assert "https:" not in settings


def test_warnings_fail_the_build() -> None:
    (command,) = re.findall(
        r"^\t@(.* -m mkdocs build .*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert "--strict" in command
    # mkdocs counts only the warnings that it prints.
    assert "--quiet" not in command
