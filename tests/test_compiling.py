"""What a wheel is made of: compiled modules where that is possible, and the pure ones with the reason where not."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
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
        command, cwd=project, env=around | environment, capture_output=True, text=True, check=False, timeout=500
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


@pytest.mark.timeout(600)
@pytest.mark.skipif(hook.why_not() is not None, reason=f"nothing is compiled here: {hook.why_not()}")
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
    sources = project / "src"
    before = hook.fingerprint(sources, [], [])
    (sources / "batonmq" / "one.py").write_text("class Other: pass")
    assert hook.fingerprint(sources, [], []) != before
    # What is compiled is read, although others where it stands are not.
    (sources / "batonmq" / "above").mkdir()
    above, beside = sources / "batonmq" / "above" / "hot.py", sources / "batonmq" / "above" / "other.py"
    above.write_text("")
    given = sources, ["batonmq/above/hot.py"], ["batonmq.above.*"]
    before = hook.fingerprint(*given)
    beside.write_text("x = 1")
    assert hook.fingerprint(*given) == before
    above.write_text("x = 1")
    assert hook.fingerprint(*given) != before


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


def test_where_what_was_compiled_cannot_be_kept_the_wheel_is_pure(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wheel, said = build(project, BATONMQ_KEEP=str(tmp_path / "file"))
    assert wheel is not None
    assert wheel.name == "batonmq-1-py3-none-any.whl"
    assert said.startswith("The wheel has the pure modules only: ")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which there is all that compiles; a test takes some of it away."""
    for variable in ("BATONMQ_PURE", "BATONMQ_COMPILED"):
        monkeypatch.delenv(variable, raising=False)
    compiler = tmp_path / "cc"
    compiler.symlink_to(sys.executable)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setattr(hook.sys, "platform", "linux")
    monkeypatch.setattr(hook.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(hook.sysconfig, "get_config_var", {"CC": str(compiler)}.get)
    include = Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        pytest.skip("Python's headers are missing")
    return monkeypatch


def test_what_compiles_is_asked_for_only_where_it_has_wheels(able: pytest.MonkeyPatch) -> None:
    # Where it has none, pip would compile it first, and the installation fail where that does.
    assert hook.why_not() is None
    able.setattr(hook.platform, "machine", lambda: "armv7l")
    assert hook.why_not().startswith("mypy has no wheels for ")
    able.setenv("BATONMQ_COMPILED", "1")
    assert hook.why_not() is None
    able.setenv("BATONMQ_COMPILED", "0")
    able.setattr(hook.platform, "machine", lambda: "x86_64")
    able.setattr(hook.sys, "platform", "freebsd14")
    assert hook.why_not().startswith("mypy has no wheels for ")


def test_a_compiler_of_no_name_is_the_one_that_python_was_made_with(able: pytest.MonkeyPatch) -> None:
    able.setenv("CC", " ")
    assert hook.why_not() is None


def test_without_the_headers_nothing_is_compiled(able: pytest.MonkeyPatch, tmp_path: Path) -> None:
    able.setattr(hook.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert hook.why_not() == "Python's headers are not installed: Python.h is missing"


def test_without_mypy_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mypy.version", None)
    with pytest.raises(hook.Impossible, match="mypy is not installed"):
        hook.fingerprint(ROOT / "src", [], [])


def test_a_library_that_cannot_be_loaded_is_not_put_into_a_wheel(tmp_path: Path) -> None:
    (tmp_path / f"batonmq__mypyc{EXTENSION_SUFFIXES[0]}").write_text("no library")
    with pytest.raises(hook.Impossible, match="what was compiled cannot be loaded; BATONMQ_COMPILED=1 shows it\n"):
        hook.check_loads(tmp_path)


def test_a_wheel_that_has_to_be_compiled_is_not_built_without(project: Path) -> None:
    wheel, said = build(project, BATONMQ_COMPILED="1", CC="no-such-compiler")
    assert wheel is None
    assert "The modules were not compiled: there is no C compiler: no-such-compiler is not installed" in said


@pytest.mark.timeout(600)
@pytest.mark.skipif(hook.why_not() is not None, reason=f"nothing is compiled here: {hook.why_not()}")
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


# ---------------------------------------------------------------------- in a clone


def test_an_environment_of_a_clone_is_built_anew_when_it_is_not_what_it_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = loaded("scripts/compiled.py")
    built: list[str | None] = []
    reason: str | None = "there is no C compiler"

    def build(home: Path) -> None:
        kept = home / "lib" / "python3" / "site-packages" / "batonmq" / "built.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"reason": reason}))
        built.append(reason)

    monkeypatch.setattr(script, "build", build)
    monkeypatch.setattr(script, "why_not", lambda: reason)
    monkeypatch.setattr(sys, "argv", ["compiled.py", str(tmp_path / "compiled")])
    monkeypatch.delenv("BATONMQ_COMPILED", raising=False)
    for _ in range(2):
        assert script.main() == 0
    assert built == ["there is no C compiler"]
    # Whoever cannot do without is told by the build.
    monkeypatch.setenv("BATONMQ_COMPILED", "1")
    script.main()
    assert len(built) == 2
    # A compiler that is installed later.
    reason = None
    for _ in range(2):
        script.main()
    assert built[2:] == [None]


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


def test_nothing_that_is_compiled_awaits(modules: dict[str, ast.Module], compiled: set[str]) -> None:
    """What it awaits would be cancelled in a way that Python has deprecated: an error where warnings are."""
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.YieldFrom)
    found = [
        f"{name}, line {node.lineno}"
        for name in sorted(compiled)
        for node in ast.walk(modules[name])
        if isinstance(node, waiting)
    ]
    assert found == []


def kinds_of_numbers(modules: dict[str, ast.Module]) -> set[str]:
    """The names of the package's classes that are based on int or float."""
    classes = [node for tree in modules.values() for node in tree.body if isinstance(node, ast.ClassDef)]
    return {node.name for node in classes if any(ast.unparse(base) in {"int", "float"} for base in node.bases)}


def test_what_is_compiled_chooses_between_no_kinds_of_numbers(
    modules: dict[str, ast.Module], compiled: set[str]
) -> None:
    # `UInt(1) if small else ULong(1)` is an int to mypy, and through an int comes a plain one. `type[int]` makes some.
    kinds = kinds_of_numbers(modules)
    assert {"UInt", "Float", "UnsignedInt", "Float32"} <= kinds
    found = []
    for name in compiled:
        for node in ast.walk(modules[name]):
            if isinstance(node, ast.IfExp):
                made = [each.func for each in (node.body, node.orelse) if isinstance(each, ast.Call)]
                numbers = [ast.unparse(each).rpartition(".")[2] for each in made]
                if kinds.intersection(numbers) and len(made) == 2 and kinds.union({"int", "float"}).issuperset(numbers):
                    found.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
            elif isinstance(node, ast.Subscript) and ast.unparse(node) in {"type[int]", "type[float]"}:
                found.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert not found


def held_as_tuples(tree: ast.Module) -> set[str]:
    """Attributes and variables that a module says hold tuples of a known length, or tables of them."""
    said = {
        (ast.unparse(node.target), ast.unparse(node.annotation))
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
    }
    said |= {
        (node.arg, ast.unparse(node.annotation))
        for node in ast.walk(tree)
        if isinstance(node, ast.arg)
        if node.annotation
    }
    aliases = {
        target: ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias" and node.value is not None
        for target in [ast.unparse(node.target)]
    }
    tuples = {alias for alias, value in aliases.items() if value.startswith("tuple[")}
    return {
        held
        for held, annotation in said
        if annotation != "TypeAlias"
        and ("tuple[" in annotation.replace(", ...]", "") or tuples.intersection(re.findall(r"\w+", annotation)))
        and not re.search(r"tuple\[[^,\[\]]+, \.\.\.\]", annotation)
    }


def taken_from(value: ast.expr) -> str:
    """Where a value is taken from: an attribute or a variable, perhaps out of a table."""
    while isinstance(value, ast.Call | ast.Subscript) or (
        isinstance(value, ast.Attribute) and value.attr in {"get", "pop"}
    ):
        value = value.func if isinstance(value, ast.Call) else value.value
    return ast.unparse(value)


def test_what_is_compiled_asks_no_tuple_whether_it_is_another(
    modules: dict[str, ast.Module], compiled: set[str]
) -> None:
    # A tuple of a known length is taken apart and put together again: each time it is another object.
    found = []
    for name in compiled:
        tuples = held_as_tuples(modules[name])
        for function in (node for node in ast.walk(modules[name]) if isinstance(node, ast.FunctionDef)):
            local = {
                ast.unparse(target)
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and taken_from(node.value) in tuples
                for target in node.targets
            }
            for node in (node for node in ast.walk(function) if isinstance(node, ast.Compare)):
                sides = [node.left, *node.comparators]
                if not isinstance(node.ops[0], ast.Is | ast.IsNot) or any(
                    isinstance(side, ast.Constant) for side in sides
                ):
                    continue
                if any(ast.unparse(side) in tuples | local for side in sides):
                    found.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert not found


def constants(tree: ast.Module) -> set[str]:
    """What a module says is never replaced: where it is compiled its value stands wherever it is used."""
    return {
        ast.unparse(node.target)
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Final")
    }


def test_no_test_replaces_a_constant_that_is_compiled(modules: dict[str, ast.Module], compiled: set[str]) -> None:
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        if "monkeypatch.setattr(" not in text:
            continue
        tree = ast.parse(text)
        here = imported(tree, to_run=True)
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            if "batonmq.compiled" in "".join(ast.unparse(mark) for mark in function.decorator_list):
                continue
            for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
                if ast.unparse(call.func) != "monkeypatch.setattr" or len(call.args) != 3:
                    continue
                owner, name = here.get(ast.unparse(call.args[0]), ""), ast.unparse(call.args[1]).strip("'")
                if owner in compiled and name in constants(modules[owner]):
                    found.append(f"{path.relative_to(ROOT)}:{call.lineno}: {owner}.{name}")
    assert not found
