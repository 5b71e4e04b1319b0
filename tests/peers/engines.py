"""`make engines`: the contract, and each engine's own tests, with every real broker that can be had here."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.failures import BenchError

from tests.peers.cache import Unavailable
from tests.peers.catalogue import PEERS
from tests.peers.peer import Peer

__all__ = ["install", "run"]

ROOT = Path(__file__).resolve().parents[2]
# The contract, and whatever else asks for a real broker; the rest of the suite has no use for one.
CONTRACT = "tests/contract"
ASKING = ("BATONMQ_TEST_", "tests.peers.catalogue")
# Two tests for each core wait for brokers most of the time.
PROCESSES = str(min(4, 2 * (os.cpu_count() or 1)))
# Against hanging only: it takes two minutes on two cores that have nothing else to do.
LIMIT = 1200.0


def install(kinds: Sequence[type[Peer]]) -> dict[type[Peer], str]:
    """Install them, side by side; why those could not be that could not."""
    with ThreadPoolExecutor(len(kinds)) as threads:
        found = dict(zip(kinds, threads.map(_install, kinds), strict=True))
    return {kind: reason for kind, reason in found.items() if reason is not None}


def run(arguments: Sequence[str], *, fetch: bool = True) -> int:
    """Install, start, test, stop; the exit status of the tests. ``fetch``: whether what is missing is installed."""
    begun = time.monotonic()
    kinds = list(PEERS.values())
    missing = install(kinds) if fetch else {}
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="batonmq-engines-", ignore_cleanup_errors=True))
        )
        peers = [kind(folder / kind.key) for kind in kinds if kind not in missing]
        environment = {**os.environ, "BATONMQ_TEST_NAMED_ONLY": "1"}
        for kind in kinds:
            environment.pop(kind.variable, None)
        with ThreadPoolExecutor(len(PEERS)) as threads:
            started = list(threads.map(_start, peers))
        for peer, reason in zip(peers, started, strict=True):
            stack.callback(peer.stop)
            if reason is None:
                environment[peer.variable] = peer.url
                print(f"{peer.name} {peer.version}: {peer.variable}={peer.url}")
            else:
                missing[type(peer)] = reason
        for kind, reason in missing.items():
            print(f"{kind.name} takes no part: {reason}")
        print(f"ready after {time.monotonic() - begun:.0f} s", flush=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--numprocesses",
            PROCESSES,
            "--dist",
            "worksteal",
            *(arguments or _tests()),
        ]
        try:
            return subprocess.run(command, cwd=ROOT, env=environment, timeout=LIMIT, check=False).returncode
        except subprocess.TimeoutExpired:
            print(f"not done after {LIMIT:.0f} s: what had passed is above", file=sys.stderr)
            return 1


def _tests() -> list[str]:
    engines = ROOT / "tests" / "engines"
    asking = [
        path for path in engines.rglob("test_*.py") if any(word in path.read_text(encoding="utf-8") for word in ASKING)
    ]
    return [CONTRACT, *(str(path.relative_to(ROOT)) for path in sorted(asking))]


def _install(kind: type[Peer]) -> str | None:
    try:
        kind.install()
    except (Unavailable, OSError) as error:
        return str(error)
    return None


def _start(peer: Peer) -> str | None:
    if reason := peer.missing():
        return reason
    try:
        peer.start()
    except (BenchError, Unavailable, OSError) as error:
        return str(error)
    return None
