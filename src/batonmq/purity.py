"""Which modules run: those that were compiled, or the same ones as Python. docs/compiled.md says what that changes."""

from __future__ import annotations

import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    # mypyc recognizes them by their names.
    from mypy_extensions import i64, mypyc_attr
else:
    # A number that mypyc keeps in 64 bits, without checking that it fits.
    i64 = int

    def mypyc_attr(**_attributes: bool) -> Callable[[type], type]:
        """Attributes of a class for mypyc, without effect in Python."""
        return lambda cls: cls


__all__ = ["choose", "i64", "is_compiled", "mypyc_attr", "told", "why_pure"]

# One that is compiled wherever any is.
_ONE_OF_THEM = "batonmq.message"


class _Sources:
    """Finds the Python of each of the package's modules, whatever is beside it."""

    def __init__(self) -> None:
        self._folders: dict[str, FileFinder] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or not fullname.startswith("batonmq."):
            return None
        for folder in path:
            if folder not in self._folders:
                self._folders[folder] = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES))
            spec = self._folders[folder].find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
        # In an archive, for one: others find it there.
        return None


def choose() -> None:
    """Have Python take the sources, if the environment says so. Before any other module of the package is imported."""
    if _asked():
        sys.meta_path.insert(0, _Sources())


def is_compiled() -> bool:
    """Whether the compiled modules run."""
    spec = find_spec(_ONE_OF_THEM)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def why_pure() -> str | None:
    """Why Python's modules run, or None if the compiled ones do."""
    if is_compiled():
        return None
    if _asked():
        return "BATONMQ_PURE is set"
    import json
    from pathlib import Path

    try:
        built = json.loads(Path(__file__).with_name("built.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it runs from its sources"
    reason: str = built["reason"] or "its libraries are for another Python"
    return reason


def told() -> str:
    """Which modules run, for people: ``compiled``, or ``pure`` and why."""
    pure = why_pure()
    return f"pure: {pure}" if pure else "compiled"


def _asked() -> bool:
    return os.environ.get("BATONMQ_PURE", "") not in {"", "0"}
