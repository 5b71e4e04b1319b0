"""The errors of a store for those of SQLite."""

from __future__ import annotations

import apsw

from batonmq.errors import StoreCorrupt, StoreError

__all__ = ["DAMAGE", "damaged", "unreadable", "unwritable"]


DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.MismatchError, apsw.ConstraintError)
"""SQLite's errors for a damaged file: its pages, its schema, or its rows."""


def damaged(path: str, what: object) -> StoreCorrupt:
    """The error for a damaged file, which cannot be opened, or may be none of ours."""
    if isinstance(what, apsw.NotADBError):
        remedy = "if it was one, `batonmq repair` saves what is left of it in a new file"
        return StoreCorrupt(f"{path} is not a BatonMQ store; {remedy}")
    return StoreCorrupt(
        f"{path} is damaged: {what}; `batonmq check` tells what is whole, and `batonmq repair` saves it in a new file"
    )


def unreadable(path: str, error: apsw.Error) -> StoreError:
    """The error for a file that cannot be read."""
    return StoreError(f"cannot read {path}: {error}", f"the store cannot read: {error}")


def unwritable(path: str, error: apsw.Error) -> StoreError:
    """The error for a file that cannot be written."""
    return StoreError(f"cannot write {path}: {error}", f"the store cannot write: {error}")
