"""`python -m proof.siege.control FILE`: what the machine itself takes for a confirm, until its input ends.

Two processes: one sends 500 octets over loopback every so often; the other writes them to the file, syncs it, and
answers, which is the least that a broker has to do. How long that takes beside a siege is no fault of the broker: the
attackers, and what else the machine has to do, need the same two or four processors and the same disk.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from multiprocessing import get_context
from pathlib import Path

__all__ = ["main"]

EVERY = 0.05
OCTETS = 500


def answer(listening: socket.socket, file: Path) -> None:
    """The other process: keep what comes, and say so."""
    made, _ = listening.accept()
    with made, file.open("wb", buffering=0) as kept:
        while data := made.recv(OCTETS):
            kept.seek(0)
            kept.write(data)
            os.fdatasync(kept.fileno())
            made.sendall(b".")


def main(arguments: list[str]) -> int:
    """The exit status: 0."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        other = get_context("fork").Process(target=answer, args=(listening, Path(arguments[0])), daemon=True)
        other.start()
        made = socket.create_connection(listening.getsockname())
    over = threading.Event()
    took: list[tuple[float, float]] = []

    def measure() -> None:
        with made:
            while not over.wait(EVERY):
                began = time.monotonic()
                made.sendall(b"." * OCTETS)
                made.recv(1)
                took.append((began, time.monotonic() - began))

    thread = threading.Thread(target=measure)
    thread.start()
    print("flows", flush=True)
    sys.stdin.read()
    over.set()
    thread.join()
    other.join()
    print(json.dumps({"took": {"control": took}}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
