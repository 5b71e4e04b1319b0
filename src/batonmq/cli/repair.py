"""batonmq repair"""

from __future__ import annotations

import json
from pathlib import Path

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import say, shown
from batonmq.cli.progress import Progress
from batonmq.cli.store_files import CANNOT_LOOK, file_argument, place_of
from batonmq.cli.tables import counted

__all__ = ["repair"]


@click.command(short_help="Save what can be saved of a damaged file.")
@file_argument
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was saved and what is lost in JSON.")
def repair(file: Path, new: Path, as_json: bool) -> None:
    """Save what can be saved of a damaged file to the file NEW, and list what is lost.

    The damaged file stays as it is; no process may have it open. NEW must not exist. While it works, the disk of NEW
    needs room for two copies. Messages whose queue is lost go to a queue recovered.N.

    \b
    Example:
      batonmq repair data/batonmq.db saved.db
    """
    from batonmq.errors import StoreError
    from batonmq.store.repairing import repair_file

    place = place_of(file)
    try:
        with Progress("saved") as progress:
            saved = repair_file(str(place.file), new, progress.advance)
    except StoreError as error:
        raise Failure(str(error), CANNOT_LOOK) from None
    except OSError as error:
        raise Failure(f"{error.filename or new}: {error.strerror}", CANNOT_LOOK) from None
    lost = sum(map(len, saved.lost.values()))
    if as_json:
        found = [
            {
                "vhost": vhost,
                "queue": queue,
                "saved": saved.kept.get((vhost, queue), 0),
                "lost": saved.lost.get((vhost, queue), []),
            }
            for vhost, queue in sorted({*saved.kept, *saved.lost})
        ]
        click.echo(json.dumps({"file": str(new), "queues": found, "notes": saved.notes}, indent=2))
        return
    for (vhost, queue), count in sorted(saved.kept.items()):
        click.echo(shown(f"saved: {counted(count)} of queue {queue} in virtual host {vhost}"))
    for (vhost, queue), names in sorted(saved.lost.items()):
        click.echo(shown(f"lost: {counted(len(names))} of queue {queue} in virtual host {vhost}"))
        for name in names:
            click.echo(shown(f"  {name}"))
    for note in saved.notes:
        click.echo(shown(f"note: {note}"))
    say(f"{new} has {counted(sum(saved.kept.values()))}; {counted(lost)} are known to be lost")
