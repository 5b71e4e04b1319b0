"""Loads the object named by `module:name`."""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from pathlib import Path
from types import ModuleType

from batonmq.cli.failure import Failure

__all__ = ["load_object"]

log = logging.getLogger("batonmq.run")

EXAMPLE = "expected MODULE:NAME, as in shop.worker:app"


def load_object(said: str) -> object:
    """Import a module, from the current directory before anywhere else, and look for a name in it.

    Any error becomes a Failure of one line. The traceback of a module that cannot be imported is logged at debug.
    """
    module_name, colon, name = said.partition(":")
    if not colon or not name or not all(part.isidentifier() for part in module_name.split(".")):
        raise Failure(f"{EXAMPLE}, got {said!r}", 2)
    found: object = _import(module_name)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Failure(f"module {module_name!r} has no {name!r}", 2) from None
    return found


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # The module itself, or its package, is missing; otherwise it exists, and fails to import something else.
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise Failure(f"there is no module {error.name!r} in {here} or where Python looks", 2) from None
        raise _broken(name, error) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the module is not ours: it may raise anything)
        raise _broken(name, error) from None


def _broken(name: str, error: BaseException) -> Failure:
    log.debug("module %r cannot be imported", name, exc_info=error)
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}, line {error.lineno}"
        what = f"{type(error).__name__}: {error.msg}"
    else:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename}, line {frame.lineno}"
        what = "".join(traceback.format_exception_only(error)).strip().splitlines()[0]
    return Failure(f"module {name!r} cannot be imported: {what} ({where})")
