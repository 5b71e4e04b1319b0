"""`python -m proof.siege.traffic AMQP_PORT STOMP_PORT`: a few clients that mean well, until its input ends.

Each sends a persistent message every so often, waits until it is safe, and takes it again. What is printed at the end,
as JSON: when each was sent (the system's monotonic clock), how many seconds it took until it was safe, and the account.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Callable

import batonmq
from proof.soak.ledger import Ledger
from proof.soak.sides import Api, Pika, Side, Stomps
from proof.soak.stomp import Tcp

__all__ = ["main"]

EVERY = 0.05
PATIENCE = 60.0


class Clients:
    """One thread for each protocol, which sends and takes by turns."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.over = threading.Event()
        self.took: dict[str, list[tuple[float, float]]] = {}
        self.faults: list[str] = []

    def run(self, name: str, opener: Callable[[], Side]) -> None:
        """A sender and a taker, on connections of their own."""
        try:
            self._run(name, opener)
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the report
            self.faults.append(f"{name}: {error!r:.300}")

    def _run(self, name: str, opener: Callable[[], Side]) -> None:
        lane, queue = self.ledger.lane(), f"siege.{name}"
        sender, taker = opener(), opener()
        taker.subscribe(queue)
        took = self.took.setdefault(name, [])
        owed, end = 0, 0.0
        while not self.over.is_set() or (owed and time.monotonic() < end):
            began = time.monotonic()
            if not self.over.is_set():
                number = self.ledger.publish(lane, 1)
                sender.send(queue, [f"{lane}:{number}:".ljust(500, ".")])
                self.ledger.promise(lane, number, 1)
                took.append((began, time.monotonic() - began))
                owed, end = owed + 1, time.monotonic() + PATIENCE
            for handle, body in taker.take(EVERY):
                came = int(body.split(":", 2)[1])
                self.ledger.see(lane, came)
                self.ledger.settle(lane, came)
                taker.accept([handle])
                owed -= 1
            self.over.wait(max(0.0, began + EVERY - time.monotonic()))
        sender.close()
        taker.close()


def main(arguments: list[str]) -> int:
    """The exit status: 0; what went wrong is in the report."""
    amqp, stomp = map(int, arguments)
    url = f"amqp://guest:guest@127.0.0.1:{amqp}/"
    clients = Clients()
    sides: dict[str, Callable[[], Side]] = {
        "amqp": lambda: Pika(amqp),
        "stomp": lambda: Stomps(Tcp(stomp)),
        "amqp10": lambda: Api(url.replace("amqp:", "amqp10:", 1)),
    }
    with batonmq.connect(url) as mq:
        for name in sides:
            mq.declare(f"siege.{name}")
    threads = [threading.Thread(target=clients.run, args=each) for each in sides.items()]
    for thread in threads:
        thread.start()
    print("flows", flush=True)
    sys.stdin.read()
    clients.over.set()
    for thread in threads:
        thread.join()
    account = dataclasses.asdict(clients.ledger.tally())
    print(json.dumps({"took": clients.took, "account": account, "faults": clients.faults}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
