"""`python -m proof.soak.mover FILE FROM TO`: a process that has a file of queues open and moves messages until SIGTERM.

Each batch is moved in one transaction. Whoever comes first owns the file, the others are its guests; when the owner
leaves, one of them takes over.
"""

from __future__ import annotations

import signal
import sys
import threading

import batonmq

__all__ = ["main"]

BATCH, WAIT = 20, 0.1


def main(arguments: list[str]) -> int:
    """The exit status: 0."""
    file, source, target = arguments
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: leaving.set())
    with batonmq.connect(file) as mq, mq.receiver(source, prefetch=BATCH) as receiver:
        print("moves", flush=True)
        while not leaving.is_set():
            taken = receiver.receive(BATCH, WAIT)
            if taken:
                with mq.transaction() as transaction:
                    for delivery in taken:
                        transaction.send(target, delivery.message)
                        transaction.accept(delivery)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
