"""``python -m tests.peers``: install, start and stop real brokers, and run the tests of every engine with them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bench.failures import BenchError

from tests.peers import background, engines
from tests.peers.cache import Unavailable, cache
from tests.peers.catalogue import PEERS


def main(arguments: Sequence[str]) -> int:
    """0: done; 1: something could not be had, or tests failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__.replace("``", ""))
    tasks = parser.add_subparsers(dest="task", required=True)
    for task, text in (
        ("install", f"bring brokers to {cache()}, where they are not"),
        ("start", "start brokers in the background; prints what the tests want to know of them"),
        ("stop", "end those that were started, with their data"),
    ):
        one = tasks.add_parser(task, help=text)
        one.add_argument(
            "names", nargs="*", metavar="NAME", choices=[*PEERS, []], help=f"{', '.join(PEERS)}; none: all"
        )
    run = tasks.add_parser("engines", help="install, start, run the tests of every engine, stop")
    run.add_argument("--no-fetch", action="store_true", help="take only what is installed")
    run.add_argument("tests", nargs=argparse.REMAINDER, help="arguments of pytest instead of all these tests")
    given = parser.parse_args(arguments)
    if given.task == "engines":
        return engines.run([one for one in given.tests if one != "--"], fetch=not given.no_fetch)
    kinds = [PEERS[name] for name in given.names or PEERS]
    failed = False
    if given.task == "install":
        reasons = engines.install(kinds)
        for kind in kinds:
            print(f"{kind.key}: {reasons.get(kind) or f'is in {kind.home()}'}")
        return 1 if reasons else 0
    for kind in kinds:
        if given.task == "stop":
            print(f"{kind.key}: {'stopped' if background.stop(kind) else 'did not run'}")
            continue
        try:
            if reason := kind.missing():
                raise Unavailable(reason)
            print(f"export {kind.variable}={background.start(kind)}", flush=True)
        except (BenchError, Unavailable, OSError) as error:
            print(f"{kind.key}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
