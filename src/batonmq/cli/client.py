"""The queues at a URL for the length of one command, with errors that say what to do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batonmq.cli.failure import Failure
from batonmq.cli.options import chosen_url, without_password
from batonmq.engines.failures import NOBODY
from batonmq.engines.openers import check_target, open_target
from batonmq.engines.tls import UnusableTls
from batonmq.engines.urls import parse_url
from batonmq.errors import BatonError, ConnectionLost, NotFound
from batonmq.json_text import JsonError, read_json

if TYPE_CHECKING:
    from batonmq.engines.interface import Engine
    from batonmq.engines.values import Incoming

__all__ = ["Client", "connect", "told_in"]

# How long to wait for an answer, in seconds.
PATIENCE = 10.0
# Messages on their way to a follower: enough that it seldom waits, few enough to leave some for other consumers.
PREFETCH = 100
# How long to wait for a queue that gives nothing, in seconds, and for one that claims to have messages.
EMPTY_SECONDS = 0.05
HIDDEN_SECONDS = 1.0


def told_in(answer: bytes) -> dict[str, object]:
    """The result of a management request. Raises Failure when the answer is no, or there is none."""
    try:
        told = read_json(answer)
    except JsonError as error:
        raise Failure(f"the broker's answer is {error}") from None
    if not isinstance(told, dict):
        raise Failure(f"the broker's answer is no JSON object: {answer[:60]!r}")
    if told.get("ok") is not True:
        raise Failure(str(told.get("error", "the broker said no, and not why")))
    return told


class Client:
    """The queues of a broker, or of a file."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, operation: str, /, *, patience: float = PATIENCE, **arguments: object) -> dict[str, object]:
        """Send a management request, and wait so many seconds for the answer. Raises Failure when it is no, or missing.

        Arguments that are None are left out.
        """
        from batonmq.engines.messages import Message

        given = {name: value for name, value in arguments.items() if value is not None}
        body = json.dumps({"operation": operation, **given}).encode()
        future = self._engine.manage(Message(body, content_type="application/json", durable=False))
        try:
            if not future.wait(patience):
                raise Failure(f"the broker did not answer within {patience:g} s")
            said = future.result().body
        except NotFound:
            raise Failure("this broker is not a BatonMQ: it answers no questions about itself") from None
        finally:
            self._engine.forget(future)
        return told_in(said)

    def count(self, queue: str) -> int:
        """How many messages are ready; Failure when there is no such queue."""
        try:
            return self._engine.count(queue).get()
        except NotFound:
            raise Failure(f"there is no queue {queue!r}; `batonmq queues` lists those there are") from None

    def purge(self, queue: str) -> int:
        """Drop the ready messages, and return how many there were; Failure when there is no such queue."""
        self.count(queue)
        return self._engine.purge(queue).get()

    def make(self, queue: str) -> None:
        """Declare a durable queue. One that exists is left as it is."""
        from batonmq.engines.values import QueueOptions

        try:
            self._engine.count(queue).get()
        except NotFound:
            self._engine.declare(queue, QueueOptions()).get()

    def send(self, queue: str, bodies: Sequence[bytes]) -> None:
        """Send persistent messages, and return when all are on the disk."""
        from batonmq.engines.messages import Message

        self._engine.send(queue, [Message(body) for body in bodies]).get()

    def take(self, queue: str, number: int | None, *, follow: bool) -> Generator[bytes, None, None]:
        """The bodies of so many messages, or of all; each is accepted when the next one is asked for.

        Without ``follow`` it ends when the queue has nothing. A message that was not accepted goes back.
        """
        self.count(queue)
        if follow:
            subscription = self._engine.subscribe(queue, min(PREFETCH, number or PREFETCH)).get()
        else:
            subscription = self._engine.pull(queue).get()
        try:
            left = number
            while left is None or left > 0:
                future = subscription.receive(1)
                # A paused queue delivers nothing, whatever it holds.
                if not (follow or future.wait(EMPTY_SECONDS) or (self.count(queue) and future.wait(HIDDEN_SECONDS))):
                    subscription.withdraw(future)
                arrived: list[Incoming] = future.get()
                if not arrived:
                    return
                yield arrived[0].message.body
                subscription.settle(arrived[0], "accept")
                if left is not None:
                    left -= 1
        finally:
            subscription.close().get()


@contextlib.contextmanager
def connect(context: click.Context, *, makes_file: bool = False, patience: float = PATIENCE) -> Iterator[Client]:
    """The queues at a command's URL.

    Any error becomes a Failure of one line. ``makes_file``: create a missing file; otherwise it is a Failure.
    ``patience``: how many seconds a broker has to accept the log-in.
    """
    url = chosen_url(context)
    engine = _open(url, makes_file=makes_file, patience=patience)
    try:
        yield Client(engine)
    except ConnectionLost:
        raise Failure("the connection to the broker broke") from None
    except BatonError as error:
        raise Failure(str(error)) from None
    finally:
        with contextlib.suppress(BatonError):
            engine.close()


def _open(url: str, *, makes_file: bool, patience: float) -> Engine:
    shown = without_password(url)
    try:
        target = parse_url(url)
        check_target(target)
    except UnusableTls as error:
        raise Failure(f"--url: {error}", 2) from None
    except ValueError as error:
        raise Failure(f"--url: {shown!r} cannot be read: {str(error).replace(url, shown)}", 2) from None
    if target.engine == "memory":
        raise Failure("--url: queues in memory are those of one program; expected amqp://... or a file", 2)
    if target.engine == "file":
        return _open_file(target.location, makes_file=makes_file)
    try:
        return open_target(target, patience=patience)
    except (BatonError, ValueError) as error:
        text = str(error).replace(url, shown)
        raise Failure(f"{text} `batonmq serve` starts one" if text.endswith(NOBODY) else text) from None


def _open_file(path: str, *, makes_file: bool) -> Engine:
    # Imported late: commands that ask a broker need not load the embedded engine.
    from batonmq.engines.shared.engine import open_file

    if not makes_file and not Path(path).exists():
        raise Failure(f"--url: there is no file {path!r}; expected amqp://user:password@host:port/vhost or a file", 2)
    try:
        return open_file(path)
    except BatonError as error:
        raise Failure(str(error)) from None
