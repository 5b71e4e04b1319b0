"""Runs a broker as a process, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence

from batonmq.server.allocator import Allocator
from batonmq.server.broker_server import Server
from batonmq.server.collector import tune_collector
from batonmq.server.config import Config
from batonmq.server.extensions import Extension
from batonmq.server.failures import ConfigError
from batonmq.server.loops import new_event_loop
from batonmq.server.notify import Notifier

__all__ = ["run"]

logger = logging.getLogger(__name__)

STANDARD_INPUT = 0


def run(
    config: Config,
    on_ready: Callable[[Server], None],
    extensions: Sequence[Extension] = (),
    read_again: Callable[[], Config] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT (Ctrl-C), then stop in an orderly way; a second one gives clients no more time.

    SIGHUP reloads the configuration with `read_again`, which raises ConfigError, and the TLS certificate; if it means
    that the terminal was closed, it stops the broker, too.

    `on_ready` is called when clients can connect. `extensions` are served beside the protocols.

    Raises StartError when the broker cannot start.
    """
    tune_collector()
    allocator = Allocator()
    allocator.tune()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(config, on_ready, extensions, read_again, allocator))


async def _serve(
    config: Config,
    on_ready: Callable[[Server], None],
    extensions: Sequence[Extension],
    read_again: Callable[[], Config] | None,
    allocator: Allocator,
) -> None:
    server = Server(config, extensions=extensions)
    notifier = Notifier()
    stopping = asyncio.Event()

    def signalled() -> None:
        if stopping.is_set():
            logger.info("told to stop once more: clients get no more time")
            server.hurry()
        stopping.set()

    has_terminal = os.isatty(STANDARD_INPUT)

    def reload(_ready: asyncio.Future[None]) -> None:
        notifier.reloading()
        try:
            server.reload(read_again() if read_again is not None else None)
        except ConfigError as error:
            logger.error("%s; nothing has changed", error)
        notifier.ready(_serves(server))

    def hung_up() -> None:
        if has_terminal and not os.isatty(STANDARD_INPUT):
            signalled()
        else:
            ready.add_done_callback(reload)

    def take_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, signalled)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(signalled))
        if hasattr(signal, "SIGHUP"):  # not on Windows
            loop.add_signal_handler(signal.SIGHUP, hung_up)

    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    await server.start(take_signals)
    try:
        on_ready(server)
        notifier.ready(_serves(server))
        ready.set_result(None)
        notifier.watch(loop)
        allocator.watch(loop)
        await stopping.wait()
        logger.info("told to stop")
    finally:
        notifier.stopping()
        await server.stop()
        notifier.close()
        allocator.close()
    logger.info("stopped")


def _serves(server: Server) -> str:
    """One line for a service manager."""
    return "serves " + " ".join(address.url for address in server.addresses)
