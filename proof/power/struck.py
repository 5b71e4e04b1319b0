"""A disk that fails under clients: over AMQP 0-9-1, AMQP 1.0 and STOMP, and in a program that has the file itself.

What they are told is held against what a loss of power leaves; each must be served again once the disk is well.
"""

from __future__ import annotations

import itertools
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pika
import pika.exceptions
from bench.failures import BenchError
from bench.stomp_client import Client as Stomp

import batonmq
from batonmq.engines.embedded import core
from batonmq.errors import BatonError
from batonmq.server import committer
from batonmq.server.failures import StartError
from proof.disk import Disk, Fault
from proof.platter import Event
from proof.power.faults import Striking, Sweep, cut
from proof.power.opened import STORE, Heard
from proof.power.promises import Ledger
from proof.power.served import Served

__all__ = ["strike"]

MESSAGES = 6
PERSISTENT = pika.BasicProperties(delivery_mode=2)
# A broker leaves a disk that has failed alone for a second: long for a sweep.
RETRY_SECONDS = 0.02
PATIENCE = 60.0
# Who is refused tries again after so long.
PAUSE = 0.01


@dataclass(frozen=True)
class _Run:
    ledger: Ledger
    healed: threading.Event
    """Is the disk well again?"""
    begun: threading.Barrier
    """Each client meets the others and the disk's doctor there, when it has done what it wants with a bad disk."""

    def send(self, name: str, queue: str, send: Callable[[str], bool]) -> bool:
        """Send a message; was it promised?"""
        step = self.ledger.begin(name, queue)
        if send(name):
            self.ledger.promise(name, step)
            return True
        return False

    def work(self, who: str, queue: str, send: Callable[[str], bool], take: Callable[[], None]) -> None:
        """Messages while the disk may fail, and one that must be kept when it does not any more."""
        for number in range(MESSAGES):
            if self.send(f"{who}-{number}", queue, send) and number % 2:
                take()
        self.begun.wait(PATIENCE)
        self.healed.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        for number in itertools.count(MESSAGES):
            if self.send(f"{who}-{number}", queue, send):
                break
            if time.monotonic() > deadline:
                raise TimeoutError("nothing is taken again")
            time.sleep(PAUSE)
        take()


def _body(name: str) -> bytes:
    number = int(name.rpartition("-")[2])
    return f"{name}.".encode().ljust(20_000 if number % 3 == 1 else 100, b"x")


def _name(body: bytes) -> str:
    return body.split(b".", 1)[0].decode()


def _again(attempt: Callable[[], bool], *failures: type[BaseException]) -> None:
    """Until it works. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(*failures):
            if attempt():
                return
        time.sleep(PAUSE)
    raise TimeoutError("it never works")


def _amqp(run: _Run, served: Served) -> None:
    queue = "ordered.amqp"
    where = pika.ConnectionParameters("127.0.0.1", served.amqp_port, heartbeat=0, blocked_connection_timeout=None)
    with pika.BlockingConnection(where) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        settled: list[tuple[str, int]] = []

        def open_again() -> None:
            nonlocal channel
            settled.clear()
            channel = connection.channel()
            channel.confirm_delivery()

        def send(name: str) -> bool:
            try:
                channel.queue_declare(queue, durable=True)
                channel.basic_publish("", queue, _body(name), PERSISTENT)
            except pika.exceptions.NackError:
                return False
            except pika.exceptions.ChannelClosedByBroker:
                open_again()
                return False
            # What was acknowledged before on this channel is as safe.
            for one in settled:
                run.ledger.promise(*one)
            settled.clear()
            return True

        def take() -> None:
            method, _, body = channel.basic_get(queue)
            if method is not None:
                settled.append((_name(body), run.ledger.begin(_name(body))))
                channel.basic_ack(method.delivery_tag)

        run.work("amqp", queue, send, take)


def _stomp(run: _Run, served: Served) -> None:
    queue = "ordered.stomp"
    numbers = itertools.count()

    @contextmanager
    def connected() -> Iterator[Stomp]:
        with Stomp(served.stomp_port) as client:
            yield client

    def send(name: str) -> bool:
        headers = {"destination": f"/queue/{queue}", "persistent": "true", "receipt": "sent"}
        with suppress(BenchError, OSError), connected() as client:
            client.send("SEND", headers, _body(name).decode())
            client.frame(b"RECEIPT")
            return True
        return False

    def take() -> None:
        with suppress(BenchError, OSError), connected() as client:
            headers = {"destination": f"/queue/{queue}", "id": "1", "ack": "client-individual", "prefetch-count": "1"}
            client.send("SUBSCRIBE", headers)
            message = client.frame(b"MESSAGE")
            # No other comes after it.
            client.send("UNSUBSCRIBE", {"id": "1", "receipt": "over"})
            client.frame(b"RECEIPT")
            name = _name(message.partition(b"\n\n")[2])
            step = run.ledger.begin(name)
            client.send("ACK", {"id": client.header(message, b"ack"), "receipt": f"taken-{next(numbers)}"})
            client.frame(b"RECEIPT")
            run.ledger.promise(name, step)

    run.work("stomp", queue, send, take)


def _api(run: _Run, who: str, connect: Callable[[], batonmq.Connection], *, settles: bool) -> None:
    """Through the Python API, over AMQP 1.0 or with the file. ``settles``: a send follows all that was accepted."""
    queue = f"ordered.{who}"
    opened: list[batonmq.Connection] = []
    settled: list[tuple[str, int]] = []

    def connection() -> batonmq.Connection:
        if not opened:
            opened.append(connect())
        return opened[0]

    def leave() -> None:
        settled.clear()
        while opened:
            with suppress(BatonError):
                opened.pop().close()

    def send(name: str) -> bool:
        try:
            connection().declare(queue)
            connection().send(queue, _body(name))
        except batonmq.StoreError:
            return False
        except BatonError:
            leave()
            return False
        for one in settled:
            run.ledger.promise(*one)
        settled.clear()
        return True

    def take() -> None:
        try:
            with connection().receiver(queue, prefetch=1) as receiver:
                for delivery in receiver.receive(1, wait=0.0 if settles else 1.0):
                    step = (_name(delivery.body), run.ledger.begin(_name(delivery.body)))
                    delivery.accept()
                    if settles:
                        settled.append(step)
        except BatonError:
            leave()

    try:
        run.work(who, queue, send, take)
    finally:
        leave()


def _served(folder: Path, run: Callable[[int], _Run], striking: Striking) -> list[str]:
    def serve() -> list[str]:
        with Served(folder) as served:
            url = f"amqp10://guest:guest@127.0.0.1:{served.amqp_port}"
            clients: dict[str, Callable[[_Run], None]] = {
                "amqp": lambda run: _amqp(run, served),
                "stomp": lambda run: _stomp(run, served),
                "ten": lambda run: _api(run, "ten", lambda: batonmq.connect(url), settles=False),
            }
            return _together(clients, run(len(clients)), striking)

    try:
        return serve()
    except (StartError, BatonError):
        # Without a file there is nothing to serve yet.
        striking.is_healed = True
        return serve()


def _embedded(folder: Path, run: Callable[[int], _Run], striking: Striking) -> list[str]:
    def connect() -> batonmq.Connection:
        return batonmq.connect(folder / STORE)

    return _together({"file": lambda run: _api(run, "file", connect, settles=True)}, run(1), striking)


def _together(clients: dict[str, Callable[[_Run], None]], run: _Run, striking: Striking) -> list[str]:
    """All of them, with a disk that is healed half-way; what is wrong with how they were served."""
    faults: list[str] = []

    def work(who: str, client: Callable[[_Run], None]) -> None:
        try:
            client(run)
        except Exception as error:  # noqa: BLE001 (whatever ends a client is a fault of the run)
            faults.append(f"the client {who} ended: {error!r}")
            run.begun.abort()

    threads = [threading.Thread(target=work, args=each, name=f"struck-{each[0]}") for each in clients.items()]
    for thread in threads:
        thread.start()
    with suppress(threading.BrokenBarrierError):
        run.begun.wait(PATIENCE)
    striking.is_healed = True
    run.healed.set()
    for thread in threads:
        thread.join()
    return faults


@contextmanager
def _impatient() -> Iterator[None]:
    before = committer.RETRY_SECONDS, core.RETRY_SECONDS
    committer.RETRY_SECONDS = core.RETRY_SECONDS = RETRY_SECONDS
    try:
        yield
    finally:
        committer.RETRY_SECONDS, core.RETRY_SECONDS = before


def strike(place: Path, seed: int, every: int = 1, tell: Callable[[Sweep], None] = lambda _: None) -> Sweep:
    """Each fault at each operation, once and for long, under clients; ``every``: at one operation of so many.

    ``tell`` is called with the account after each fault.
    """
    account = Sweep()
    chance = random.Random(f"{seed} struck")
    with _impatient():
        for serve, fault, lasts in itertools.product((_served, _embedded), Fault, (False, True)):
            for at in itertools.count(chance.randrange(every), every):
                if not _one(serve, Striking(fault, at, lasts), place, account, chance):
                    break
                account.faults += 1
                tell(account)
    return account


def _one(
    serve: Callable[[Path, Callable[[int], _Run], Striking], list[str]],
    striking: Striking,
    place: Path,
    account: Sweep,
    chance: random.Random,
) -> bool:
    """Tells whether the operation was reached at all."""
    where = serve.__name__.strip("_")
    what = f"{where}: {striking.fault.value} at operation {striking.at}{' and on' if striking.lasts else ''}"
    shutil.rmtree(place, ignore_errors=True)
    folder = place / "store"
    folder.mkdir(parents=True, mode=0o700)
    events: list[Event] = []
    ledger = Ledger(events.append)
    heard = Heard()
    with Disk(folder, events) as disk, heard.listening():
        disk.fault = striking
        faults = serve(folder, lambda count: _Run(ledger, threading.Event(), threading.Barrier(count + 1)), striking)
        faults += heard.tracebacks
    account.blame(what, faults)
    if striking.has_struck:
        cut(events, ledger, place / "cut", account, what, chance, heard)
    return striking.has_struck
