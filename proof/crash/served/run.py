"""A run against a broker: rounds of kills under load, each drained and checked."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pika.exceptions
from bench.failures import BenchError

from proof.crash.checker import History, Verdict, check
from proof.crash.features import CRON, LAYOUT, TRANSIENT
from proof.crash.notes import BROKER, Book, Drained, Fault, Killed, Pulse, now, read_all
from proof.crash.processes import Child
from proof.crash.served.amqp091 import SYNC
from proof.crash.served.broker import Broker, strike_of
from proof.crash.served.client import CLIENTS, MORTAL, run_client
from proof.crash.served.desk import FINISHING, OVER
from proof.crash.served.line import HUNG, Hangs
from proof.crash.served.moving import Requests

__all__ = ["Round"]

# Lives under load, in seconds. Some end while clients come back, most when all are there.
SHORT, FROM, IS_SHORT = (0.02, 0.2), 0.3, 0.25
AT_A_POINT, AT_THE_START, CLIENT_TOO = 0.35, 0.1, 0.4
# Nothing has come for so long: what is left is lost, or held by somebody who hangs.
PATIENCE = 60.0
STEP = 0.05


class Round:
    """Some kills on the same files, with clients of its own; then everything is taken, and the notes are checked."""

    def __init__(self, broker: Broker, folder: Path, seed: str, longest: float) -> None:
        """The folder's name is part of every name, so that no id is that of an earlier round.

        `longest` is the longest life, in seconds.
        """
        self._longest = longest
        self._broker = broker
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)
        folder.mkdir(parents=True)
        self._pulse = Pulse(folder / "pulse")
        self._stage = Pulse(folder / "stage")
        self._book = Book(folder, "harness")
        self._clients: list[Child] = []
        self._mortal: tuple[str, Child] | None = None
        self._mortals = 0
        self.kills = 0
        """Of the broker."""
        self.client_kills = 0

    def run(self, kills: int, progress: Callable[[int], None]) -> Verdict:
        """The broker has to be there, and is there afterwards. Raises BenchError when it does not start."""
        log_start = self._broker.log.stat().st_size
        try:
            self._broker.declare()
            for kind, roles in CLIENTS.items():
                name = f"{self._folder.name}.{kind}"
                self._clients.append(self._fork(name, lambda name=name, roles=roles: self._client(name, roles)))  # type: ignore[misc]
            self._revive()
            while self.kills < kills:
                self._life()
                progress(self.kills)
            self._finish()
        finally:
            self._end_clients()
        for line in self._broker.complaints(log_start):
            self._book.write(Fault(now(), f"the broker said: {line}"))
        self._book.close()
        history = History(LAYOUT)
        for notes in read_all(self._folder):
            history.add(notes)
        history.end()
        self._pulse.close()
        self._stage.close()
        return check(history)

    def discard(self) -> None:
        """Its notes are of no more interest."""
        shutil.rmtree(self._folder)

    # ------------------------------------------------------------------ clients

    def _client(self, name: str, roles: object) -> None:
        run_client(self._folder, self._broker.port, name, roles, self._seed)  # type: ignore[arg-type]

    def _fork(self, name: str, work: Callable[[], None]) -> Child:
        return Child(work, self._folder / f"{name}.output")

    def _revive(self) -> None:
        self._mortals += 1
        name = f"{self._folder.name}.mortal{self._mortals}"
        self._mortal = name, self._fork(name, lambda: self._client(name, MORTAL))

    def _end_clients(self) -> None:
        if self._stage.beat // 2 < OVER:
            clients = [*self._clients, *([self._mortal[1]] if self._mortal else [])]
            for client in clients:
                client.kill()

    # ------------------------------------------------------------------ kills

    def _life(self) -> None:
        """Load for a while, and the end of it, by whatever comes first; then the next begins."""
        chance = self._chance
        span = SHORT if chance.random() < IS_SHORT else (FROM, self._longest)
        if not self._broker.await_end(chance.uniform(*span)):
            if chance.random() < CLIENT_TOO:
                self._kill_client()
            self._kill()
        self._begin()

    def _kill(self) -> None:
        self._book.write(Killed(now(), BROKER))
        self._pulse.dies()
        self._broker.kill()

    def _kill_client(self) -> None:
        assert self._mortal is not None
        name, child = self._mortal
        self._book.write(Killed(now(), name))
        child.kill()
        self.client_kills += 1
        self._revive()

    def _begin(self, *, calm: bool = False) -> None:
        """Count the end of the last life, and begin one that comes to take connections."""
        chance = self._chance
        while True:
            # Who died at a point died before this.
            self._book.write(Killed(now(), BROKER))
            self._pulse.dies()
            self.kills += 1
            if not self._broker.was_killed():
                self._book.write(Fault(now(), "the broker ended by itself"))
            luck = 1.0 if calm else chance.random()
            self._broker.begin(strike_of(chance, self._broker.struck) if luck < AT_A_POINT else "")
            if AT_A_POINT <= luck < AT_A_POINT + AT_THE_START and not self._broker.await_end(chance.uniform(0.0, 0.3)):
                self._kill()
            elif self._broker.await_ready():
                # Not before: clients that try in vain would take the time of the start.
                self._pulse.lives()
                return

    # ------------------------------------------------------------------ the end

    def _finish(self) -> None:
        """Everything is taken; then one more kill, after which nothing may come again that was settled."""
        self._begin_calm()
        self._stage.dies()
        self._stage.lives()
        assert self._stage.beat // 2 == FINISHING
        self._drain()
        self._kill()
        self._begin(calm=True)
        self._drain()
        self._stage.dies()
        self._stage.lives()
        clients = [*self._clients, *([self._mortal[1]] if self._mortal else [])]
        for client in clients:
            if client.wait(3 * HUNG) is None:
                self._book.write(Fault(now(), f"the client process {client.pid} does not end"))
                client.kill()
            elif client.status:
                self._book.write(Fault(now(), f"a client process ended with {client.status}"))
        self._book.write(Drained(now()))

    def _begin_calm(self) -> None:
        """From here on it is armed no more."""
        if not self._broker.has_ended:
            self._kill()
        self._begin(calm=True)

    def _drain(self) -> None:
        """Until nothing waits, nor is held, three times in a row; or nothing moves any more."""
        best, since, empty = -1, time.monotonic(), 0
        try:
            requests = Requests(self._broker.port)
            self._end_schedules(requests)
            while empty < 3:
                left = self._left(requests)
                empty = empty + 1 if not left else 0
                total = sum(left.values())
                if best < 0 or total < best:
                    best, since = total, time.monotonic()
                if time.monotonic() > since + PATIENCE:
                    self._book.write(Fault(now(), f"nobody gets what is left: {left}"))
                    break
                time.sleep(STEP)
            requests.close()
        except (pika.exceptions.AMQPError, OSError, Hangs) as error:
            self._book.write(Fault(now(), f"the broker does not answer while it is drained: {error!r}"))

    @staticmethod
    def _end_schedules(requests: Requests) -> None:
        """Those that have no end."""
        while found := requests.ask({"operation": "queues.delayed", "queue": CRON, "count": 100})["messages"]:
            for one in found:
                requests.ask({"operation": "queues.cancel", "queue": CRON, "id": one["id"]})

    @staticmethod
    def _left(requests: Requests) -> dict[str, int]:
        """Messages by queue."""
        answer = requests.ask({"operation": "queues.list"})
        if not answer.get("ok"):
            raise BenchError(f"queues.list: {answer}")
        return {
            queue["name"]: count
            for queue in answer["queues"]
            if queue["name"] not in (SYNC, TRANSIENT)
            and (count := queue["ready"] + queue["unsettled"] + queue["delayed"])
        }
