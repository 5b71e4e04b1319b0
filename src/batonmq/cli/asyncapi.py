"""batonmq asyncapi: a document with the messages and replies of a worker's handlers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batonmq.cli.failure import Failure
from batonmq.cli.loading import load_object

if TYPE_CHECKING:
    from batonmq.api.applications.worker import Worker

__all__ = ["asyncapi", "load_worker"]


@click.command(short_help="Describe the handlers of a worker.")
@click.argument("application", metavar="MODULE:NAME")
@click.option("--url", metavar="URL", help="The URL of the queues. Default: the worker's own")
@click.option("--title", metavar="TEXT", help="The title of the document. Default: MODULE:NAME")
@click.option("--api-version", metavar="TEXT", default="0.1.0", show_default=True, help="The application's version.")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the document to a file. Default: to stdout",
)
def asyncapi(application: str, url: str | None, title: str | None, api_version: str, output: Path | None) -> None:
    """Describe the handlers of a batonmq.Worker as an AsyncAPI 3.0 document, in JSON.

    It has a channel for each queue, an operation for each handler with its reply, and the schemas of the types that
    handlers take and return. It connects to nothing.

    \b
    Examples:
      batonmq asyncapi shop.worker:app
      batonmq asyncapi shop.worker:app --title Shop --api-version 2.3 -o asyncapi.json
    """
    from batonmq.api.applications.asyncapi import asyncapi_document

    worker = load_worker(application)
    try:
        document = asyncapi_document(worker, title=title or application, version=api_version, url=url)
    except ValueError as error:
        raise Failure(str(error), 2) from None
    text = json.dumps(document, indent=2)
    if output is None:
        click.echo(text)
        return
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise Failure(f"{output}: {error.strerror}") from None


def load_worker(said: str) -> Worker:
    """The worker MODULE:NAME, which has handlers. Raises Failure."""
    from batonmq.api.applications.worker import Worker

    found = load_object(said)
    if not isinstance(found, Worker):
        raise Failure(f"{said} is a {type(found).__name__}, not a batonmq.Worker", 2)
    if not found.queues:
        raise Failure(f"{said} has no handlers", 2)
    return found
