"""`python -m proof.siege.traffic AMQP_PORT STOMP_PORT HTTP_PORT`: a few clients that mean well, until its input ends.

Three send a persistent message every so often, wait until it is safe, and take it again. A fourth makes a user each
second, who logs in for the first time: so that the broker has to check the password among all the wrong ones. What is
printed at the end, as JSON: when each was sent (the system's monotonic clock), how many seconds it took until it was
safe, the same of the log-ins, and the account.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing

import batonmq
from proof.soak.churn import Http
from proof.soak.ledger import Ledger
from proof.soak.sides import Api, Pika, Side, Stomps
from proof.soak.stomp import Tcp

__all__ = ["main"]

EVERY = 0.05
NEWCOMER = 1.0
PATIENCE = 60.0


class Clients:
    """One thread for each protocol, which sends and takes by turns."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.over = threading.Event()
        self.ready = threading.Semaphore(0)
        """Released by each of the three that sends, when it has connected, or failed to."""
        self.took: dict[str, list[tuple[float, float]]] = {}
        self.log_ins: list[tuple[float, float]] = []
        self.faults: list[str] = []

    def run(self, name: str, opener: Callable[[], Side]) -> None:
        """A sender and a taker, on connections of their own."""
        try:
            self._run(name, opener)
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the report
            self.faults.append(f"{name}: {error!r:.300}")
            self.ready.release()

    def _run(self, name: str, opener: Callable[[], Side]) -> None:
        lane, queue = self.ledger.lane(), f"siege.{name}"
        sender, taker = opener(), opener()
        taker.subscribe(queue)
        self.ready.release()
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

    def come_anew(self, port: int) -> None:
        """A user that nobody has seen before, again and again."""
        try:
            while not self.over.wait(NEWCOMER):
                name = f"new{len(self.log_ins)}"
                with closing(Http(port)) as http:
                    http.ask("PUT", f"/api/users/{name}", {"password": name, "tags": "monitoring"})
                with closing(Http(port, name)) as http:
                    began = time.monotonic()
                    http.ask("GET", "/api/whoami")
                    self.log_ins.append((began, time.monotonic() - began))
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes into the report
            self.faults.append(f"newcomers: {error!r:.300}")


def main(arguments: list[str]) -> int:
    """The exit status: 0; what went wrong is in the report."""
    amqp, stomp, http = map(int, arguments)
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
    threads.append(threading.Thread(target=clients.come_anew, args=(http,)))
    for thread in threads:
        thread.start()
    for _ in sides:
        clients.ready.acquire()
    print("flows", flush=True)
    sys.stdin.read()
    clients.over.set()
    for thread in threads:
        thread.join()
    account = dataclasses.asdict(clients.ledger.tally())
    report = {"took": clients.took, "log_ins": clients.log_ins, "account": account, "faults": clients.faults}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
