"""What a release is made of: artefacts that install and work by themselves, and a script that refuses what is none."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from types import ModuleType

import pytest

import batonmq
from tests.support.markdown import ROOT


def loaded(path: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = loaded("scripts/release.py")


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist and the wheel, which the script has found whole and tried in an environment of their own."""
    into = tmp_path_factory.mktemp("release") / "dist"
    command = [sys.executable, "scripts/release.py", "--rehearse", "--pure", "--into", str(into)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = into.glob("*.tar.gz"), into.glob("*.whl")
    return sdist, wheel


def test_the_artefacts_are_of_this_version(artefacts: tuple[Path, Path]) -> None:
    assert [release.version_of(wheel) for wheel in artefacts[1:]] == [batonmq.__version__]
    assert artefacts[0].name == f"batonmq-{batonmq.__version__}.tar.gz"


def test_the_description_has_no_link_that_leads_nowhere_outside_of_the_repository(artefacts: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(artefacts[1]) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(name).decode())
    text = told.get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 30
    page = next(url.partition(", ")[2] for url in told.get_all("Project-URL", []) if url.startswith("Homepage"))
    for link in links:
        assert link.startswith(("https://", "#")), link
        if link.startswith(page):
            kind, ref, path = re.fullmatch(rf"{page}/(blob|tree)/([^/]+)/([^#]+)(?:#.*)?", link).groups()  # type: ignore[union-attr]
            assert ref == f"v{batonmq.__version__}"
            assert (ROOT / path).is_dir() == (kind == "tree")
            assert (ROOT / path).exists()
    assert told["Description-Content-Type"] == "text/markdown"


def test_what_looks_like_a_link_in_code_stays_as_it_is() -> None:
    text = "[a](docs/README.md#x)\n```python\nfound[0](docs)\n```\n[b](examples) [c](#d) [e](https://f.org)"
    changed = loaded("hatch_build.py").absolute(text, "https://host/p", "v1", ROOT)
    assert changed == (
        "[a](https://host/p/blob/v1/docs/README.md#x)\n```python\nfound[0](docs)\n```\n"
        "[b](https://host/p/tree/v1/examples) [c](#d) [e](https://f.org)"
    )


def test_an_sdist_has_the_tests_and_what_they_need(artefacts: tuple[Path, Path]) -> None:
    with tarfile.open(artefacts[0]) as archive:
        names = {one.name.partition("/")[2] for one in archive if one.isfile()}
    assert {"tests/test_release.py", "proof/README.md", "examples/README.md", "scripts/release.py"} <= names


# ---------------------------------------------------------------------- is it a release?


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One that is ready to be released as 1.2.3."""
    root = tmp_path / "clone"
    (root / "src" / "batonmq").mkdir(parents=True)
    (root / "src" / "batonmq" / "version.py").write_text('__version__ = "1.2.3"\n')
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3 (2027-01-31)\n\n- Better.\n")
    git(root, "init", "--quiet")
    commit(root)
    git(root, "tag", "v1.2.3")
    return root


def git(root: Path, *arguments: str) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "release")


def test_a_release_is_what_its_tag_and_the_changelog_say(repository: Path) -> None:
    release.check_ready(repository)


def test_what_is_not_committed_is_no_release(repository: Path) -> None:
    (repository / "new.py").write_text("")
    with pytest.raises(release.Refused, match=r"not committed, new\.py first: commit"):
        release.check_ready(repository)


def test_a_version_without_its_tag_or_its_section_is_no_release(repository: Path) -> None:
    (repository / "src" / "batonmq" / "version.py").write_text('__version__ = "1.2.4"\n')
    commit(repository)
    git(repository, "tag", "v1.3.0")
    with pytest.raises(release.Refused) as refused:
        release.check_ready(repository)
    tag, section = str(refused.value).splitlines()
    assert tag == "this commit has v1.3.0, and its version is 1.2.4: git tag -a v1.2.4"
    assert section == "CHANGELOG.md has no section ## 1.2.4 (date): write it"


def test_what_the_changelog_calls_not_released_is_no_release(repository: Path) -> None:
    (repository / "CHANGELOG.md").write_text("## 1.2.3 (not released)\n")
    commit(repository)
    git(repository, "tag", "--force", "v1.2.3")
    with pytest.raises(release.Refused, match=r"says 'not released' of 1\.2\.3: put the date there"):
        release.check_ready(repository)


def test_a_clone_without_tags_has_a_version_all_the_same(repository: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--no-tags", "--depth", "1", f"file://{repository}", str(shallow))
    assert release.version_in(shallow) == "1.2.3"
    with pytest.raises(release.Refused, match=r"has no tag, and its version is 1\.2\.3"):
        release.check_ready(shallow)
