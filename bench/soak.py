"""`python -m bench.soak`, which is `make soak`: mixed load for minutes, the broker killed (SIGKILL) again and again.

It checks what the broker promises: nothing confirmed is lost; nothing settled and committed comes back; a transaction
is there wholly or not at all; memory stays bounded; no innocent client is thrown out. One line sums it up.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pika.exceptions

from bench.brokers import Baton, on_disk
from bench.churn import churn
from bench.clients import QUEUES, Shared, connect, consumers, keep, producers
from bench.failures import BenchError
from bench.ledger import RIPE
from bench.processes import memory
from bench.settings import ROOT, say

__all__ = ["main"]

TICK = 0.5
# Messages that may wait before producers pause: enough for the store to be read, few enough to be consumed in the end.
MOST_WAITING = 50_000
# Consumers take for so many seconds and rest for so many.
EBB, FLOW = 10.0, 20.0
# The end is reached when nothing waits; without any progress for so long it is given up, and what waits is lost.
PATIENCE = 60.0
JOIN = 120.0


class Soak:
    """One run: the broker, its clients, and what was seen of them."""

    def __init__(self, broker: Baton, limit: float, chance: random.Random) -> None:
        self.shared = Shared(broker)
        self.kills = 0
        self.peak = 0.0
        self._broker = broker
        self._limit = limit
        self._chance = chance
        self._threads: list[threading.Thread] = []

    def run(self, seconds: float, between_kills: float) -> None:
        """Load for so long, and let the consumers take what is left.

        Then kill once more, when all is settled and committed: nothing may return.
        """
        shared = self.shared
        shared.publishing.set()
        shared.consuming.set()
        for client in [*producers(shared), churn, churn]:
            self._begin(client, shared.finishing)
        for client in consumers():
            self._begin(client, shared.over)
        self._load(seconds, between_kills)
        shared.finishing.set()
        shared.publishing.set()
        shared.consuming.set()
        self._drain()
        self._wait(RIPE + 1.0)
        self._kill()
        self._drain()
        shared.over.set()
        for thread in self._threads:
            thread.join(JOIN)
            if thread.is_alive():
                shared.faults.append(f"client {thread.name} hangs")

    def verdict(self, minutes: float) -> tuple[bool, str]:
        """Whether every promise was kept, and the line that says so."""
        tally, faults = self.shared.ledger.tally(), self.shared.faults
        for line in [*tally.examples, *faults[:20]]:
            say(f"soak: {line}")
        good = tally.sound and not faults and self.peak <= self._limit and tally.promised > 0
        return good, (
            f"soak: {minutes:g} min, {self.kills} kills, {tally.published:,} published, {tally.promised:,} confirmed, "
            f"{tally.done:,} settled: {tally.lost} lost, {tally.returned} came back, {tally.torn} torn transactions, "
            f"{tally.unknown} unknown, {len(faults)} faults; resident memory at most {self.peak:.0f} MB "
            f"(limit {self._limit:.0f}): {'ok' if good else 'FAILED'}"
        )

    def _begin(self, client: object, until: threading.Event) -> None:
        chance = random.Random(self._chance.random())
        thread = threading.Thread(target=keep, args=(self.shared, client, chance, until), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _load(self, seconds: float, between_kills: float) -> None:
        began = time.monotonic()
        next_kill = began + self._chance.uniform(0.5, 1.5) * between_kills
        while (now := time.monotonic()) < began + seconds:
            waiting = self._look()
            _let(self.shared.publishing, waiting < MOST_WAITING)
            _let(self.shared.consuming, (now - began) % (EBB + FLOW) < FLOW)
            if now >= next_kill:
                self._kill()
                say(f"soak: {now - began:.0f} s: killed {self.kills} times; {waiting:,} waiting, {self.peak:.0f} MB")
                # Now and then at once again, while it reads what it finds.
                soon = self._chance.random() < 0.2
                next_kill = time.monotonic() + (1.0 if soon else self._chance.uniform(0.5, 1.5) * between_kills)
            time.sleep(TICK)

    def _kill(self) -> None:
        self.peak = max(self.peak, memory(self._broker.pid, peak=True))
        # In this order: who finds a port after this belongs to the next life.
        self._broker.port = 0
        self.shared.ledger.dies(time.monotonic())
        self._broker.kill()
        self.kills += 1
        self._broker.start()

    def _look(self) -> int:
        """Sample the memory; how many messages wait."""
        self.peak = max(self.peak, memory(self._broker.pid, peak=True))
        self.shared.ledger.ripen(time.monotonic())
        return self.shared.ledger.waiting()

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            time.sleep(TICK)

    def _drain(self) -> None:
        """Until every queue is empty three times in a row and nothing promised is owed, or nothing moves any more."""
        best, since, empty = -1, time.monotonic(), 0
        while empty < 3 and time.monotonic() < since + PATIENCE:
            owed, ready = self._look(), self._ready()
            empty = empty + 1 if owed == 0 and ready == 0 else 0
            if best < 0 or owed + ready < best:
                best, since = owed + ready, time.monotonic()
            time.sleep(TICK)
        if self._ready():
            self.shared.faults.append(f"{self._ready()} messages stay in the queues, and nobody gets them")

    def _ready(self) -> int:
        """Messages in the queues that no consumer has."""
        connection = connect(self._broker)
        try:
            channel = connection.channel()
            return sum(channel.queue_declare(name, durable=True, passive=True).method.message_count for name in QUEUES)
        finally:
            connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 when every promise was kept, 1 when not, 2 when something is missing."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    say(f"soak: {options.minutes:g} minutes, seed {seed}")
    try:
        base: Path = options.folder.resolve()
        on_disk(base)
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="soak-", dir=base, ignore_cleanup_errors=True) as name:
            good = _run(options, Path(name), random.Random(seed))
    except BenchError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("soak: interrupted", file=sys.stderr)
        return 130
    return 0 if good else 1


def _run(options: argparse.Namespace, folder: Path, chance: random.Random) -> bool:
    with Baton(folder) as broker:
        soak = Soak(broker, options.limit, chance)
        threading.excepthook = lambda raised: soak.shared.faults.append(f"a client failed: {raised.exc_value!r}")
        try:
            soak.run(options.minutes * 60, options.kill_every)
        except (BenchError, pika.exceptions.AMQPError, OSError) as error:
            # It died by itself, did not start again, or does not answer: as bad as a lost message.
            soak.shared.faults.append(f"the broker failed: {error!r}")
    good, line = soak.verdict(options.minutes)
    print(line, flush=True)
    if not good:
        kept = folder.rename(folder.with_name(f"failed-{folder.name}"))
        say(f"soak: the data and the logs of the broker are kept in {kept}")
    return good


def _let(event: threading.Event, allowed: bool) -> None:
    if allowed:
        event.set()
    else:
        event.clear()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak",
        description="Load the broker for minutes, kill it again and again, check every promise.",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: %(default)g)")
    parser.add_argument("--kill-every", type=float, default=45.0, help="seconds, more or less (default: %(default)g)")
    parser.add_argument(
        "--limit", type=float, default=400.0, help="megabytes of resident memory (default: %(default)g)"
    )
    parser.add_argument("--seed", type=int, help="of everything random; timing is not repeated by it")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "bench", help="on a disk (default: build/bench)"
    )
    return parser


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a broker that was killed is no news
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
