"""Owners of files as processes of their own, by fork: a new one takes 10 ms, and has no threads to begin with.

python nursery.py        then, on its standard input, the path of a file a line: each gets an owner, as soon as
                         nobody else has the file, whose number is printed at once. SIGTERM ends it in order.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from batonmq.engines.embedded.ownership import InUse
from batonmq.engines.shared.registry import own_file


def own(path: str) -> None:
    # Waited for, not handled: a handler that sets what its own thread waits for can find the lock of it taken.
    # Before the engine's threads are made, which inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    engine = None
    while engine is None:
        try:
            engine = own_file(path)
        except InUse:
            time.sleep(0.002)
    signal.sigwait({signal.SIGTERM})
    engine.close()


def main() -> None:
    # Those that have ended are nobody's to ask about.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while path := sys.stdin.readline().strip():
        process = os.fork()
        if process == 0:
            try:
                own(path)
            finally:
                os._exit(0)
        print(process, flush=True)


if __name__ == "__main__":
    main()
