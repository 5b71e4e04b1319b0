"""One of several processes that send and receive on one file, until its standard input ends.

    python worker.py FILE LOG NAME

Each line of the log is written in one go after what it speaks of, and survives the process: ``+ID`` a message is
confirmed; ``-ID`` one is accepted.
"""

from __future__ import annotations

import os
import sys
import threading

import batonmq

STOP = threading.Event()


def send(mq: batonmq.Connection, log: int, name: str) -> None:
    number = 0
    while not STOP.is_set():
        body = f"{name}.{number}"
        try:
            mq.send("orders", body.encode())
        except batonmq.ConnectionLost:
            # Nobody knows whether it arrived: this one is not confirmed, and not sent again.
            continue
        finally:
            number += 1
        os.write(log, f"+{body}\n".encode())


def receive(mq: batonmq.Connection, log: int) -> None:
    with mq.receiver("orders", prefetch=10) as receiver:
        while not STOP.is_set():
            for delivery in receiver.receive(5, wait=0.1):
                try:
                    delivery.accept()
                except batonmq.LeaseLost:
                    # It comes again, here or elsewhere.
                    continue
                os.write(log, f"-{delivery.body.decode()}\n".encode())


def main() -> None:
    path, log_path, name = sys.argv[1:]
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with batonmq.connect(path) as mq:
        mq.declare("orders")
        threads = [
            threading.Thread(target=send, args=(mq, log, name)),
            threading.Thread(target=receive, args=(mq, log)),
        ]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        STOP.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
