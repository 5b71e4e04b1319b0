"""batonmq outbox: creates, counts and relays the table of an outbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import say
from batonmq.cli.options import chosen_url, url_option, without_password
from batonmq.cli.tables import counted, table
from batonmq.errors import BatonError

if TYPE_CHECKING:
    from batonmq.api.outbox.database import Database

__all__ = ["outbox"]

log = logging.getLogger("batonmq.outbox")

DATABASE = click.argument("database", metavar="DATABASE")


@click.group(short_help="Relay an outbox, or see what waits in it.")
def outbox() -> None:
    """The table batonmq_outbox of an application's own database, into which it writes messages with mq.outbox().

    DATABASE is the path of a file of SQLite, sqlite:///shop.db, or postgresql://user:password@host/name.
    """


@outbox.command()
@DATABASE
@click.option("--sql", is_flag=True, help="Print the statement, and do nothing. DATABASE may be: sqlite, postgresql.")
def create(database: str, sql: bool) -> None:
    """Create the table in DATABASE, unless it exists."""
    from batonmq.api.outbox.table import create_statements
    from batonmq.contrib.outbox import create_table

    if sql:
        dialect = database.partition(":")[0].partition("+")[0]
        click.echo(";\n".join(create_statements("postgresql" if dialect.startswith("postgres") else "sqlite")) + ";")
        return
    with _opened(_opener(database)) as found, _told(database):
        create_table(found)
    say("the table batonmq_outbox is there")


@outbox.command("list")
@DATABASE
def list_waiting(database: str) -> None:
    """Show how many messages wait in DATABASE, for each queue."""
    from batonmq.contrib.outbox import waiting

    with _opened(_opener(database)) as opened, _told(database):
        found = waiting(opened)
    if not found:
        say("nothing waits")
        return
    now = time.time()
    rows = [(one.queue, f"{one.count:,}", f"{max(0.0, now - one.since):,.0f} s ago") for one in found]
    click.echo(table(("QUEUE", "MESSAGES", "OLDEST"), rows, right=(1,)))


@outbox.command()
@DATABASE
@click.option(
    "--once", is_flag=True, help="Relay the messages that wait now, and end. Default: continue until Ctrl-C or SIGTERM."
)
@url_option
@click.pass_context
def relay(context: click.Context, database: str, once: bool, url: str | None) -> None:  # noqa: ARG001 - its callback
    """Send the messages in DATABASE to their queues, in order. Several relays take turns.

    \b
    Examples:
      batonmq outbox relay shop.db --url orders.db
      batonmq outbox relay postgresql://shop@localhost/shop --url amqp://ann:secret@broker.example/shop
    """
    from batonmq.api.connections.connect import connect
    from batonmq.api.outbox.relaying import relay_now, relay_thread
    from batonmq.api.workers.synchronous import stop_on_signals
    from batonmq.server.logs import configure_logging

    configure_logging("info", "text")
    opener = _opener(database)
    where = chosen_url(context)
    try:
        with connect(where) as mq:
            if once:
                with _opened(opener) as opened, _told(database):
                    moved = relay_now(mq, opened)
                say(f"{counted(moved)} relayed")
                return
            with _opened(opener):
                pass
            log.info("relays what is in the outbox of %s to %s", without_password(database), without_password(where))
            stop = threading.Event()
            with stop_on_signals(stop):
                thread = relay_thread(mq, opener)
                while not stop.wait(0.25) and thread.is_alive:
                    pass
                thread.stop()
                thread.join()
            log.info("stopped")
    except (BatonError, ValueError) as error:
        raise Failure(f"{without_password(where)}: {error}") from None


def _opener(database: str) -> Callable[[], Database]:
    from batonmq.contrib.outbox.opening import opener_of

    try:
        return opener_of(database)
    except ValueError as error:
        raise Failure(f"{without_password(database)}: {error}", 2) from None


@contextmanager
def _opened(opener: Callable[[], Database]) -> Iterator[Database]:
    try:
        database = opener()
    except Exception as error:  # noqa: BLE001  (of whichever library)
        raise Failure(f"the database cannot be opened: {error}") from None
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _told(database: str) -> Iterator[None]:
    """An error of the library, in one line."""
    try:
        yield
    except (Failure, BatonError):
        raise
    except Exception as error:  # noqa: BLE001  (of whichever library)
        hint = ": `batonmq outbox create` makes the table" if "batonmq_outbox" in str(error) else ""
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Failure(f"{without_password(database)}: {first}{hint}") from None
