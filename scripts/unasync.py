"""Makes the synchronous face of the API from its asynchronous source: ``--check`` only tells whether it is current."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "src" / "batonmq"

# The source, and what is made of it: a file, or a folder of files.
PAIRS = (
    ("api/asynchronous", "api/synchronous"),
    ("api/connections/asynchronous.py", "api/connections/synchronous.py"),
)

REPLACEMENTS = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"\basync (def|with|for)\b", r"\1"),
        (r"\bawait asyncio\.to_thread\(([\w.]+)(?:, )?", r"\1("),
        (r"\bawait ", ""),
        (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
        (r"\bAwaitable\[object\]", "object"),
        (r"\bAsync(Iterator|Iterable|Generator)\b", r"\1"),
        (r"\bStopAsyncIteration\b", "StopIteration"),
        (r"\basynchronous\b", "synchronous"),
        (r"\bAsynchronous\b", "Synchronous"),
        (r"  # noqa: ASYNC\d+", ""),
        (r"\b(get|wait)_async\b", r"\1"),
        (r"\bfor event loops\b", "for threads"),
        (r"\bfor one event loop\b", "for threads"),
        (r"\bbatonmq\.aio\b", "batonmq"),
        (r"\basyncio\.Event\b", "threading.Event"),
        (r"^import asyncio$", "import asyncio\nimport threading"),
    )
)
NOTICE = "# Generated from {source} by scripts/unasync.py: change that file instead.\n"


def translate(text: str) -> str:
    """Asynchronous source as synchronous source."""
    for pattern, replacement in REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


def formatted(text: str, target: Path) -> str:
    """As the project's formatter and import order have it."""
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--fix-only", "--quiet", "--select", "I,F401"], ["format", "--quiet"]):
        run = subprocess.run(  # noqa: S603
            [*ruff, *command, "--stdin-filename", str(target), "-"],
            input=text,
            text=True,
            capture_output=True,
            check=True,
        )
        text = run.stdout
    return text


def generated() -> dict[Path, str]:
    """Every file that is made, and its text."""
    found: dict[Path, str] = {}
    for source_name, target_name in PAIRS:
        source, target = ROOT / source_name, ROOT / target_name
        pairs = [(source, target)]
        if source.is_dir():
            pairs = [(path, target / path.name) for path in sorted(source.glob("*.py"))]
        for path, made in pairs:
            notice = NOTICE.format(source=path.relative_to(ROOT).as_posix())
            text = translate(path.read_text(encoding="utf-8"))
            found[made] = formatted(notice + text, made)
    return found


def main() -> int:
    """Write the files, or check them."""
    stale = 0
    for path, text in generated().items():
        current = path.read_text(encoding="utf-8") if path.exists() else ""
        if current == text:
            continue
        if "--check" in sys.argv[1:]:
            stale += 1
            before, after = current.splitlines(), text.splitlines()
            lines = difflib.unified_diff(before, after, str(path), "generated", lineterm="", n=1)
            print("\n".join(lines))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"{stale} files are not what their asynchronous source says: run scripts/unasync.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
