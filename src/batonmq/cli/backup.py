"""batonmq backup"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import say
from batonmq.cli.progress import Progress
from batonmq.cli.store_files import CANNOT_LOOK, file_argument, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batonmq.cli.store_files import StorePlace

__all__ = ["backup"]


@click.command(short_help="Copy a store, with its users, while it is in use.")
@file_argument
@click.argument("to", metavar="TO", type=click.Path(path_type=Path))
def backup(file: Path, to: Path) -> None:
    """Make a consistent copy of a store: all that was confirmed before the command began is in it.

    Whoever has the store open goes on meanwhile. For a data directory, TO becomes a directory that includes the users;
    for a file, a file. TO must not exist. It appears only when it is complete and on the disk.

    \b
    Examples:
      batonmq backup data /backup/monday
      batonmq backup orders.db orders-monday.db
    """
    from batonmq.errors import StoreError
    from batonmq.store.backup import sync_path

    place = place_of(file)
    if os.path.lexists(to):
        raise Failure(f"{to} is there already", CANNOT_LOOK)
    try:
        with _unfinished(to) as folder:
            copy = folder / place.file.name
            _copy(place, copy)
            if place.users is None:
                # Unlike a rename, a link never replaces a file that somebody has created meanwhile.
                os.link(copy, to)
            else:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(place.users.path, folder / place.users.path.name)
                    sync_path(folder / place.users.path.name)
                shutil.copymode(file, folder)
                sync_path(folder)
                folder.rename(to)
            sync_path(to.absolute().parent)
    except FileExistsError:
        raise Failure(f"{to} is there already", CANNOT_LOOK) from None
    except StoreError as error:
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"{error.filename or to}: cannot be written: {error.strerror}") from None
    if place.users is None and (file.parent / "users.json").exists():
        say(f"the users beside it are not in the copy: `batonmq backup {file.parent} TO` takes them, too")


@contextlib.contextmanager
def _unfinished(to: Path) -> Iterator[Path]:
    """A folder beside the target, deleted at the end unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=f".{to.name}-unfinished-", dir=to.absolute().parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(place: StorePlace, copy: Path) -> None:
    from batonmq.store.backup import copy_store

    with Progress("MiB copied") as progress:
        copy_store(str(place.file), copy, lambda size: progress.advance((size >> 20) - progress.count))
