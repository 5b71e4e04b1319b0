"""A connection in a child of the process that opened it, as web servers have it that load the application first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from batonmq.testing.contract.place import Place

PROGRAM = """
import os, sys
import batonmq
url, queue, shared = sys.argv[1:]
mq = batonmq.connect(url)
mq.declare(queue)
mq.send_many(queue, [b"1", b"2"])
receiver = mq.receiver(queue)
(held,) = receiver.receive(wait=30)
child = os.fork()
if not child:
    told = 0
    for call in (
        lambda: mq.send(queue, b""),
        lambda: mq.delete(queue),
        lambda: mq.declare(queue),
        lambda: mq.receiver(queue).receive(wait=30),
        lambda: receiver.receive(wait=30),
        lambda: held.accept(),
    ):
        try:
            call()
        except batonmq.BatonError as error:
            told += "connect anew in this one" in str(error)
    receiver.close()
    mq.close()
    if shared:
        with batonmq.connect(url) as own:
            own.send(queue, b"3")
    os._exit(100 + told)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
held.accept()
print(len(receiver.receive(3, wait=30)))
mq.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_told_to_connect_anew_and_its_parent_goes_on(place: Place) -> None:
    arguments = [place.url, place.queue(), "shared" if place.shared else ""]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.stderr == ""
    child, left = map(int, done.stdout.split())
    assert child == 106
    assert left >= 1
