"""batonmq check"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import shown
from batonmq.cli.progress import Progress
from batonmq.cli.store_files import CANNOT_LOOK, StorePlace, file_argument, place_of
from batonmq.cli.tables import table

if TYPE_CHECKING:
    from batonmq.store.checking import Report

__all__ = ["check"]

DAMAGED = 1


@click.command(short_help="Check a store for damage.")
@file_argument
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def check(context: click.Context, file: Path, as_json: bool) -> None:
    """Check a store for damage: its pages, log, definitions, every message, and users.

    Nothing is changed, and a process that has the file open is not disturbed. Exit code 0: no damage; 1: something is
    damaged; 2: the store cannot be read.

    \b
    Examples:
      batonmq check data
      batonmq check orders.db --json
    """
    from batonmq.errors import StoreError
    from batonmq.store.checking import Problem, Report, check_file

    place = place_of(file)
    try:
        if place.file.exists():
            with Progress("read") as progress:
                report = check_file(str(place.file), progress.advance)
        else:
            report = Report(
                str(place.file), problems=[Problem("file", "it is gone, and its log (-wal) or users are there")]
            )
    except StoreError as error:
        raise Failure(str(error), CANNOT_LOOK) from None
    if (fault := _fault_of_users(place)) is not None:
        report.problems.append(Problem("users", fault))
    if as_json:
        click.echo(json.dumps({"whole": report.is_whole, **dataclasses.asdict(report)}, indent=2))
    else:
        _tell(report, place)
    context.exit(0 if report.is_whole else DAMAGED)


def _fault_of_users(place: StorePlace) -> str | None:
    from batonmq.server.failures import ConfigError

    try:
        if place.users is not None:
            return place.users.load().doubt or None
    except ConfigError as error:
        return str(error)
    return None


def _tell(report: Report, place: StorePlace) -> None:
    if report.queues:
        head = ("QUEUE", "VIRTUAL HOST", "WHOLE", "DAMAGED")
        rows = [(one.queue, one.vhost, f"{one.messages:,}", f"{one.damaged:,}") for one in report.queues]
        click.echo(table(head, rows, right=(2, 3)))
    for problem in report.problems:
        click.echo(shown(f"{problem.where}: {problem.what}"))
    for one in report.queues:
        for name in one.ids:
            click.echo(shown(f"damaged in {one.queue}: {name}"))
    size = f"{report.size:,} bytes" + (f", format {report.format}" if report.format else "")
    if report.is_whole:
        users = "" if place.users is None else ", with its users"
        click.echo(shown(f"{report.path} is whole{users}: {size}"))
    elif report.problems[0].where != "users" or len(report.problems) > 1:
        count = len(report.problems)
        said = "1 thing is" if count == 1 else f"{count:,} things are"
        click.echo(shown(f"{report.path} is damaged ({size}): {said} not whole; `batonmq repair` saves the rest"))
