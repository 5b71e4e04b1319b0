"""The shovels of a server: those of its parameters and its configuration run as long as the server does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

from batonmq.broker.model.access import User
from batonmq.errors import AccessRefused, BatonError, NotFound, PreconditionFailed
from batonmq.server.config import Config
from batonmq.server.config_tables import ShovelConfig
from batonmq.server.extensions import Parts
from batonmq.server.failures import ConfigError
from batonmq.server.listeners import Endpoint
from batonmq.shovels.configured import read_configured
from batonmq.shovels.local import LocalDoor
from batonmq.shovels.rabbitmq.parameters import COMPONENT, read_parameters
from batonmq.shovels.running import Kind, RunningShovel
from batonmq.shovels.settings import End, ShovelSettings
from batonmq.shovels.uris import is_local, vhost_of

__all__ = ["Shovels"]

log = logging.getLogger("batonmq.shovels")


class Shovels:
    """An extension of a server, and the component "shovel" of its broker's parameters. On the server's loop."""

    def __init__(self) -> None:
        self._parts: Parts
        self._door: LocalDoor
        self._loop: asyncio.AbstractEventLoop
        self._running: dict[tuple[str, str], RunningShovel] = {}
        # The configuration of those that have one.
        self._configured: dict[tuple[str, str], ShovelConfig] = {}
        # Shovels that are stopping, each with a thread that waits for it.
        self._leaving: set[asyncio.Future[None]] = set()
        self._serves = False

    # ------------------------------------------------------------------ the extension

    def begin(self, parts: Parts) -> None:
        """The broker is open, but clients cannot connect yet. Raises ConfigError."""
        self._parts = parts
        self._door = LocalDoor(parts)
        self._loop = asyncio.get_running_loop()
        for config in parts.config.shovel:
            try:
                settings = read_configured(config)
            except ValueError as error:
                raise ConfigError(f"shovel {config.name!r}: {error}") from None
            self._configured[config.vhost, config.name] = config
            self._begin(config.vhost, config.name, settings, "static")
        parts.broker.parameters.register(COMPONENT, self)

    def endpoints(self) -> list[Endpoint]:
        """None: shovels do not listen."""
        return []

    async def start(self) -> None:
        """The server listens: start all shovels."""
        self._serves = True
        for shovel in self._running.values():
            shovel.start()

    def reconfigure(self, config: Config) -> None:
        """Start, stop and restart the shovels of the configuration that were added, removed or changed."""
        wanted = {(one.vhost, one.name): one for one in config.shovel}
        for key in list(self._configured):
            if key not in wanted:
                del self._configured[key]
                self._end(*key)
        for key, one in wanted.items():
            before = self._configured.get(key)
            try:
                settings = read_configured(one)
            except ValueError as error:
                goes_on = before is not None
                log.error("shovel '%s' %s: %s", one.name, "goes on as it was" if goes_on else "is not started", error)
                continue
            running = self._running.get(key)
            # Its URLs may be in files, which may have changed.
            if before == one and running is not None and running.settings == settings:
                continue
            self._end(*key)
            self._configured[key] = one
            self._begin(*key, settings, "static")

    async def stop(self) -> None:
        """The server is about to stop: end all shovels; the messages that they hold go back."""
        was_serving, self._serves = self._serves, False
        shovels, self._running = list(self._running.values()), {}
        if was_serving:
            for shovel in shovels:
                self._leave(shovel)
        while self._leaving:
            # Each has a time limit.
            await asyncio.wait(self._leaving)

    # ------------------------------------------------------------------ the component

    def check(self, vhost: str, name: str, value: object, user: User | None) -> None:
        """Refuse an invalid value, or one beyond the user's rights. Raises PreconditionFailed, AccessRefused.

        With a URL without a host, a shovel works in its own broker without a log-in: so the user must have the rights
        for everything that it would do there.
        """
        parameters = read_parameters(name, value)
        if (vhost, name) in self._configured:
            raise PreconditionFailed(f"Validation failed\n\nthe configuration has a shovel '{name}'\n")
        if user is None:
            return
        for end, needed in ((parameters.source, "read"), (parameters.destination, "write")):
            for uri in end.uris:
                if end.protocol == "local" or is_local(uri):
                    _require(user, vhost_of(uri) or "/", end, needed)

    def changed(self, vhost: str, name: str, value: object) -> None:
        """A parameter was set: start its shovel, or restart it."""
        if (vhost, name) in self._configured:
            log.warning("the parameter of shovel '%s' in vhost '%s' counts for nothing: see [[shovel]]", name, vhost)
            return
        self._end(vhost, name)
        try:
            parameters = read_parameters(name, value)
        except BatonError as error:
            log.error("shovel '%s' in vhost '%s' is not started: %s", name, vhost, " ".join(str(error).split()))
            return
        self._begin(vhost, name, parameters)

    def cleared(self, vhost: str, name: str) -> None:
        """A parameter was removed: end its shovel."""
        if (vhost, name) not in self._configured:
            self._end(vhost, name)

    def _begin(self, vhost: str, name: str, parameters: ShovelSettings, kind: Kind = "dynamic") -> None:
        for end in (parameters.source, parameters.destination):
            for uri in end.uris:
                if end.protocol == "local" or is_local(uri):
                    self._door.let_in(vhost_of(uri) or "/")

        def done() -> None:
            self._loop.call_soon_threadsafe(self._finished, shovel)

        shovel = RunningShovel(vhost, name, parameters, self._door.find, self._parts.clock, done, kind)
        self._running[vhost, name] = shovel
        if self._serves:
            shovel.start()

    def _end(self, vhost: str, name: str) -> None:
        shovel = self._running.pop((vhost, name), None)
        if shovel is not None and self._serves:
            self._leave(shovel)

    def _leave(self, shovel: RunningShovel) -> None:
        shovel.tell_to_stop()
        leaving: asyncio.Future[None] = self._loop.create_future()
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        # All at the same time, however many there are: each may take some seconds.
        threading.Thread(target=self._join, args=(shovel, leaving), name="batonmq-shovel-stop", daemon=True).start()

    def _join(self, shovel: RunningShovel, leaving: asyncio.Future[None]) -> None:
        if not shovel.join():
            log.warning("shovel '%s' in vhost '%s' waits for somebody who does not answer", shovel.name, shovel.vhost)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
            self._loop.call_soon_threadsafe(leaving.set_result, None)

    def _finished(self, shovel: RunningShovel) -> None:
        """A shovel has moved all that it should: remove its parameter, and so the shovel."""
        if self._running.get((shovel.vhost, shovel.name)) is shovel and shovel.kind == "dynamic":
            try:
                self._parts.broker.parameters.clear(COMPONENT, shovel.vhost, shovel.name)
            except BatonError as error:
                log.error("shovel '%s' in vhost '%s' cannot be removed: %s", shovel.name, shovel.vhost, error)

    # ------------------------------------------------------------------ who asks

    def all(self) -> list[RunningShovel]:
        """All shovels, in order."""
        return [self._running[key] for key in sorted(self._running)]

    def find(self, vhost: str, name: str) -> RunningShovel | None:
        """One shovel; None: there is none."""
        return self._running.get((vhost, name))

    def restart(self, vhost: str, name: str) -> None:
        """Restart a shovel in any state. Raises NotFound."""
        shovel = self._running.get((vhost, name))
        if shovel is None:
            raise NotFound(f"no shovel '{name}' in vhost '{vhost}'")
        self._end(vhost, name)
        self._begin(vhost, name, shovel.settings, shovel.kind)


def _require(user: User, vhost: str, end: End, needed: str) -> None:
    """Raises AccessRefused; for a virtual host with RabbitMQ's text."""
    if not user.may_open(vhost):
        raise AccessRefused(f'user "{user.name}" may not connect to vhost "{vhost}"')
    if end.queue is not None:
        user.require(vhost, "read" if needed == "read" else "write", "queue", end.queue)
        if not end.is_predeclared:
            user.require(vhost, "configure", "queue", end.queue)
    elif end.exchange is not None:
        user.require(vhost, needed, "exchange", end.exchange)
    else:
        # Messages go to the exchanges that they were first sent to.
        user.require(vhost, needed, "exchange", "")
