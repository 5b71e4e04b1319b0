"""What surrounds the sources agrees with them: the workflow, the hooks, the templates, the package's description."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import batonmq
from tests.support.markdown import ROOT

GITHUB = ROOT / ".github"
FORMS = sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml"))


def parsed(path: Path) -> dict[Any, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """`[project]` of pyproject.toml."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(found, dict)
    return found


def recipe(task: str) -> list[str]:
    """The commands of a task of the Makefile, as they are typed in a clone."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").partition(f"\n{task}: ")[2].partition("\n\n")[0]
    return [line.strip().lstrip("@").replace("$(BIN)", ".venv/bin") for line in lines.splitlines()[1:]]


# ---------------------------------------------------------------------- the workflow


def test_the_workflow_checks_the_versions_of_python_that_the_package_names(project: dict[str, Any]) -> None:
    matrix = parsed(GITHUB / "workflows" / "checks.yml")["jobs"]["checks"]["strategy"]["matrix"]
    named = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one) for one in project["classifiers"]]
    assert matrix["python"] == [match[1] for match in named if match]
    assert project["requires-python"] == f">={matrix['python'][0]}"


def test_the_workflow_runs_what_anybody_can_run() -> None:
    steps = parsed(GITHUB / "workflows" / "checks.yml")["jobs"]["checks"]["steps"]
    assert steps[-1]["run"] == ".ci/run"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_workflow_outlasts_what_it_runs() -> None:
    job = parsed(GITHUB / "workflows" / "checks.yml")["jobs"]["checks"]
    (whole,) = re.findall(r"^WHOLE=(\d+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert job["timeout-minutes"] * 60 >= int(whole) + 300


def test_the_whole_suite_runs_over_the_compiled_modules_too() -> None:
    steps = parsed(GITHUB / "workflows" / "checks.yml")["jobs"]["compiled"]["steps"]
    assert steps[-1]["run"] == "make test-compiled ARGS=tests"


def test_the_wheels_are_of_the_versions_of_python_that_the_package_names() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    matrix = parsed(GITHUB / "workflows" / "checks.yml")["jobs"]["checks"]["strategy"]["matrix"]
    assert settings["build"] == [f"cp{version.replace('.', '')}-*" for version in matrix["python"]]


def test_what_is_released_is_built_by_what_anybody_can_run() -> None:
    jobs = parsed(GITHUB / "workflows" / "wheels.yml")["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert any(step.get("run", "").startswith("make release ") for step in steps)
    # Each artefact once, by a name of its own.
    names = [step["with"]["name"] for step in steps if step.get("uses", "").startswith("actions/upload-artifact@")]
    assert len(names) == len(set(names)) == len(jobs)


@pytest.mark.parametrize("workflow", sorted((GITHUB / "workflows").iterdir()), ids=lambda path: path.name)
def test_a_workflow_may_only_read(workflow: Path) -> None:
    assert parsed(workflow)["permissions"] == {"contents": "read"}
    assert "secrets." not in workflow.read_text(encoding="utf-8")


# ---------------------------------------------------------------------- hooks and templates


def test_the_hooks_before_a_commit_are_part_of_make_check_and_fetch_nothing() -> None:
    (local,) = parsed(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert [hook["entry"] for hook in local["hooks"]] == recipe("check-sources")[: len(local["hooks"])]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_for_issues_has_what_github_asks_for(form: Path) -> None:
    fields = parsed(form)
    assert {"name", "description", "body"} <= fields.keys()
    asked = [field for field in fields["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in asked}) == len(asked) > 0
    assert all(field["attributes"]["label"] for field in asked)


def test_templates_name_only_files_that_there_are() -> None:
    for template in [*FORMS, GITHUB / "pull_request_template.md"]:
        for name in re.findall(r"\b[A-Z]+\.md\b|\bdocs/", template.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{template.name}: {name}"


# ---------------------------------------------------------------------- the package


def test_the_package_names_its_page_and_nobody_else_does(project: dict[str, Any]) -> None:
    page = project["urls"]["Homepage"]
    assert all(url.startswith(page) for url in project["urls"].values())
    for url in project["urls"].values():
        path = re.sub(r"^/?(?:blob/main/)?", "", url.removeprefix(page))
        assert path == "issues" or (ROOT / path).exists(), url
    for written in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        assert page not in written.read_text(encoding="utf-8"), written.name


def test_the_version_is_the_one_at_the_top_of_the_changelog() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    top = re.search(r"^## (\S+) \((?:not released|\d{4}-\d\d-\d\d)\)$", changes, re.MULTILINE)
    assert top is not None
    assert top[1] == batonmq.__version__
