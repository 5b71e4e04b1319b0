"""Blocks of inputs, shared out among processes, and what came of them."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from proof.fuzz.corpus import kept
from proof.fuzz.mutation import Mutator
from proof.fuzz.target import Target
from proof.fuzz.trying import Finding, Trial

# How many inputs a block has. They are long enough to be worth a new start, and short enough to be done again.
BLOCK = 20_000
SESSION_BLOCK = 1_000
# A process from which nothing is heard for so long, in seconds, hangs outside of Python.
SILENCE = 900.0
# How many different faults of a target are written down.
MOST_FINDINGS = 10


@dataclass(frozen=True, slots=True)
class Block:
    """Some inputs of one target, made by one seed."""

    target: str
    seed: str
    inputs: int


@dataclass
class Done:
    """What came of a block."""

    target: str
    inputs: int
    seconds: float
    findings: list[Finding] = field(default_factory=list)


def blocks(targets: Sequence[Target], seed: int, inputs: int, session_inputs: int) -> Iterator[Block]:
    """Those of all targets: one of each, then the next. So many inputs for each parser, and for each session."""
    left = {target.name: session_inputs if target.is_session else inputs for target in targets}
    number = 0
    while any(left.values()):
        for target in targets:
            size = min(left[target.name], SESSION_BLOCK if target.is_session else BLOCK)
            if size:
                left[target.name] -= size
                yield Block(target.name, f"{target.name} {seed} {number}", size)
        number += 1


def run_block(trial: Trial, block: Block, corpus: Sequence[bytes]) -> Done:
    """Make the inputs of a block and try them."""
    began = time.process_time()
    done = Done(block.target, 0, 0.0)
    mutator = Mutator(trial.target, corpus, block.seed)
    places: set[str] = set()
    take = trial.take
    for _ in range(block.inputs):
        made = mutator.next()
        done.inputs += 1
        try:
            mutator.became(made, take(made))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 (it is tried again, and told)
            what = trial.fault_of(made) or "It was broken once, and not when it was tried again.\n"
            found = Finding(block.target, made, what)
            if found.place not in places:
                places.add(found.place)
                done.findings.append(trial.finding(made, what))
            if len(places) >= MOST_FINDINGS:
                break
    done.seconds = time.process_time() - began
    return done


def _work(todo: Connection, targets: Mapping[str, Target], nice: int) -> None:
    """A process that does the blocks it is given, until there are none."""
    os.nice(nice)
    trials: dict[str, tuple[Trial, list[bytes]]] = {}
    try:
        while True:
            block: Block | None = todo.recv()
            if block is None:
                return
            if block.target not in trials:
                target = targets[block.target]
                trials[block.target] = Trial(target), kept(target)
            trial, corpus = trials[block.target]
            with trial.watching():
                done = run_block(trial, block, corpus)
            todo.send(done)
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        return


class Processes:
    """Some processes that do blocks side by side."""

    def __init__(self, targets: Sequence[Target], jobs: int, *, nice: int = 0) -> None:
        self._targets = {target.name: target for target in targets}
        self._nice = nice
        self._context = multiprocessing.get_context("fork")
        self._running: dict[Connection, tuple[multiprocessing.process.BaseProcess, Block | None, float]] = {}
        for _ in range(jobs):
            self._start()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._targets, self._nice), daemon=True)
        process.start()
        theirs.close()
        self._running[ours] = process, None, time.monotonic()

    def run(self, todo: Iterator[Block]) -> Iterator[Done]:
        """Have all of them done; tells of each what came of it."""
        for pipe in list(self._running):
            self._give(pipe, next(todo, None))
        while any(block for _, block, _ in self._running.values()):
            busy = [pipe for pipe, (_, block, _) in self._running.items() if block]
            for found in wait(busy, timeout=10.0):
                pipe = next(pipe for pipe in busy if pipe is found)
                process, block, _ = self._running[pipe]
                assert block is not None
                try:
                    done = pipe.recv()
                except EOFError:
                    process.join()
                    yield self._lost(pipe, block, f"The process ended with {process.exitcode}.")
                    self._give(next(reversed(self._running)), next(todo, None))
                    continue
                yield done
                self._give(pipe, next(todo, None))
            for pipe, (process, block, since) in list(self._running.items()):
                if block is not None and time.monotonic() - since > SILENCE:
                    process.kill()
                    process.join()
                    yield self._lost(pipe, block, f"Nothing was heard of it for {SILENCE:.0f} seconds.")
                    self._give(next(reversed(self._running)), next(todo, None))

    def _give(self, pipe: Connection, block: Block | None) -> None:
        process, _, _ = self._running[pipe]
        self._running[pipe] = process, block, time.monotonic()
        if block is not None:
            pipe.send(block)

    def _lost(self, pipe: Connection, block: Block, why: str) -> Done:
        pipe.close()
        del self._running[pipe]
        self._start()
        what = f"{why} It was in the block of the seed {block.seed!r}.\n"
        return Done(block.target, 0, 0.0, [Finding(block.target, b"", what)])

    def close(self) -> None:
        """End those that still run."""
        for pipe, (process, block, _) in self._running.items():
            if block is None and process.is_alive():
                pipe.send(None)
            else:
                process.terminate()
            process.join()
            pipe.close()
        self._running.clear()
