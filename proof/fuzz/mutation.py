"""Inputs made of others: changed, cut, put together. What comes to something new is kept and changed again.

A block of inputs is made by its seed alone, so that what was found is found again, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from random import Random

from proof.fuzz.target import Target

# How many inputs a block keeps beside the seeds.
KEPT = 512
EDGES = tuple(
    value.to_bytes(size, "big")
    for size in (1, 2, 4, 8)
    for value in (0, 1, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)
)


class Mutator:
    """Makes the inputs of one block."""

    def __init__(self, target: Target, corpus: Sequence[bytes], seed: str) -> None:
        self._random = Random(seed)
        self._pool = [*corpus] or [b""]
        self._fixed = len(self._pool)
        self._known: set[Hashable] = set()
        self._words = target.words
        self._longest = target.longest
        self._changes: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._put_byte,
            self._put_edge,
            self._put_word if target.words else self._put_byte,
            self._insert_word if target.words else self._insert,
            self._insert,
            self._cut,
            self._repeat,
            self._splice,
        )

    def next(self) -> bytes:
        """Another input."""
        random = self._random
        pool = self._pool
        bits = random.getrandbits(20)
        made = bytearray(pool[int(random.random() * len(pool))])
        # Mostly one or two changes: what is changed everywhere is refused by its first bytes.
        for _ in range((1, 1, 1, 2, 2, 3, 4, 8)[bits & 7]):
            self._changes[int(random.random() * len(self._changes))](made)
        return bytes(made[: self._longest])

    def became(self, made: bytes, outcome: Hashable) -> None:
        """That is what became of an input."""
        if outcome not in self._known:
            if len(self._known) < 10 * KEPT:
                self._known.add(outcome)
            if len(self._pool) < self._fixed + KEPT:
                self._pool.append(made)
            else:
                self._pool[self._fixed + int(self._random.random() * KEPT)] = made

    def _place(self, made: bytearray) -> int:
        return int(self._random.random() * (len(made) + 1))

    def _flip(self, made: bytearray) -> None:
        if made:
            made[int(self._random.random() * len(made))] ^= 1 << self._random.getrandbits(3)

    def _put_byte(self, made: bytearray) -> None:
        if made:
            made[int(self._random.random() * len(made))] = self._random.getrandbits(8)

    def _put(self, made: bytearray, piece: bytes) -> None:
        at = self._place(made)
        made[at : at + len(piece)] = piece

    def _put_edge(self, made: bytearray) -> None:
        self._put(made, EDGES[int(self._random.random() * len(EDGES))])

    def _put_word(self, made: bytearray) -> None:
        self._put(made, self._words[int(self._random.random() * len(self._words))])

    def _insert_word(self, made: bytearray) -> None:
        at = self._place(made)
        made[at:at] = self._words[int(self._random.random() * len(self._words))]

    def _insert(self, made: bytearray) -> None:
        at = self._place(made)
        made[at:at] = self._random.randbytes(1 + self._random.getrandbits(3))

    def _cut(self, made: bytearray) -> None:
        at = self._place(made)
        if self._random.getrandbits(2):
            del made[at : at + 1 + self._random.getrandbits(4)]
        else:
            del made[at:]

    def _repeat(self, made: bytearray) -> None:
        """Some of it comes again, somewhere, and now and then many times."""
        start = self._place(made)
        piece = made[start : start + 1 + self._random.getrandbits(5)]
        at = self._place(made)
        made[at:at] = piece * (1 if self._random.getrandbits(3) else 1 + self._random.getrandbits(5))

    def _splice(self, made: bytearray) -> None:
        """The end of another."""
        other = self._pool[int(self._random.random() * len(self._pool))]
        made[self._place(made) :] = other[int(self._random.random() * (len(other) + 1)) :]
