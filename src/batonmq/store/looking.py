"""A look at a file from outside, whoever has it open: nothing is written, locked or mended."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import apsw

from batonmq.errors import StoreError
from batonmq.store.leftovers import has_log
from batonmq.store.schema import rows
from batonmq.store.texts import from_file

__all__ = ["read_vhosts"]


def read_vhosts(path: str) -> set[str]:
    """The virtual hosts that the file knows of; none where there is no file. Raises StoreError."""
    if not Path(path).exists():
        return set()
    # Without a log nobody has it, and SQLite is not to make one.
    how = "mode=ro" if has_log(path) else "mode=ro&immutable=1"
    uri = f"file:{quote(str(Path(path).absolute()))}?{how}"
    try:
        db = apsw.Connection(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        try:
            db.set_busy_timeout(5000)
            return {from_file(name) for (name,) in rows(db, "SELECT DISTINCT vhost FROM definition WHERE vhost <> ''")}
        finally:
            db.close()
    except apsw.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from error
