"""What a burst has taken goes back to the system: by its resident memory, of a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from batonmq.server.allocator import LOOKS, Allocator

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")

HALF_A_MINUTE = 30.0

COMMON = """
import resource, sys
from batonmq.server.allocator import LOOKS_APART, Allocator
allocator = Allocator()
if not allocator.can_tell:
    print("another allocator")
    sys.exit()
allocator.tune()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1048576
"""

BURST = """
allocator.look()
before = resident()
burst, between = [], []
for number in range(1600):
    burst.append(bytes(65536))
    # What stays lies between what goes, as definitions do that are made under load.
    between.append(bytes(2000))
assert not allocator.look()
assert resident() > before + 90
burst.clear()
assert allocator.look()
assert resident() < before + 20, (before, resident())
assert not allocator.look(), "nothing more is free"
print("gone back")
"""

GAPS = """
allocator.look()
before = resident()
big = [b"x" * 65536 for _ in range(1600)]
allocator.look()
# Between two checks as much comes as goes, and what comes has no room in the gaps.
for number in range(0, 1600, 2):
    big[number] = None
other = [b"x" * 131072 for _ in range(400)]
looks = [allocator.look() for _ in range(2 * LOOKS_APART)]
assert looks.count(True) == 1, looks
assert resident() < before + 125, (before, resident())
print("gone back")
"""

PASSWORD = """
from batonmq.server.passwords import hash_password
before = resident()
for _ in range(3):
    hash_password("sesame")
assert resident() < before + 8, (before, resident())
print("gone back")
"""


@pytest.mark.parametrize("script", [BURST, GAPS, PASSWORD], ids=["a burst", "gaps", "checks of passwords"])
def test_what_was_taken_goes_back(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMON + script], capture_output=True, text=True, timeout=HALF_A_MINUTE, check=False
    )
    if done.stdout == "another allocator\n":
        pytest.skip("not glibc 2.33 or later")
    assert (done.stdout, done.stderr) == ("gone back\n", "")


def test_a_little_goes_back_later() -> None:
    allocator = Allocator()
    if not allocator.can_tell:
        pytest.skip("not glibc 2.33 or later")
    looks = [allocator.look() for _ in range(2 * LOOKS)]
    assert looks == [*[False] * (LOOKS - 1), True] * 2
