"""A store's file as an argument: the file itself, or the data directory of a broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from batonmq.cli.failure import Failure

if TYPE_CHECKING:
    from batonmq.server.users import UserFile

__all__ = ["StorePlace", "file_argument", "place_of"]

CANNOT_LOOK = 2

file_argument = click.argument("file", metavar="FILE_OR_DATA_DIR", type=click.Path(path_type=Path))


class StorePlace(NamedTuple):
    """Where a store is."""

    file: Path
    users: UserFile | None
    """The file of the users beside it; None: the argument names a file, which has no users."""


def place_of(said: Path) -> StorePlace:
    """Resolve an argument. Failure if nothing is there."""
    from batonmq.server.broker_server import STORE_NAME
    from batonmq.server.users import UserFile

    if not said.is_dir():
        if not said.exists():
            raise Failure(f"there is no {said}", CANNOT_LOOK)
        if not said.is_file():
            # Reading a pipe or a device may never end.
            raise Failure(f"{said} is no file", CANNOT_LOOK)
        return StorePlace(said, None)
    file = said / STORE_NAME
    users = UserFile(said)
    if not file.exists() and not users.path.exists() and not file.with_name(f"{STORE_NAME}-wal").exists():
        raise Failure(f"{said} is no data directory: there is no {STORE_NAME} in it", CANNOT_LOOK)
    return StorePlace(file, users)
