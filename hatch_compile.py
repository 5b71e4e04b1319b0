"""Compiles the modules of the hot path with mypyc when a wheel is built, from the sources that run without it, too.

Which ones is said in pyproject.toml, [tool.hatch.build.targets.wheel.hooks.custom]. Where they cannot be compiled the
wheel is built without, one line says why, and the wheel keeps it (batonmq/built.json). In the environment of the build:

BATONMQ_PURE=1       compiles nothing
BATONMQ_COMPILED=1   what cannot be compiled ends the build
BATONMQ_KEEP=folder  keeps what was compiled there, and takes it again while the sources that it depends on are the same

mypyc writes a C file for each module. Together they are one library, batonmq__mypyc, and beside each source there is a
small one that leads into it. The C files are compiled in a few pieces of like size, at once: each by itself would have
the compiler read the declarations of all of them, which takes longer than the rest.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# -O2 takes half as long again.
OPTIMISED = "1"
PIECES = 4
# What each module's own library is: it has the one that all share make the module. What mypyc writes for the same
# purpose reads Python's headers, a hundred times, which takes as long as a third of the rest.
SHIM = """
typedef struct _object Object;
extern Object *PyImport_ImportModule(const char *);
extern Object *PyObject_GetAttrString(Object *, const char *);
extern void *PyCapsule_GetPointer(Object *, const char *);
extern void Py_DecRef(Object *);

__attribute__((visibility("default"))) Object *PyInit_{last}(void)
{{
    Object *library = PyImport_ImportModule("{library}");
    if (!library)
        return 0;
    Object *capsule = PyObject_GetAttrString(library, "init_{exported}");
    Py_DecRef(library);
    if (!capsule)
        return 0;
    Object *(*make)(void) = (Object *(*)(void))PyCapsule_GetPointer(capsule, "{library}.init_{exported}");
    Py_DecRef(capsule);
    return make ? make() : 0;
}}
"""
# What compiles. Asked for only where there is a C compiler, and where what mypy depends on has wheels: elsewhere pip
# would build these first, with Rust, and where that fails so does the installation.
NEEDED = ("mypy>=2.4", "setuptools>=77")
PLATFORMS = ("linux", "darwin")
MACHINES = ("aarch64", "arm64", "ppc64le", "riscv64", "x86_64")


class Impossible(Exception):
    """Why the modules are not compiled."""


class Compiled(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled modules to a wheel. An sdist has none, and neither has an editable installation."""

    def dependencies(self) -> list[str]:
        """Called by hatchling before it builds: what it needs beside the build system."""
        return [] if why_not() else list(NEEDED)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling, for each kind of wheel."""
        if version == "editable":
            return
        self.folder = Path(tempfile.mkdtemp(prefix="batonmq-"))
        reason = None
        try:
            libraries = self._libraries()
        except (Impossible, OSError) as impossible:
            reason, libraries = str(impossible), {}
            if wanted("BATONMQ_COMPILED"):
                self.app.abort(f"The modules were not compiled: {reason}")
            self.app.display_warning(f"The wheel has the pure modules only: {reason.splitlines()[0]}")
        told = {"compiled": sorted(libraries), "reason": reason and reason.splitlines()[0]}
        (self.folder / "built.json").write_text(f"{json.dumps(told)}\n", encoding="utf-8")
        added = build_data["force_include"]
        added[str(self.folder / "built.json")] = "batonmq/built.json"
        added.update({str(path): name for name, path in libraries.items()})
        if libraries:
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the wheel is written."""
        if version != "editable":
            shutil.rmtree(self.folder, ignore_errors=True)

    def _libraries(self) -> dict[str, Path]:
        """Each library by its name in the wheel. Raises Impossible."""
        if reason := why_not():
            raise Impossible(reason)
        sources = Path(self.root, "src")
        modules = chosen(sources, self.config["modules"])
        unread: list[str] = self.config["unread"]
        kept = os.environ.get("BATONMQ_KEEP")
        into = Path(kept, fingerprint(sources, modules, unread)) if kept else self.folder / "compiled"
        if not (into / "lib").is_dir():
            if kept:
                shutil.rmtree(kept, ignore_errors=True)
            into.mkdir(parents=True)
            asked = {"sources": str(sources), "modules": modules, "unread": unread}
            # In a process of its own: mypyc ends its process with what is wrong.
            command = [sys.executable, str(Path(__file__).resolve()), str(into)]
            done = subprocess.run(  # noqa: S603
                command, input=json.dumps(asked), capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise Impossible(f"compiling failed; BATONMQ_COMPILED=1 shows it\n{done.stdout}{done.stderr}".rstrip())
            check_loads(into / "made")
            (into / "made").rename(into / "lib")
        made = into / "lib"
        return {path.relative_to(made).as_posix(): path for path in made.rglob("*") if path.is_file()}


def wanted(variable: str) -> bool:
    """Whether it is set, and not to 0."""
    return os.environ.get(variable, "") not in {"", "0"}


def why_not() -> str | None:
    """Why nothing is compiled, without having tried."""
    if wanted("BATONMQ_PURE"):
        return "BATONMQ_PURE is set"
    if sys.implementation.name != "cpython" or sys.platform == "win32":
        return f"{platform.python_implementation()} on {platform.system()} is not compiled for"
    if not wanted("BATONMQ_COMPILED") and not has_wheels():
        return f"mypy has no wheels for {platform.system()} on {platform.machine()}; BATONMQ_COMPILED=1 tries without"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "a Python without the interpreter's lock is not compiled for"
    compiler = (os.environ.get("CC", "").split() or (sysconfig.get_config_var("CC") or "cc").split())[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler: {compiler} is not installed"
    if not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        return "Python's headers are not installed: Python.h is missing"
    return None


def has_wheels() -> bool:
    """Whether what compiles can be installed here without compiling it."""
    android = hasattr(sys, "getandroidapilevel")
    return sys.platform in PLATFORMS and platform.machine() in MACHINES and not android


def chosen(sources: Path, patterns: list[str]) -> list[str]:
    """The files of the modules that the patterns name, relative to the sources; one with ! before it takes away."""
    found: set[str] = set()
    for pattern in patterns:
        named = {path.relative_to(sources).as_posix() for path in sources.glob(pattern.removeprefix("!"))}
        named = {path for path in named if not path.endswith("/__init__.py")}
        if not named:
            raise ValueError(f"pyproject.toml: no module to compile is named {pattern!r}")
        found = found - named if pattern.startswith("!") else found | named
    return sorted(found)


def fingerprint(sources: Path, modules: list[str], unread: list[str]) -> str:
    """Of all that decides what is compiled: the sources that mypyc reads, and what it and the C compiler are.

    What is compiled itself is read, wherever it stands.
    """
    try:
        from mypy.version import __version__
    except ImportError:
        raise Impossible("mypy is not installed") from None
    known = hashlib.sha256(json.dumps([modules, unread, __version__, sys.version, os.environ.get("CC")]).encode())
    known.update(Path(__file__).read_bytes())
    skipped = tuple(f"{name.removesuffix('.*').replace('.', '/')}" for name in unread)
    for path in sorted(sources.rglob("*.py")):
        name = path.relative_to(sources).as_posix()
        if name in modules or not name.removesuffix(".py").startswith(skipped):
            known.update(f"{name}\n".encode() + path.read_bytes())
    return known.hexdigest()[:16]


def compile_modules(into: Path, sources: Path, modules: list[str], unread: list[str]) -> None:
    """Have the modules' libraries below ``into / "made"``."""
    # First of all: mypyc goes by what setuptools does to distutils.
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    try:
        from mypyc.build import mypycify
        from mypyc.namegen import exported_name
    except ImportError:
        sys.exit("mypy is not installed")

    class Building(build_ext):
        def build_extensions(self) -> None:
            self.compiler.compile = at_once(self.compiler)
            super().build_extensions()

    settings = into / "mypy.ini"
    skipped = f"[mypy-{','.join(unread)}]\nfollow_imports = skip\n" if unread else ""
    settings.write_text(
        "[mypy]\nignore_missing_imports = True\nexplicit_package_bases = True\nnamespace_packages = True\n"
        f"mypy_path = {sources}\ncache_dir = {into / 'types'}\n{skipped}",
        encoding="utf-8",
    )
    os.chdir(sources)
    extensions = mypycify(
        [f"--config-file={settings}", *modules],
        opt_level=OPTIMISED,
        debug_level="0",
        multi_file=True,
        target_dir=str(into),
        group_name="batonmq",
    )
    for extension in extensions[1:]:
        Path(extension.sources[0]).write_text(
            SHIM.format(
                last=extension.name.rpartition(".")[2],
                library=extensions[0].name,
                exported=exported_name(extension.name),
            ),
            encoding="utf-8",
        )
    extensions[0].sources = in_pieces(into, [Path(path) for path in extensions[0].sources])
    for extension in extensions:
        # Warnings of compilers that mypyc does not know are no reason to do without.
        extension.extra_compile_args = [one for one in extension.extra_compile_args if one != "-Werror"]
    command = Building(Distribution({"name": "batonmq", "ext_modules": extensions}))
    command.build_lib, command.build_temp = str(into / "made"), str(into / "objects")
    command.parallel = os.cpu_count() or 1
    command.ensure_finalized()
    command.run()


def check_loads(made: Path) -> None:
    """Raises Impossible unless this Python can load all of the libraries: what cannot be must not get into a wheel."""
    program = (
        "import ctypes, pathlib, sys; import batonmq__mypyc; "
        "[ctypes.PyDLL(str(path)) for path in pathlib.Path(sys.argv[1]).rglob('batonmq/**/*') if path.is_file()]"
    )
    # -S: what is installed may have a library of that name, too.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-S", "-c", program, str(made)],
        env=os.environ | {"PYTHONPATH": str(made)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Impossible(f"what was compiled cannot be loaded; BATONMQ_COMPILED=1 shows it\n{done.stderr}".rstrip())


def in_pieces(into: Path, files: list[Path]) -> list[str]:
    """Files that include the others: those of modules in a few, and the rest, which is mypyc's own, in one more."""
    pieces: list[list[Path]] = [[] for _ in range(PIECES)]
    sizes = [0] * PIECES
    own = [path for path in files if path.name.startswith("__native")]
    for path in sorted(own, key=lambda one: (-one.stat().st_size, one.name)):
        smallest = sizes.index(min(sizes))
        pieces[smallest].append(path)
        sizes[smallest] += path.stat().st_size
    rest = [path for path in files if path not in own]
    names = []
    for number, piece in enumerate(piece for piece in [*pieces, rest] if piece):
        name = into / f"piece{number}.c"
        # By their names alone: where the folder is does not matter to what is compiled.
        text = "".join(f'#include "{path.relative_to(into).as_posix()}"\n' for path in sorted(piece))
        name.write_text(text, encoding="utf-8")
        names.append(str(name))
    return names


def at_once(compiler: Any) -> Any:  # noqa: ANN401
    """The method of distutils' compilers that compiles the sources of a library, with all of them at once."""

    def compile_all(
        sources: list[str],
        output_dir: str | None = None,
        macros: list[Any] | None = None,
        include_dirs: list[str] | None = None,
        debug: bool = False,
        extra_preargs: list[str] | None = None,
        extra_postargs: list[str] | None = None,
        depends: list[str] | None = None,
    ) -> list[str]:
        macros, objects, after, options, to_build = compiler._setup_compile(  # noqa: SLF001
            output_dir, macros, include_dirs, sources, depends, extra_postargs
        )
        before = compiler._get_cc_args(options, debug, extra_preargs)  # noqa: SLF001

        def one(name: str) -> None:
            source, extension = to_build[name]
            compiler._compile(name, source, extension, before, after, options)  # noqa: SLF001

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            list(pool.map(one, [name for name in objects if name in to_build]))
        return list(objects)

    return compile_all


if __name__ == "__main__":
    question = json.load(sys.stdin)
    compile_modules(Path(sys.argv[1]), Path(question["sources"]), question["modules"], question["unread"])
