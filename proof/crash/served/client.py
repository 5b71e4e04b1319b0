"""A client process: threads, each with connections of its own."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import pika.exceptions

from proof.crash.features import AMQP091, AMQP10, STOMP, TRANSIENT
from proof.crash.notes import Fault, Used, now
from proof.crash.served.consumers import Manner, consumer, transactor
from proof.crash.served.desk import OVER, Desk
from proof.crash.served.line import HUNG, Hangs
from proof.crash.served.moving import MOVES, Requests
from proof.crash.served.producers import producer

__all__ = ["CLIENTS", "MORTAL", "run_client"]

Role = Callable[[Desk, int], None]
PAUSE = 0.1
CLUMSY = Manner(gives_back=0.1, rejects=0.05)
# pika cancels before it closes: then the next consumer is served while this one still holds messages, out of order.
STAYS = Manner(leaves=0.0)


def _produces(protocol: str, *, transactional: bool = False) -> Role:
    return lambda desk, _port: producer(desk, protocol, transactional=transactional)


def _consumes(protocol: str, queue: str, prefetch: int, manner: Manner | None = None) -> Role:
    return lambda desk, _port: consumer(desk, protocol, queue, prefetch, manner or Manner())


def _transacts(protocol: str, queue: str, *to: str) -> Role:
    return lambda desk, _port: transactor(desk, protocol, queue, to)


def _mover(desk: Desk, port: int) -> None:
    """Asks for moves and replays until the load is over, and long enough after."""
    requests: Requests | None = None
    while desk.stage < OVER:
        try:
            requests = requests or Requests(port)
            for move in MOVES:
                requests.ask(move)
                desk.book.write(Used(now(), f"requests for {move['operation']}"))
        except (pika.exceptions.AMQPError, OSError):
            requests = None
        except Hangs as error:
            desk.book.write(Fault(now(), str(error)))
            requests = None
        time.sleep(PAUSE)
    if requests is not None:
        requests.close()


CLIENTS: Mapping[str, Mapping[str, Role]] = {
    "producers": {
        "confirms": _produces(AMQP091),
        "transactions": _produces(AMQP091, transactional=True),
        "stomp": _produces(STOMP),
        "amqp10": _produces(AMQP10),
        "mover": _mover,
    },
    "amqp091": {
        "plain": _consumes(AMQP091, "plain", 50),
        "single": _consumes(AMQP091, "single", 10, STAYS),
        "work.dead": _consumes(AMQP091, "work.dead", 100),
        "ring.a": _consumes(AMQP091, "ring.a", 10, Manner(rejects=0.5)),
        "replay": _consumes(AMQP091, "replay", 10, Manner(rejects=0.3)),
        "groups": _consumes(AMQP091, "groups", 5),
        "urgent": _consumes(AMQP091, "urgent", 1),
        "schedule": _consumes(AMQP091, "schedule", 20),
        "head": _consumes(AMQP091, "head", 1),
        "fan.a": _consumes(AMQP091, "fan.a", 100),
        "ttl": _consumes(AMQP091, "ttl", 1),
        "tx.a": _transacts(AMQP091, "tx.a", "tx.b", "tx.c"),
        "cron": _consumes(AMQP091, "cron", 10),
        "transient": _consumes(AMQP091, TRANSIENT, 50),
    },
    "stomp": {
        "plain": _consumes(STOMP, "plain", 1),
        "single": _consumes(STOMP, "single", 1, STAYS),
        "delayed": _consumes(STOMP, "delayed", 20, Manner(gives_back=0.05)),
        "once": _consumes(STOMP, "once", 20, Manner(gives_back=0.05)),
        "groups": _consumes(STOMP, "groups", 10),
        "fan.b": _consumes(STOMP, "fan.b", 100),
        "ttl.dead": _consumes(STOMP, "ttl.dead", 100),
        "tx.a": _transacts(STOMP, "tx.a", "tx.b", "tx.c"),
        "mv.to": _consumes(STOMP, "mv.to", 20),
        "full": _consumes(STOMP, "full", 2),
        "fulldlx": _consumes(STOMP, "fulldlx", 2),
        "least.dead": _consumes(STOMP, "least.dead", 10),
    },
    "amqp10": {
        "plain": _consumes(AMQP10, "plain", 100),
        "work": _consumes(AMQP10, "work", 10, CLUMSY),
        "delayed": _consumes(AMQP10, "delayed", 100),
        "ring.b": _consumes(AMQP10, "ring.b", 20, Manner(rejects=0.5)),
        "tx.a": _transacts(AMQP10, "tx.a", "tx.b", "tx.c"),
        "tx.b": _consumes(AMQP10, "tx.b", 50),
        "tx.c": _consumes(AMQP10, "tx.c", 1),
        "head.dead": _consumes(AMQP10, "head.dead", 50),
        "fulldlx.dead": _consumes(AMQP10, "fulldlx.dead", 50),
        "urgent": _consumes(AMQP10, "urgent", 10),
    },
}
MORTAL: Mapping[str, Role] = {
    "work": _consumes(AMQP091, "work", 20, CLUMSY),
    "stomp": _consumes(STOMP, "work", 5, CLUMSY),
    "least": _consumes(AMQP091, "least", 20, CLUMSY),
    "plain": _consumes(AMQP10, "plain", 20),
    "once": _consumes(AMQP091, "once", 10),
    "single": _consumes(AMQP091, "single", 20, STAYS),
}
"""Those of a process that is killed now and then, with what it holds."""


def run_client(folder: Path, port: int, name: str, roles: Mapping[str, Role], seed: str) -> None:
    """Until the stage OVER; whoever is not done soon after hangs."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a broker that was killed is no news
    desks = {role: Desk(folder, port, name, role, f"{seed}.{name}.{role}") for role in roles}
    threads = [
        threading.Thread(target=_run, args=(desks[role], port, action), name=role, daemon=True)
        for role, action in roles.items()
    ]
    for thread in threads:
        thread.start()
    watch = Desk(folder, port, name, "watch", "")
    while watch.stage < OVER:
        time.sleep(PAUSE)
    end = time.monotonic() + 2 * HUNG
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
        if thread.is_alive():
            watch.book.write(Fault(now(), f"{name}.{thread.name} hangs"))


def _run(desk: Desk, port: int, role: Role) -> None:
    try:
        role(desk, port)
    except BaseException:
        desk.book.write(Fault(now(), f"{desk.name} failed: {traceback.format_exc()}"))
        raise
