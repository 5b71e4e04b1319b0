"""What a wheel is made of: compiled modules where that is possible, and the pure ones with the reason where not."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import batonmq
from tests.support.markdown import ROOT
from tests.test_release import loaded

hook = loaded("hatch_compile.py")

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "batonmq"
version = "1"
requires-python = ">=3.11"
[tool.hatch.build.targets.wheel]
packages = ["src/batonmq"]
[tool.hatch.build.targets.wheel.hooks.custom]
path = "hatch_compile.py"
default = "compiled"
modules = ["batonmq/*.py", "!batonmq/left.py"]
unread = ["batonmq.above.*"]
"""
MODULES = {
    "__init__.py": "",
    "left.py": "",
    "one.py": "class One:\n    def __init__(self, of: int) -> None:\n        self.of = of\n",
    "two.py": "from batonmq.one import One\ndef double(one: One) -> One:\n    return One(one.of * 2)\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package of two modules that are to be compiled."""
    root = tmp_path / "project"
    (root / "src" / "batonmq").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "hatch_compile.py").write_text((ROOT / "hatch_compile.py").read_text())
    for name, text in MODULES.items():
        (root / "src" / "batonmq" / name).write_text(text)
    return root


def build(project: Path, **environment: str) -> tuple[Path | None, str]:
    """The wheel, if there is one, and what was said."""
    around = {
        name: value for name, value in os.environ.items() if name not in {"BATONMQ_PURE", "BATONMQ_COMPILED", "CC"}
    }
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(
        command, cwd=project, env=around | environment, capture_output=True, text=True, check=False, timeout=170
    )
    wheels = list((project / "dist").glob("*.whl"))
    assert (done.returncode == 0) == bool(wheels), done.stderr
    return (wheels[0] if wheels else None), done.stderr


def built(wheel: Path) -> dict[str, object]:
    with zipfile.ZipFile(wheel) as archive:
        found = json.loads(archive.read("batonmq/built.json"))
        assert isinstance(found, dict)
        assert found["compiled"] == sorted(name for name in archive.namelist() if name.endswith(".so"))
    return found


@pytest.mark.skipif(
    hook.why_not("compiled") is not None, reason=f"nothing is compiled here: {hook.why_not('compiled')}"
)
def test_the_modules_that_are_named_are_compiled_and_run(project: Path, tmp_path: Path) -> None:
    wheel, _ = build(project, BATONMQ_COMPILED="1", BATONMQ_KEEP=str(tmp_path / "kept"))
    assert wheel is not None
    assert wheel.name == f"batonmq-1-cp3{sys.version_info[1]}-cp3{sys.version_info[1]}-{wheel.stem.split('-')[-1]}.whl"
    suffix = EXTENSION_SUFFIXES[0]
    libraries = [f"batonmq/one{suffix}", f"batonmq/two{suffix}", f"batonmq__mypyc{suffix}"]
    assert built(wheel) == {"compiled": libraries, "reason": None}
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "there")
    program = (
        "from batonmq import left, one, two; print(two.double(one.One(4)).of, one.__file__, left.__file__)\n"
        "try: two.double(3)\nexcept TypeError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "there",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "there")},
        capture_output=True,
        text=True,
        check=True,
    )
    there = tmp_path / "there" / "batonmq"
    assert done.stdout.splitlines() == [
        f"8 {there}/one{suffix} {there}/left.py",
        "batonmq.one.One object expected; got int",
    ]

    # What was kept is taken again; and not when a source is another.
    (kept,) = (tmp_path / "kept").iterdir()
    (kept / "lib" / "batonmq" / "mark.so").write_text("")
    again, _ = build(project, BATONMQ_KEEP=str(tmp_path / "kept"))
    assert again is not None
    assert "batonmq/mark.so" in zipfile.ZipFile(again).namelist()
    (project / "src" / "batonmq" / "one.py").write_text("class Other: pass")
    build(project, BATONMQ_KEEP=str(tmp_path / "kept"))
    assert not (kept / "lib").exists()


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"BATONMQ_PURE": "1"}, "BATONMQ_PURE is set"),
        ({"CC": "no-such-compiler -O3"}, "there is no C compiler: no-such-compiler is not installed"),
    ],
)
def test_what_cannot_be_compiled_is_left_and_one_line_says_why(
    project: Path, environment: dict[str, str], reason: str
) -> None:
    wheel, said = build(project, **environment)
    assert wheel is not None
    assert wheel.name == "batonmq-1-py3-none-any.whl"
    assert said.splitlines()[:-1] == [f"The wheel has the pure modules only: {reason}"]
    assert built(wheel) == {"compiled": [], "reason": reason}


def test_where_pure_is_the_default_who_asks_has_it_compiled(project: Path) -> None:
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace('default = "compiled"', 'default = "pure"'))
    wheel, _ = build(project)
    assert wheel is not None
    assert built(wheel) == {"compiled": [], "reason": "BATONMQ_COMPILED was not set when it was built"}
    wheel.unlink()
    _, said = build(project, BATONMQ_COMPILED="1", CC="no-such-compiler")
    assert "there is no C compiler: no-such-compiler" in said


def test_a_wheel_that_has_to_be_compiled_is_not_built_without(project: Path) -> None:
    wheel, said = build(project, BATONMQ_COMPILED="1", CC="no-such-compiler")
    assert wheel is None
    assert "The modules were not compiled: there is no C compiler: no-such-compiler is not installed" in said


@pytest.mark.skipif(
    hook.why_not("compiled") is not None, reason=f"nothing is compiled here: {hook.why_not('compiled')}"
)
def test_what_mypyc_refuses_is_shown_to_whoever_needs_it_compiled(project: Path) -> None:
    (project / "src" / "batonmq" / "two.py").write_text("def double(of: int) -> int:\n    return f'{of}'\n")
    wheel, said = build(project)
    assert wheel is not None
    assert said.startswith("The wheel has the pure modules only: compiling failed; BATONMQ_COMPILED=1 shows it\n")
    wheel.unlink()
    wheel, said = build(project, BATONMQ_COMPILED="1")
    assert wheel is None
    assert "batonmq/two.py:2: error: Incompatible return value type" in said


def test_a_pattern_that_names_nothing_is_an_error(project: Path) -> None:
    with pytest.raises(ValueError, match=r"no module to compile is named '!batonmq/gone\.py'"):
        hook.chosen(project / "src", ["batonmq/*.py", "!batonmq/gone.py"])


def test_an_editable_installation_has_nothing_that_could_be_older_than_its_sources() -> None:
    assert batonmq.__file__ is not None
    assert batonmq.compiled or not list(Path(batonmq.__file__).parent.rglob("*.so"))


# ---------------------------------------------------------------------- which of both run


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Where the package is with a library beside batonmq.message, which is none."""
    package = tmp_path / "batonmq"
    package.mkdir()
    for path in (ROOT / "src" / "batonmq").iterdir():
        if path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    (package / f"message{EXTENSION_SUFFIXES[0]}").write_text("no library")
    return tmp_path


def run(beside: Path, program: str, **environment: str) -> str:
    around = {name: value for name, value in os.environ.items() if name != "BATONMQ_PURE"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=around | {"PYTHONPATH": str(beside)} | environment,
        cwd=beside,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("environment", [{}, {"BATONMQ_PURE": "0"}, {"BATONMQ_PURE": ""}])
def test_a_library_is_what_runs(beside: Path, environment: dict[str, str]) -> None:
    assert run(beside, "import batonmq; print(batonmq.compiled)", **environment) == "True"
    assert run(beside, "import batonmq.message", **environment).startswith("ImportError")


def test_the_environment_chooses_the_sources(beside: Path) -> None:
    program = (
        "import batonmq, batonmq.message, batonmq.broker.lanes.lane; print(batonmq.compiled, batonmq.message.__file__)"
    )
    assert run(beside, program, BATONMQ_PURE="1") == f"False {beside / 'batonmq' / 'message.py'}"
    program = "from batonmq.purity import why_pure; print(why_pure())"
    assert run(beside, program, BATONMQ_PURE="1") == "BATONMQ_PURE is set"


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ('{"compiled": [], "reason": "there is no C compiler"}', "there is no C compiler"),
        ('{"compiled": ["batonmq/message.so"], "reason": null}', "its libraries are for another Python"),
        (None, "it runs from its sources"),
    ],
)
def test_who_asks_is_told_why_the_sources_run(beside: Path, kept: str | None, reason: str) -> None:
    (beside / "batonmq" / f"message{EXTENSION_SUFFIXES[0]}").unlink()
    (beside / "batonmq" / "built.json").unlink(missing_ok=True)
    (beside / "batonmq" / "purity.py").unlink()
    (beside / "batonmq" / "purity.py").write_text((ROOT / "src/batonmq/purity.py").read_text())
    if kept is not None:
        (beside / "batonmq" / "built.json").write_text(kept)
    assert run(beside, "from batonmq.purity import why_pure; print(why_pure())") == reason


# ---------------------------------------------------------------------- what may be compiled


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    """All modules of the package, by their names."""
    return {
        path.relative_to(ROOT / "src").with_suffix("").as_posix().replace("/", "."): ast.parse(path.read_text("utf-8"))
        for path in (ROOT / "src" / "batonmq").rglob("*.py")
    }


@pytest.fixture(scope="module")
def compiled() -> set[str]:
    """Those that are to be compiled."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    listed = settings["targets"]["wheel"]["hooks"]["custom"]["modules"]
    return {path.removesuffix(".py").replace("/", ".") for path in hook.chosen(ROOT / "src", listed)}


def imported(tree: ast.Module, *, to_run: bool) -> dict[str, str]:
    """What the module has of others, by the name it has here, ``to_run`` without what it imports for its types."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not to_run:
            found |= imported(ast.Module(node.body, []), to_run=False)
        elif isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    return found


def test_a_family_of_classes_is_compiled_as_a_whole(modules: dict[str, ast.Module], compiled: set[str]) -> None:
    # A class of Python's does not see what a compiled base keeps, and a compiled one is slow above one of Python's.
    apart = []
    for name, tree in modules.items():
        here = imported(tree, to_run=False)
        for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            for written in (ast.unparse(base).partition("[")[0] for base in node.bases):
                first, dot, attribute = written.partition(".")
                base = f"{here.get(first, '')}{dot}{attribute}"
                family = base.rpartition(".")[0]
                if f"{family}.__init__" in modules:
                    package = imported(modules[f"{family}.__init__"], to_run=False)
                    family = package.get(base.rpartition(".")[2], "").rpartition(".")[0]
                if family not in modules or (family in compiled) == (name in compiled):
                    continue
                (found,) = (one for one in modules[family].body if getattr(one, "name", "") == base.rpartition(".")[2])
                open_to_all = [ast.unparse(mark) for mark in getattr(found, "decorator_list", [])]
                if "mypyc_attr(allow_interpreted_subclasses=True)" not in open_to_all:
                    apart.append(f"{name}.{node.name} is a {base}")
    assert not apart


def test_the_types_of_compiled_records_are_there_when_they_run(
    modules: dict[str, ast.Module], compiled: set[str]
) -> None:
    # mypyc looks them up when a dataclass or a NamedTuple is made, whatever __future__ says.
    missing = []
    for name in compiled:
        for_types = imported(modules[name], to_run=False).keys() - imported(modules[name], to_run=True).keys()
        for node in (node for node in modules[name].body if isinstance(node, ast.ClassDef)):
            marks = [ast.unparse(mark) for mark in [*node.decorator_list, *node.bases]]
            if any(mark.startswith(("dataclass", "NamedTuple", "TypedDict")) for mark in marks):
                said = [ast.unparse(field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)]
                missing += [f"{name}.{node.name}: {one}" for one in said if one.partition("[")[0] in for_types]
    assert not missing


def test_nothing_that_is_compiled_is_based_on_abc_or_refers_weakly(
    modules: dict[str, ast.Module], compiled: set[str]
) -> None:
    # Above a base of Python's, a class seems to have weak references, which lead nowhere when its object is gone.
    found = []
    for name in compiled:
        found += [f"{name}: weakref" for each in imported(modules[name], to_run=True).values() if "weakref" in each]
        for node in (node for node in ast.walk(modules[name]) if isinstance(node, ast.ClassDef)):
            found += [f"{name}.{node.name}: ABC" for base in node.bases if ast.unparse(base) == "ABC"]
    assert not found
