"""The course of a soak: tides of backlog with a calm after each, and what was measured in each tide."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.processes import settle
from bench.settings import say

import batonmq
from proof.soak import churn
from proof.soak.broker import Everything
from proof.soak.ledger import Ledger
from proof.soak.processes import Movers
from proof.soak.samples import Sample, of_broker, of_file, of_process, rows
from proof.soak.sides import Api, Pika, Stomps
from proof.soak.stage import Stage
from proof.soak.stomp import Tcp, Web, Wire
from proof.soak.traffic import Client, Shared, consumer, producer, rejecting, run

__all__ = ["Course", "Tide"]

ALL, COMMITTED, DELAYED, BAD, DEAD = "soak.all", "soak.tx", "soak.delayed", "soak.bad", "soak.dead"
SOURCE, TARGET = "soak.source", "soak.target"
MOST_WAITING = 50_000
EBB, FLOW = 0.4, 0.35
"""Shares of a tide in which the backlog grows, and in which it is taken while more comes; the rest is for its end."""
HIGH, HIGH_COUNT, HIGH_SIZE = 5, 3_200, 65_536
"""Each so many tides one is high: so many messages of so many bytes more, 200 MiB."""
PATIENCE = 120.0
SMALL = 72.0
"""Megabytes of a file without messages: 64 MiB are kept for the next burst."""
FREE = 60.0
"""Seconds in which what a high tide has left free goes back to the file system."""


@dataclass
class Tide:
    """What was measured in one: the most of everything, and what there was in the calm."""

    peak: Sample = field(default_factory=dict)
    calm: Sample = field(default_factory=dict)

    def rise(self, sample: Sample) -> None:
        """Take note of a sample."""
        for name, value in sample.items():
            self.peak[name] = max(value, self.peak.get(name, value))


class Course:
    """One run. ``every``: seconds between two samples; ``length``: of a tide; ``rate``: messages a second in all."""

    def __init__(self, broker: Everything, folder: Path, chance: random.Random, *, every: float, rate: float) -> None:
        self.stage = Stage()
        self.ledger = Ledger()
        self.tides: list[Tide] = []
        self.samples = 0
        self._broker = broker
        self._file = folder / "shared.db"
        self._movers = Movers(self._file, SOURCE, TARGET, folder / "movers.log")
        self._staying: list[int] = []
        self._chance = chance
        self._every = every
        self._rate = rate
        self._threads: list[threading.Thread] = []
        self._measured = threading.Lock()
        self._tide = Tide()

    def run(self, seconds: float, length: float) -> None:
        """Tides for so many seconds, of about so many each."""
        with self._movers:
            self._declare()
            self._staying = [self._movers.begin().pid for _ in range(2)]
            self._begin()
            try:
                end = time.monotonic() + seconds
                while time.monotonic() < end and not self.stage.faults:
                    self._one(length, high=len(self.tides) % HIGH == HIGH - 1)
            finally:
                self.stage.over.set()
                for thread in self._threads:
                    thread.join(PATIENCE)
                    if thread.is_alive():
                        self.stage.fault(f"{thread.name} hangs")

    # ------------------------------------------------------------------ a tide

    def _one(self, length: float, *, high: bool) -> None:
        stage, self._tide = self.stage, Tide()
        stage.coming.open()
        stage.publishing.open()
        if high:
            self._swell()
        self._watch(EBB * length)
        stage.consuming.set()
        self._watch(FLOW * length)
        if not stage.publishing.close(PATIENCE):
            stage.fault("a producer hangs")
        if not stage.coming.close(PATIENCE):
            stage.fault("somebody who comes and goes hangs")
        self._drain(high)
        self._calm()
        self.tides.append(self._tide)
        stage.consuming.clear()

    def _swell(self) -> None:
        lane = self.ledger.lane()
        first = self.ledger.publish(lane, HIGH_COUNT)
        with batonmq.connect(self._broker.url) as mq:
            for start in range(first, first + HIGH_COUNT, 100):
                bodies = [f"{lane}:{number}:".ljust(HIGH_SIZE, ".").encode() for number in range(start, start + 100)]
                mq.send_many(ALL, bodies)
                self.ledger.promise(lane, start, 100)

    def _watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and not self.stage.faults:
            if self.ledger.waiting() > MOST_WAITING:
                self.stage.publishing.close(0.0)
            self.stage.over.wait(min(self._every, end - now))

    def _drain(self, high: bool) -> None:
        """Until nothing waits, and after a high tide until the file is small again."""
        self._await(lambda: not self.ledger.waiting(), PATIENCE, "messages wait, and nobody gets them")
        if high:
            self._await(
                lambda: of_file(self._broker.store, "broker")["broker file MB"] < SMALL,
                FREE,
                f"the file still has more than {SMALL:g} MB, {FREE:g} seconds after its messages were taken",
            )

    def _await(self, done: Callable[[], bool], within: float, otherwise: str) -> None:
        end = time.monotonic() + within
        while not done() and not self.stage.faults:
            if time.monotonic() > end:
                self.stage.fault(otherwise)
                return
            self.stage.over.wait(0.1)

    def _calm(self) -> None:
        """What is there when nobody does anything: also queues that were left behind are gone by themselves."""
        self.stage.over.wait(churn.EXPIRES / 1000 + 0.5)
        settle(self._broker.pid)
        with self._measured:
            self._tide.calm = self._sample() | rows(self._broker.store, "broker") | rows(self._file, "shared")
        now = self._tide.calm
        say(
            f"soak: tide {len(self.tides) + 1}: {self.ledger.tally().settled:,} settled; "
            + ", ".join(
                f"{name} {now.get(name, 0):,.0f}"
                for name in (
                    "broker memory MB",
                    "broker files",
                    "broker tasks",
                    "broker blocks",
                    "broker file MB",
                    "broker message rows",
                    "shared file MB",
                )
            )
        )

    # ------------------------------------------------------------------ measuring

    def _measure(self) -> None:
        while not self.stage.over.wait(self._every):
            with self._measured:
                self._tide.rise(self._sample())

    def _sample(self) -> Sample:
        self.samples += 1
        sample = of_broker(self._broker) | of_file(self._file, "shared")
        for number, pid in enumerate(self._staying):
            sample |= of_process(pid, ("owner", "guest")[number])
        return sample

    # ------------------------------------------------------------------ who takes part

    def _declare(self) -> None:
        with batonmq.connect(self._broker.url) as mq:
            for name in (ALL, COMMITTED, DELAYED, DEAD):
                mq.declare(name)
            mq.declare(BAD, dead_letter=DEAD)
        with batonmq.connect(str(self._file)) as mq:
            mq.declare(SOURCE)
            mq.declare(TARGET)

    def _begin(self) -> None:
        clients = self._clients()
        for name, client in clients.items():
            self._start(name, client)
        for name, round_ in self._comers().items():
            self._start(name, self._repeat(round_))
        self._start("processes", lambda chance: self._movers.come_and_go(self.stage, chance))
        self._start("samples", lambda _: self._measure())

    def _start(self, name: str, client: Client) -> None:
        chance = random.Random(self._chance.random())
        thread = threading.Thread(target=run, args=(client, chance, self.stage, name), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, round_: Client) -> Client:
        def client(chance: random.Random) -> None:
            while not self.stage.over.is_set():
                with self.stage.coming.passed() as goes:
                    if goes:
                        round_(chance)
                self.stage.over.wait(chance.uniform(0.02, 0.2))

        return client

    def _clients(self) -> dict[str, Client]:
        broker = self._broker
        sides = {
            "amqp": lambda **options: Pika(broker.port, **options),
            "stomp": lambda **options: Stomps(Tcp(broker.stomp_port), **options),
            "web": lambda **options: Stomps(Web(broker.web_port), **options),
            "amqp10": lambda **options: Api(broker.amqp10_url, **options),
        }
        # Each producer sends twenty messages at a time.
        shared = Shared(self.stage, self.ledger, pace=20 * (2 * len(sides) + 2) / self._rate)
        clients: dict[str, Client] = {}
        for name, side in sides.items():
            committing = partial(side, transactions=True)
            clients[f"{name} producer"] = producer(shared, side, (ALL, BAD))
            clients[f"{name} consumer"] = consumer(shared, side, ALL)
            clients[f"{name} transactions, producer"] = producer(shared, committing, (COMMITTED,), aborts=True)
            clients[f"{name} transactions, consumer"] = consumer(shared, committing, COMMITTED)
        clients["delays, producer"] = producer(shared, sides["amqp"], (DELAYED,), delays=True)
        clients["delays, consumer"] = consumer(shared, sides["stomp"], DELAYED)
        clients["rejects"] = rejecting(shared, sides["amqp"], BAD)
        clients["rejects, amqp10"] = rejecting(shared, sides["amqp10"], BAD)
        clients["dead letters"] = consumer(shared, sides["web"], DEAD)
        clients["file producer"] = producer(shared, lambda: Api(str(self._file)), (SOURCE,))
        clients["file consumer"] = consumer(shared, lambda: Api(str(self._file)), TARGET)
        return clients

    def _comers(self) -> dict[str, Client]:
        broker, file = self._broker, str(self._file)

        def wire(chance: random.Random) -> Wire:
            return Tcp(broker.stomp_port) if chance.random() < 0.5 else Web(broker.web_port)

        return {
            "churn amqp": lambda chance: churn.amqp091(broker.port, chance),
            "churn amqp again": lambda chance: churn.amqp091(broker.port, chance),
            "churn stomp": lambda chance: churn.stomp(wire(chance), chance),
            "churn amqp10": lambda chance: churn.api(chance.choice((broker.amqp10_url, broker.url)), chance),
            "churn http": lambda chance: churn.over_http(broker.management_port, chance),
            "churn file": lambda chance: churn.api(file, chance),
        }
