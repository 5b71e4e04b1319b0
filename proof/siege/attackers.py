"""`python -m proof.siege.attackers PORTS SEED [ATTACK ...]`: all at once, a thread for each, until its input ends.

It prints a line, "flows", when each has begun; and at the end, as JSON: rounds of each attack, how many ended with an
error of the network, and how many did what they came for, of those that can tell.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection

from proof.siege.guests import GUESTS
from proof.siege.siege import Siege
from proof.siege.strangers import STRANGERS

__all__ = ["ATTACKS", "main"]

ATTACKS: dict[Callable[[Siege], bool | None], float] = STRANGERS | GUESTS
"""Each with the seconds between two rounds."""


class Attackers:
    """Every attack in a thread of its own."""

    def __init__(self, ports: dict[str, int], chance: random.Random, only: Collection[str]) -> None:
        self.over = threading.Event()
        self.rounds: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.inside: Counter[str] = Counter()
        self._sieges = {attack: Siege(ports, random.Random(chance.random())) for attack in ATTACKS}
        chosen = [each for each in ATTACKS.items() if not only or each[0].__name__ in only]
        self._threads = [threading.Thread(target=self._again, args=each) for each in chosen]
        self._first = threading.Semaphore(0)

    def _again(self, attack: Callable[[Siege], bool | None], pause: float) -> None:
        name, siege = attack.__name__, self._sieges[attack]
        while not self.over.wait(pause):
            self.rounds[name] += 1
            if self.rounds[name] == 1:
                self._first.release()
            try:
                self.inside[name] += bool(attack(siege))
            except OSError:
                self.refused[name] += 1
        siege.leave()

    def begin(self) -> None:
        """Attack; returns when each of the attacks has begun."""
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._first.acquire()

    def end(self) -> None:
        """Leave, every connection with you."""
        self.over.set()
        for thread in self._threads:
            thread.join()


def main(arguments: list[str]) -> int:
    """The exit status: 0."""
    ports, seed, *only = arguments
    attackers = Attackers(json.loads(ports), random.Random(int(seed)), only)
    attackers.begin()
    print("flows", flush=True)
    sys.stdin.read()
    attackers.end()
    print(json.dumps({"rounds": attackers.rounds, "refused": attackers.refused, "inside": attackers.inside}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
