"""A connection in a forked child, as in web servers that load the application before they fork."""

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
    for name, call in {
        "send": lambda: mq.send(queue, b""),
        "delete": lambda: mq.delete(queue),
        "declare": lambda: mq.declare(queue),
        "receiver": lambda: mq.receiver(queue).receive(wait=30),
        "receive": lambda: receiver.receive(wait=30),
        "accept": lambda: held.accept(),
    }.items():
        try:
            call()
        except batonmq.BatonError as error:
            if "connect anew in this one" in str(error):
                continue
        print(f"{name}() was not told", flush=True)
    receiver.close()
    mq.close()
    if shared:
        with batonmq.connect(url) as own:
            own.send(queue, b"3")
    os._exit(0)
print("child:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
held.accept()
print("parent:", len(receiver.receive(3, wait=30)) > 0)
mq.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_told_to_connect_anew_and_its_parent_goes_on(place: Place) -> None:
    arguments = [place.url, place.queue(), "shared" if place.shared else ""]
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["child: 0", "parent: True"]
