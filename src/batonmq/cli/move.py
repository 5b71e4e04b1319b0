"""batonmq move"""

from __future__ import annotations

import contextlib
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import QUEUE, say, shown
from batonmq.cli.options import without_password

if TYPE_CHECKING:
    from batonmq.cli.moving.messages import Moved
    from batonmq.cli.moving.places import Place
    from batonmq.cli.moving.plan import Plan

__all__ = ["move"]

# How often a move with --follow looks for new messages, in seconds.
LOOK_SECONDS = 1.0


@click.command(short_help="Take queues and messages to another broker.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--queue", "queues", multiple=True, type=QUEUE, help="Only this queue; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Continue even if something is lost. Needed without a terminal.")
@click.option("--follow", is_flag=True, help="Keep moving new messages, until Ctrl-C.")
@click.option("--definitions-only", is_flag=True, help="Leave the messages where they are.")
@click.option(
    "--management-url", metavar="URL", help="The HTTP API of TO: http://user:password@host:15672. For policies."
)
@click.option("--from-management-url", metavar="URL", help="The HTTP API of FROM, a RabbitMQ, to list what is there.")
@click.pass_context
def move(
    context: click.Context,
    source: str,
    target: str,
    queues: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    follow: bool,
    definitions_only: bool,
    management_url: str | None,
    from_management_url: str | None,
) -> None:
    """Take queues, exchanges, bindings, policies and messages from one place to another.

    FROM and TO are URLs of brokers, files with queues, or the data directory of a broker that is stopped. It first
    shows what it will do, and what the other side cannot take. A message leaves FROM when TO has confirmed it: the
    command can be interrupted and run again at any time.

    \b
    Examples:
      batonmq move orders.db amqp://ann:secret@cluster.example/ --dry-run
      batonmq move orders.db amqp://ann:secret@cluster.example/
      batonmq move amqp://guest:guest@old/ amqp://guest:guest@new/ --follow
    """
    from batonmq.cli.moving.plan import plan_of
    from batonmq.errors import BatonError

    with contextlib.ExitStack() as opened:
        try:
            there = opened.enter_context(_place(context, "FROM", source, from_management_url, makes_file=False))
            here = opened.enter_context(_place(context, "TO", target, management_url, makes_file=not dry_run))
            plan = plan_of(here, there.found(queues))
            for line in plan.lines(there, here):
                say(line)
            if dry_run:
                return
            if plan.refused:
                raise Failure("nothing was moved: what cannot be made there is left out by naming the others: --queue")
            if plan.lost and not yes:
                _ask()
            _define(here, plan)
            if not definitions_only:
                _move_messages(there, here, plan, follow=follow)
        except BatonError as error:
            raise Failure(without_password(str(error)) if "://" in str(error) else str(error)) from None


def _ask() -> None:
    if not sys.stdin.isatty():
        raise Failure("something would be lost: --yes goes on all the same")
    if not click.confirm("Go on?", err=True):
        raise Failure("nothing was moved")


# ---------------------------------------------------------------------- the two places


@contextlib.contextmanager
def _place(
    context: click.Context, which: str, said: str, management: str | None, *, makes_file: bool
) -> Iterator[Place]:
    """Open a place. In that of a new file, where none is to be made, are queues in memory, which can as much."""
    from batonmq.api.connections.connect import open_engine
    from batonmq.cli.http import HttpApi
    from batonmq.cli.moving.places import Place, data_file
    from batonmq.engines.urls import parse_url
    from batonmq.errors import BatonError
    from batonmq.server.broker_server import STORE_NAME

    hidden = without_password(said) if "://" in said else said
    try:
        target = parse_url(data_file(said, STORE_NAME) if "://" not in said else said)
    except ValueError as error:
        raise Failure(f"{which}: {hidden!r} cannot be read: {str(error).replace(said, hidden)}", 2) from None
    if target.engine == "memory":
        raise Failure(f"{which}: queues in memory are those of one program", 2)
    if target.engine == "file" and not makes_file and not Path(target.location).exists():
        if which == "FROM":
            raise Failure(f"{which}: there is no file {target.location!r}", 2)
        if not Path(target.location).absolute().parent.is_dir():
            raise Failure(f"{which}: there is no folder for {target.location!r}", 2)
        target = parse_url("memory:")
    api = HttpApi(context, management) if management else None
    vhost = unquote(urlsplit(said).path[1:]) or "/" if target.engine not in ("file", "memory") else "/"
    try:
        engine = open_engine(target)
    except (BatonError, ValueError, OSError, ssl.SSLError) as error:
        raise Failure(f"{which}: {hidden}: {str(error).replace(said, hidden)}") from None
    try:
        yield Place(hidden, engine, vhost, api)
    finally:
        with contextlib.suppress(BatonError):
            engine.close()


# ---------------------------------------------------------------------- the steps


def _define(here: Place, plan: Plan) -> None:
    from batonmq.cli.moving.files import take_into_file
    from batonmq.engines.embedded.engine import EmbeddedEngine

    if isinstance(here.engine, EmbeddedEngine):
        for line in take_into_file(here.engine, plan.found):
            click.echo(shown(line), err=True)
        return
    if here.has_policies:
        # Before the queues, so that each starts with its final settings.
        for line in here.make_policies(list(plan.found.policies)):
            say(f"{line} is set")
    for queue, declared, is_there in plan.queues:
        if not is_there:
            here.make_queue(queue, declared)
            say(f"queue {queue.name} is made")
    for line in here.make_routing(plan.found):
        say(f"{line} is made")


def _move_messages(there: Place, here: Place, plan: Plan, *, follow: bool) -> None:
    from batonmq.api.workers.synchronous import stop_on_signals
    from batonmq.cli.moving.messages import Moved
    from batonmq.cli.progress import Progress

    names = [queue.name for queue, _, _ in plan.queues]
    stopping = threading.Event()
    # What is on its way at the first signal still arrives; the second does not wait for it.
    with stop_on_signals(stopping, interrupts=True), Progress("moved", plan.messages) as progress:
        moved = Moved(progress.advance, _warn, waits=follow)
        stays = _move_once(there, here, names, moved, stopping)
        if follow and not stopping.is_set():
            say("follows; Ctrl-C ends it")
            while not stopping.is_set():
                count = progress.count
                stays = _move_once(there, here, names, moved, stopping)
                if progress.count == count:
                    stopping.wait(LOOK_SECONDS)
    say(f"{progress.count:,} {'message was' if progress.count == 1 else 'messages were'} moved")
    if moved.aside:
        say(f"{moved.aside:,} could not be moved, and wait in queues beside their own, named like them with .unmoved")
    if stopping.is_set() and not follow:
        raise Failure("interrupted: run it again, and it goes on")
    if stays:
        why = "" if here.engine.capabilities.delay else f", as {here.kind} has no delays"
        say(f"{stays:,} delayed ones stay{why}: run it again when they are due, or with --follow")
    _tell_what_is_left(there, names)


def _warn(text: str) -> None:
    click.echo(shown(text), err=True)


def _move_once(there: Place, here: Place, names: list[str], moved: Moved, stopping: threading.Event) -> int:
    """Move all messages; returns how many delayed ones stay."""
    from batonmq.cli.moving.messages import Later, move_delayed, move_ready

    can, asks = there.engine.capabilities, there.is_ours or there.engine.capabilities.engine == "embedded"
    later: dict[str, Later] = {}
    for name in names:
        if stopping.is_set():
            break
        if not can.count or there.answered(there.engine.count(name)):
            move_ready(there, here, name, moved, stopping)
        if asks:
            later[name] = move_delayed(there, here, name, moved, stopping)
    # Messages that have fallen due meanwhile, or will in a moment.
    stopping.wait(max(0.0, max((one.until for one in later.values()), default=0.0) - time.time()))
    for name in later:
        if not stopping.is_set() and there.answered(there.engine.count(name)):
            move_ready(there, here, name, moved, stopping)
    return sum(one.stay for one in later.values())


def _tell_what_is_left(there: Place, names: list[str]) -> None:
    if not there.engine.capabilities.count:
        return
    left = {name: there.answered(there.engine.count(name)) for name in names}
    for name, count in left.items():
        if count:
            say(f"queue {name}: {count:,} are left: it is paused, or more have come meanwhile")
