"""A virtual environment with the compiled modules, for who runs the broker or its tests from a clone.

python scripts/compiled.py build/compiled

There the package is installed as a wheel, with the compiled modules where they can be, and what it depends on is what
the environment of this Python has. It is built anew when any source is another than the one that it was built of, so
that nothing old runs; with nothing changed that takes a moment. Where nothing can be compiled it has the pure modules,
and one line says why; BATONMQ_COMPILED=1 has it fail instead.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hatch_compile import wanted, why_not  # noqa: E402

# What a wheel is made of, beside the sources.
SETTINGS = ("pyproject.toml", "hatch_build.py", "hatch_compile.py", "README.md", "LICENSE", "scripts/compiled.py")


def state(root: Path) -> str:
    """Of all that the wheel is made of, and of what makes it."""
    known = hashlib.sha256(f"{sys.version} {sys.prefix} {os.environ.get('CC')}".encode())
    # A compiler that is installed later is used.
    known.update(str(why_not()).encode())
    sources = [path for path in (root / "src").rglob("*") if path.is_file() and path.suffix not in {".pyc", ".so"}]
    for path in [*(root / name for name in SETTINGS), *sorted(sources)]:
        known.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return known.hexdigest()


def build(home: Path) -> None:
    """Make the environment anew."""
    with tempfile.TemporaryDirectory() as folder:
        kept = home.with_name(f"{home.name}-kept")
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        subprocess.run(  # noqa: S603
            command, cwd=ROOT, env={"BATONMQ_KEEP": str(kept)} | os.environ, check=True, stdout=subprocess.DEVNULL
        )
        (wheel,) = Path(folder).glob("*.whl")
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=False, symlinks=sys.platform != "win32")
        python = home / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(python)]
        subprocess.run(  # noqa: S603
            [*pip, "install", "--no-deps", "--no-index", "--no-compile", str(wheel)], cwd=ROOT, check=True
        )
    (packages,) = {path.resolve() for path in home.glob("[Ll]ib*/**/site-packages")}
    # As a plain line: what its own .pth files add, the sources above all, is not wanted.
    (packages / "beside.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")


def reason(home: Path) -> str | None:
    """Why the environment has the pure modules, or None."""
    (kept,) = {path.resolve() for path in home.glob("[Ll]ib*/**/site-packages/batonmq/built.json")}
    found: str | None = json.loads(kept.read_text(encoding="utf-8"))["reason"]
    return found


def main() -> int:
    """Build it if it is not what it should be."""
    home = (ROOT / sys.argv[1]).resolve()
    mark = home / "built-of"
    current = state(ROOT)
    if mark.exists() and mark.read_text(encoding="utf-8") == current:
        if not (wanted("BATONMQ_COMPILED") and reason(home)):
            return 0
    elif why_not() is None:
        print("Compiling BatonMQ; this is done once for each change of its sources.", file=sys.stderr)
    try:
        build(home)
    except subprocess.CalledProcessError as failed:
        print(f"{' '.join(failed.cmd)} failed", file=sys.stderr)
        return 1
    mark.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
