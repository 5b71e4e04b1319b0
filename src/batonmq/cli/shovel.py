"""batonmq shovel"""

from __future__ import annotations

import logging
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

import click

from batonmq.cli.failure import Failure
from batonmq.cli.names import QUEUE, say, shown
from batonmq.cli.options import without_password
from batonmq.engines.tls import UnusableTls
from batonmq.errors import ConnectionLost

if TYPE_CHECKING:
    from batonmq.shovels.ends import Local
    from batonmq.shovels.running import RunningShovel
    from batonmq.shovels.settings import End, ShovelSettings

__all__ = ["shovel"]

# How often progress is shown on a terminal, and in a file or pipe, in seconds.
SHOW_SECONDS, TELL_SECONDS = 0.5, 30.0
# A queue that has given nothing for so long counts as empty, in seconds. Consumers of Kafka take five to begin.
IDLE_SECONDS = 5.0


@click.command(short_help="Move messages from a queue to another, anywhere.")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--queue", type=QUEUE, help="The queue, if FROM or TO has none behind a #.")
@click.option("--until-empty", is_flag=True, help="End when FROM is empty.")
@click.option(
    "--idle", type=click.FloatRange(0.1), default=IDLE_SECONDS, show_default=True, metavar="SECONDS",
    help="With --until-empty: how long FROM gives no message before it counts as empty.",
)  # fmt: skip
@click.option("-n", "--number", type=click.IntRange(1), metavar="N", help="End after N messages.")
@click.option("--prefetch", type=click.IntRange(1, 65_535), default=1000, show_default=True, metavar="N",
              help="How many messages may be on their way.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0, min_open=True), metavar="N", help="The most messages per second.")
@click.option(
    "--byte-rate", type=click.FloatRange(0, min_open=True), metavar="N", help="The most bytes of bodies per second."
)
@click.option(
    "--dead-letters", type=QUEUE, help="The queue beside FROM for messages that TO refuses. Default: FROM.unmoved"
)
@click.option("--lossy", type=click.Choice(["strip", "set-aside"]), default="strip", show_default=True,
              help="What to do with a ttl, a priority or a group that TO cannot keep: drop it, or set the message "
              "aside.")  # fmt: skip
@click.option("--no-declare", is_flag=True, help="Fail if a queue is missing, instead of creating it.")
@click.option("--reconnect-delay", type=click.FloatRange(0.1), default=5.0, show_default=True, metavar="SECONDS",
              help="How long to wait before reconnecting a lost side.")  # fmt: skip
def shovel(
    source: str,
    target: str,
    queue: str | None,
    until_empty: bool,
    idle: float,
    number: int | None,
    prefetch: int,
    rate: float | None,
    byte_rate: float | None,
    dead_letters: str | None,
    lossy: Literal["strip", "set-aside"],
    no_declare: bool,
    reconnect_delay: float,
) -> None:
    """Move messages from the queue FROM to the queue TO, for ever, or until FROM is empty.

    Each is the URL of a broker or a file, with the queue behind a #. A message leaves FROM when TO has confirmed it.
    Messages that TO refuses are set aside in a queue beside FROM. A lost side is reconnected. Ctrl-C or SIGTERM ends it
    in order: messages under way are finished or go back.

    \b
    Examples:
      batonmq shovel orders.db#orders amqp://ann:secret@cluster/shop#orders
      batonmq shovel amqp://edge#readings kafka://cluster:9092#readings --rate 500
      batonmq shovel orders.db archive.db --queue orders.dead --until-empty
    """
    from batonmq.shovels.rules import Rules
    from batonmq.shovels.settings import ShovelSettings

    ends = _end("FROM", source, queue, makes=not no_declare), _end("TO", target, queue, makes=not no_declare)
    if (ends[0].uris, ends[0].queue) == (ends[1].uris, ends[1].queue):
        raise Failure("FROM and TO are the same queue", 2)
    try:
        settings = ShovelSettings(
            *ends,
            prefetch=prefetch,
            reconnect_delay=reconnect_delay,
            delete_after=number or "never",
            idle=idle if until_empty else None,
            rules=Rules(rate=rate, byte_rate=byte_rate, dead_letters=dead_letters, lossy=lossy),
        )
    except ValueError as error:
        raise Failure(str(error), 2) from None
    _move(settings)


def _end(what: str, said: str, queue: str | None, *, makes: bool) -> End:
    """A side: its URL and its queue. Raises Failure."""
    from batonmq.engines.openers import check_target
    from batonmq.engines.urls import parse_url
    from batonmq.shovels.settings import End

    url, mark, name = said.rpartition("#")
    if not mark:
        url, name = said, queue or ""
    name = unquote(name) if mark and ":" in url else name
    hidden = without_password(url)
    if not name:
        raise Failure(f"{what}: which queue of {hidden!r}? Write it behind a #, or give --queue", 2)
    QUEUE.convert(name, None, None)
    try:
        target = parse_url(url)
        check_target(target)
    except UnusableTls as error:
        raise Failure(f"{what}: {error}", 2) from None
    except ValueError as error:
        raise Failure(f"{what}: {hidden!r} cannot be read: {str(error).replace(url, hidden)}", 2) from None
    if target.engine == "memory":
        raise Failure(f"{what}: queues in memory are those of one program", 2)
    if target.engine == "file" and what == "FROM" and not Path(target.location).exists():
        raise Failure(f"{what}: there is no file {url!r}", 2)
    return End("", (target.location,), name, is_predeclared=not makes)


def _move(settings: ShovelSettings) -> None:
    from batonmq.api.workers.synchronous import stop_on_signals
    from batonmq.clock import Clock
    from batonmq.shovels.running import RunningShovel

    # The display shows it already.
    quiet = logging.getLogger("batonmq.shovels")
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    ended = threading.Event()
    assert settings.source.queue is not None
    name = f"{settings.source.queue} to {settings.destination.queue}"
    running = RunningShovel("", name, settings, _no_local, Clock(), ended.set)
    display = Display(running)
    with stop_on_signals(ended):
        running.start()
        while not ended.wait(SHOW_SECONDS):
            display.show()
            status = running.status
            if status.state == "terminated" and not running.has_run:
                running.tell_to_stop()
                running.join()
                display.clear()
                raise Failure(status.reason)
    # It may be a signal that has ended this.
    running.tell_to_stop()
    running.join()
    display.end()


def _no_local(uri: str) -> Local:
    raise ConnectionLost(f"{uri!r} names no host")


class Display:
    """Shows progress on stderr."""

    def __init__(self, running: RunningShovel) -> None:
        self._running = running
        self._is_terminal = sys.stderr.isatty()
        self._began = self._told = time.monotonic()
        self._seen = (self._began, 0)

    def show(self) -> None:
        """Show progress, if it is due."""
        now = time.monotonic()
        if not self._is_terminal and now - self._told < TELL_SECONDS:
            return
        self._told = now
        line = self._line(now)
        print(f"\r\x1b[K{line}" if self._is_terminal else line, end="" if self._is_terminal else "\n", file=sys.stderr)
        sys.stderr.flush()

    def _line(self, now: float) -> str:
        running = self._running
        counts, status = running.progress.counts, running.status
        at, before = self._seen
        self._seen = now, running.moved
        rate = (running.moved - before) / (now - at) if now > at else 0.0
        line = f"{running.moved:,} moved, {rate:,.0f} a second"
        if counts.remaining is not None:
            line += f", {counts.remaining:,} to go"
        if running.progress.aside:
            line += f", {running.progress.aside:,} set aside"
        if status.state == "terminated":
            line += f"; lost, again in a moment: {status.reason}"
        elif counts.blocked:
            line += f"; waiting: {counts.blocked}"
        return shown(line)

    def clear(self) -> None:
        """Erase it from the terminal."""
        if self._is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Print the result on stdout."""
        self.clear()
        running = self._running
        moved = running.moved
        text = f"moved {moved:,} message{'' if moved == 1 else 's'} in {time.monotonic() - self._began:.1f} s"
        if aside := running.progress.aside:
            settings = running.settings
            queue = settings.rules.beside(settings.source.queue or "")
            text += f"; {aside:,} could not be moved and {'waits' if aside == 1 else 'wait'} in queue '{queue}'"
        say(text)
