"""Everything that a release needs, checked, short of uploading it.

python scripts/release.py             is this commit the release that its version says, and do its artefacts work?
python scripts/release.py --rehearse  builds and tries the artefacts of the tree as it is, whatever git says of it
python scripts/release.py --pure      without the compiled wheel: for a machine that has no C compiler

The version is written in one place, src/batonmq/version.py, so that a clone without tags, an archive of one and an
sdist build the same; the tag has to agree with it. What is built stays in dist/, or in the folder of ``--into``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "src/batonmq"

# What a stranger does first, with nothing of the repository at hand.
TRIAL = """
import os, sys
import batonmq, batonmq.management, batonmq.testing.plugin
from importlib.metadata import metadata
assert "site-packages" in batonmq.__file__, batonmq.__file__
with batonmq.connect("trial.db") as mq:
    mq.declare("orders")
    mq.send("orders", b"17")
with batonmq.connect("trial.db") as mq, mq.receiver("orders", until_empty=True) as receiver:
    bodies = []
    for delivery in receiver:
        with delivery:
            bodies.append(delivery.body)
assert bodies == [b"17"], bodies
print(metadata("batonmq")["Version"])
"""


class Refused(Exception):
    """Why this is no release; each reason says what to do."""


def version_in(root: Path) -> str:
    """What the sources call themselves."""
    found = re.search(r'^__version__ = "(.+)"$', (root / PACKAGE / "version.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise Refused(f"{PACKAGE}/version.py names no version: give it __version__")
    return found[1]


def check_ready(root: Path) -> None:
    """Raises Refused, with all reasons, unless the commit that is checked out is the release of its version."""
    version = version_in(root)
    reasons = []
    if changed := _git(root, "status", "--porcelain").splitlines():
        reasons.append(f"{len(changed)} files are not committed, {changed[0][3:]} first: commit or remove them")
    tags = _git(root, "tag", "--points-at", "HEAD").split()
    if f"v{version}" not in tags:
        there = ", ".join(tags) or "no tag"
        reasons.append(f"this commit has {there}, and its version is {version}: git tag -a v{version}")
    heading = re.search(rf"^## {re.escape(version)} \((.+)\)$", _read(root / "CHANGELOG.md"), re.MULTILINE)
    if heading is None:
        reasons.append(f"CHANGELOG.md has no section ## {version} (date): write it")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", heading[1]):
        reasons.append(f"CHANGELOG.md says '{heading[1]}' of {version}: put the date there, as 2027-01-31")
    if reasons:
        raise Refused("\n".join(reasons))


def build(root: Path, into: Path) -> tuple[Path, Path]:
    """The sdist and the pure wheel of a tree. Nothing is fetched: what builds is in the environment, from the lock."""
    _run([sys.executable, "-m", "hatchling", "build", "--directory", str(into)], root, BATONMQ_PURE="1")
    (sdist,), (wheel,) = into.glob("*.tar.gz"), into.glob("*.whl")
    return sdist, wheel


def build_compiled(root: Path, into: Path) -> Path:
    """The wheel with the compiled modules, for this Python on this system. Raises Refused where it has none."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into)]
    _run(command, root, BATONMQ_COMPILED="1")
    (wheel,) = (one for one in into.glob("*.whl") if not one.name.endswith("-any.whl"))
    return wheel


def check_contents(root: Path, sdist: Path, wheel: Path) -> None:
    """Raises Refused when a file of the package is missing in the wheel, or is there and should not be."""
    there = {one.relative_to(root / "src").as_posix() for one in _files(root / PACKAGE)}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    # What the build adds: which modules are compiled, or why none is; and their libraries.
    there.add("batonmq/built.json")
    compiled = {name for name in packed if name.endswith(".so")}
    if bool(compiled) == wheel.name.endswith("-any.whl"):
        raise Refused(f"{wheel.name} has {len(compiled)} compiled modules: see hatch_compile.py")
    missing, extra = sorted(there - packed), sorted(packed - there - compiled)
    if missing or extra:
        raise Refused(
            f"{wheel.name}: missing {missing}, and not of the package {extra}: see [tool.hatch] in pyproject.toml"
        )
    if "batonmq/py.typed" not in packed or not any(name.endswith(".html") for name in packed):
        raise Refused(f"{wheel.name} has no types (py.typed), or no web page (*.html)")
    with tarfile.open(sdist) as archive:
        names = {str(PurePosixPath(*PurePosixPath(one.name).parts[1:])) for one in archive if one.isfile()}
    needed = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "hatch_build.py",
        "hatch_compile.py",
        "PKG-INFO",
    }
    there.remove("batonmq/built.json")
    if lacking := sorted((needed | {f"src/{name}" for name in there}) - names):
        raise Refused(f"{sdist.name} lacks {lacking}: see [tool.hatch.build.targets.sdist] in pyproject.toml")
    if odd := sorted(name for name in names if "__pycache__" in name or name.endswith((".db", ".pyc"))):
        raise Refused(f"{sdist.name} has what no source is: {odd}")


def check_same(sdist: Path, wheel: Path, into: Path) -> None:
    """Raises Refused unless the sdist builds the very same wheel."""
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):  # since Python 3.11.4
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(into)  # noqa: S202 - it was built just now
    (tree,) = into.iterdir()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(into / "dist")]
    _run(command, tree, BATONMQ_PURE="1")
    (again,) = (into / "dist").glob("*.whl")
    first, second = (_hashes(one) for one in (wheel, again))
    if first != second:
        differing = sorted(name for name, _ in set(first.items()) ^ set(second.items()))
        raise Refused(f"the wheel of the sdist is another one: {differing}")


def try_out(wheel: Path, folder: Path) -> None:
    """Install the wheel into a new environment, beside what it depends on, and do what a stranger would do first."""
    home = folder / "venv"
    venv.create(home, with_pip=False)
    # Where lib64 leads to lib, both are the same.
    (packages,) = {found.resolve() for found in home.glob("[Ll]ib*/**/site-packages")}
    bin_ = home / ("Scripts" if sys.platform == "win32" else "bin")
    python = bin_ / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
    _run([*pip, "install", "--no-deps", "--no-index", str(wheel)], folder)
    # What it depends on is what this environment has of it; of the sources here nothing is seen.
    beside = Path(__import__("click").__file__).parent.parent
    (packages / "beside.pth").write_text(f"{beside}\n", encoding="utf-8")
    version = version_of(wheel)
    kind = "pure" if wheel.name.endswith("-any.whl") else "compiled"
    for command in ([str(bin_ / "batonmq")], [str(python), "-m", "batonmq"]):
        said = _run([*command, "--version"], folder)
        if f"{version} ({kind}" not in said:
            raise Refused(f"{' '.join(command)} --version says {said!r}, and the wheel is {version}, {kind}")
    if (said := _run([str(python), "-c", TRIAL], folder).strip()) != version:
        raise Refused(f"the package says of itself {said!r}, and the wheel is {version}")


def version_of(artefact: Path) -> str:
    """As its name has it."""
    return artefact.name.split("-")[1]


def main(arguments: Iterable[str] | None = None) -> int:
    """Check, build, try; the last lines say what is left to do."""
    parser = argparse.ArgumentParser(description="Check everything that a release needs, short of uploading it.")
    parser.add_argument("--rehearse", action="store_true", help="whatever git and the changelog say")
    parser.add_argument("--pure", action="store_true", help="without the wheel of compiled modules")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="where the artefacts go")
    asked = parser.parse_args(None if arguments is None else list(arguments))
    into: Path = asked.into.resolve()
    try:
        if not asked.rehearse:
            check_ready(ROOT)
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        sdist, wheel = build(ROOT, into)
        with tempfile.TemporaryDirectory() as folder:
            check_contents(ROOT, sdist, wheel)
            check_same(sdist, wheel, Path(folder, "again"))
            (empty := Path(folder, "trial")).mkdir()
            try_out(wheel, empty)
            built = [sdist, wheel]
            if not asked.pure:
                built.append(build_compiled(ROOT, into))
                check_contents(ROOT, sdist, built[-1])
                (empty := Path(folder, "compiled")).mkdir()
                try_out(built[-1], empty)
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    print("\n".join(str(one) for one in built))
    print("are whole, install and work. Nothing was uploaded: CONTRIBUTING.md says how.")
    return 0


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts]


def _hashes(wheel: Path) -> dict[str, int]:
    """Each file in it, with its checksum."""
    return {one.filename: one.CRC for one in zipfile.ZipFile(wheel).infolist()}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _git(root: Path, *arguments: str) -> str:
    return _run(["git", *arguments], root)


def _run(command: list[str], folder: Path, **environment: str) -> str:
    """What it prints. Raises Refused with all that it said when it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    around = {name: value for name, value in os.environ.items() if name not in {"BATONMQ_PURE", "BATONMQ_COMPILED"}}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=around | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
