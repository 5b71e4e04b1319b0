"""`make engines`: the contract, and each engine's own tests, with every real broker that can be had here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.failures import BenchError

from tests.peers.cache import Unavailable
from tests.peers.catalogue import PEERS
from tests.peers.peer import Peer

__all__ = ["install", "run", "try_twice"]

ROOT = Path(__file__).resolve().parents[2]
# The contract, and whatever else asks for a real broker; the rest of the suite has no use for one.
CONTRACT = "tests/contract"
ASKING = ("BATONMQ_TEST_", "tests.peers.catalogue")
# Two tests for each core wait for brokers most of the time.
PROCESSES = str(min(4, 2 * (os.cpu_count() or 1)))
# Against hanging only: on two cores that others keep busy as well (load 12) all of it takes six minutes, of which the
# brokers need half a minute to start.
LIMIT = 900.0
# The exit status of pytest for that; what the others are for is mended by no second run.
TESTS_FAILED = 1


def install(kinds: Sequence[type[Peer]]) -> dict[type[Peer], str]:
    """Install them, side by side; why those could not be that could not."""
    with ThreadPoolExecutor(len(kinds)) as threads:
        found = dict(zip(kinds, threads.map(_install, kinds), strict=True))
    return {kind: reason for kind, reason in found.items() if reason is not None}


def run(arguments: Sequence[str], *, fetch: bool = True) -> int:
    """Install, start, test, stop; the exit status of the tests. ``fetch``: whether what is missing is installed."""
    begun = time.monotonic()
    # Who ends this ends the brokers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
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
        for peer in peers:
            stack.callback(peer.kill)  # nobody wants its data any more
        with ThreadPoolExecutor(len(PEERS)) as threads:
            started = list(threads.map(_start, peers))
        for peer, reason in zip(peers, started, strict=True):
            if reason is None:
                environment[peer.variable] = peer.url
                print(f"{peer.name} {peer.version}: {peer.variable}={peer.url}")
            else:
                missing[type(peer)] = reason
        for kind, reason in missing.items():
            print(f"{kind.name} takes no part: {reason}")
        print(f"ready after {time.monotonic() - begun:.0f} s", flush=True)
        try:
            return try_twice(arguments or _tests(), environment, folder / "pytest")
        except subprocess.TimeoutExpired:
            print(f"not done after {LIMIT:.0f} s: what had passed is above", file=sys.stderr)
            return 1


def try_twice(tests: Sequence[str], environment: Mapping[str, str], notes: Path) -> int:
    """Run them side by side, and what fails once more, alone: a busy machine is no fault of an engine.

    The exit status of pytest that counts. ``notes``: a folder where it notes what has failed. TimeoutExpired when both
    take longer than LIMIT.
    """
    end = time.monotonic() + LIMIT
    pytest = [sys.executable, "-m", "pytest", "-o", f"cache_dir={notes}", *tests]

    def run(*options: str) -> int:
        left = end - time.monotonic()
        return subprocess.run([*pytest, *options], cwd=ROOT, env=environment, timeout=left, check=False).returncode

    status = run("--numprocesses", PROCESSES, "--dist", "worksteal")
    failed = _failed(notes)
    if status != TESTS_FAILED or not failed:
        return status
    print(f"failed with others beside them, and run once more, alone: {len(failed)}", flush=True)
    status = run("--numprocesses", "0", "--last-failed", "--last-failed-no-failures", "none")
    again = _failed(notes)
    for test in failed:
        print(f"{test}: failed at first, {'and alone' if test in again else 'passed alone'}", flush=True)
    return status


def _failed(notes: Path) -> list[str]:
    """What pytest's --last-failed would run."""
    path = notes / "v" / "cache" / "lastfailed"
    return sorted(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


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
