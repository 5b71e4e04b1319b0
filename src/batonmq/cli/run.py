"""batonmq run"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading

import click

from batonmq.cli.asyncapi import load_worker
from batonmq.cli.failure import Failure
from batonmq.cli.options import DEFAULT_URL, chosen_url, note_url, without_password
from batonmq.engines.openers import check_target
from batonmq.engines.tls import UnusableTls
from batonmq.engines.urls import parse_url
from batonmq.errors import BatonError

__all__ = ["run"]

log = logging.getLogger("batonmq.run")

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
# How long threads left behind by handlers may keep the process after the worker has stopped, in seconds.
EXIT_SECONDS = 2.0


@click.command(short_help="Run a worker.")
@click.argument("application", metavar="MODULE:NAME")
@click.option(
    "--url",
    callback=note_url,
    metavar="URL",
    help="Where the queues live: amqp://user:password@host:port/vhost, or a file. Default: BATONMQ_URL, or what the "
    f"worker itself says, or {DEFAULT_URL}",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many messages of each queue are handled at once. Default: as the handlers declare",
)
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long handlers may go on when the worker is told to stop. Default: the worker's own, or 25",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", help="How much to log to stderr. Default: info")
@click.option("--log-format", type=click.Choice(FORMATS), default="text", help="How lines are logged. Default: text")
@click.option("--plain", is_flag=True, help="Show no table of the messages being handled, even on a terminal.")
@click.pass_context
def run(
    context: click.Context,
    application: str,
    url: str | None,  # noqa: ARG001 - noted by its callback
    concurrency: int | None,
    drain: float | None,
    log_level: str,
    log_format: str,
    plain: bool,
) -> None:
    """Call the handlers of a batonmq.Worker for the messages of their queues, until Ctrl-C or SIGTERM.

    MODULE is imported from the current directory, or from where Python looks; NAME is the worker in it. A message is
    accepted when its handler returns, and comes again when it raises. Told to stop, the worker takes no more messages,
    lets handlers finish within the drain time, and gives back what they hold then; told again, it gives that back at
    once. On a terminal, a table below the log shows rates and the messages being handled.

    \b
    Examples:
      batonmq run shop.worker:app
      batonmq run shop.worker:app --url orders.db --concurrency 4
      batonmq run shop.worker:app --url amqp://ann:secret@broker.example/shop --drain 60
    """
    from batonmq.api.workers.policy import WorkerOptions
    from batonmq.cli.run_display import Display, Tally, can_redraw
    from batonmq.server.logs import configure_logging

    configure_logging(log_level, log_format)
    worker = load_worker(application)
    where = chosen_url(context, os.fspath(worker.url) if worker.url is not None else DEFAULT_URL)
    shown = without_password(where)
    _check_url(where, shown)
    try:
        WorkerOptions(concurrency=concurrency or 1, drain=drain or 0)
    except ValueError as error:
        raise Failure(f"--{error}", 2) from None
    log.info("runs %s on %s", application, shown)
    exit_code = 1
    tally = None
    try:
        with contextlib.ExitStack() as shown_meanwhile:
            if not plain and log_format == "text" and can_redraw(sys.stderr):
                known = {queue: concurrency or number for queue, number in worker.concurrencies.items()}
                tally = Tally(f"{application} on {shown}", known)
                shown_meanwhile.enter_context(Display(tally, sys.stderr))
            worker.run(where, concurrency=concurrency, drain=drain, watcher=tally)
        exit_code = 0
    except BatonError as error:
        raise Failure(f"{shown}: {error}") from None
    finally:
        _leave_soon(exit_code)
    log.info("stopped")


def _check_url(url: str, shown: str) -> None:
    try:
        check_target(parse_url(url))
    except UnusableTls as error:
        raise Failure(f"--url: {error}", 2) from None
    except ValueError as error:
        raise Failure(f"--url: {shown!r} cannot be read: {str(error).replace(url, shown)}", 2) from None


def _leave_soon(exit_code: int) -> None:
    """Leave within EXIT_SECONDS, even if handlers have left non-daemon threads that never end."""
    if all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate()):
        return
    timer = threading.Timer(EXIT_SECONDS, os._exit, (exit_code,))
    timer.daemon = True
    timer.start()
