"""What a store says when SQLite cannot do what it asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batonmq.errors import StoreError

if TYPE_CHECKING:
    import apsw

__all__ = ["unreadable", "unwritable"]


def unreadable(path: str, error: apsw.Error) -> StoreError:
    """The store's file cannot be read."""
    return StoreError(f"cannot read {path}: {error}", f"the store cannot read: {error}")


def unwritable(path: str, error: apsw.Error) -> StoreError:
    """The store's file cannot be written."""
    return StoreError(f"cannot write {path}: {error}", f"the store cannot write: {error}")
