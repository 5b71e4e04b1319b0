"""In which order several processes run the tests: what takes long comes first, so that none is alone in the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

# Folders and files of which many cases, or one, take seconds: they have browsers, clients or programs to start, or wait
# for time to pass. Those that take longest come first. Each stays with one process, which starts what they need once.
LONG = (
    "tests/contract/",
    "tests/management/page/",
    "tests/proof/",
    "tests/contrib/",
    "tests/interop/",
    "tests/cli/",
    "tests/shovels/",
    "tests/test_compiling.py",
    "tests/testing/",
    "tests/test_readme.py",
    "tests/test_release.py",
    "tests/test_structure.py",
    "tests/model/",
    "tests/test_bench_latency.py",
    "tests/conformance/test_durability.py",
    "tests/test_docs.py",
    "tests/api/test_examples.py",
    "tests/test_bench_judged.py",
    "tests/store/test_space.py",
    "tests/test_bench.py",
    "tests/store/test_full_disk.py",
    "tests/test_bench_connections.py",
    "tests/test_states.py",
    "tests/test_bench_engines.py",
    "tests/engines/test_any_header.py",
    "tests/management/test_ten_thousand_queues.py",
)

T = TypeVar("T")


def long_first(tests: Sequence[tuple[str, T]], processes: int) -> list[T]:
    """``tests`` by their names in the order in which xdist's ``worksteal`` is to have them, for so many processes.

    It gives each process a share, one after another and equally long, and lets who has done with his take from the end
    of another's. So each share begins with what takes long.
    """
    places: dict[str, list[T]] = {place: [] for place in LONG}
    short: list[T] = []
    for name, test in tests:
        place = next((place for place in LONG if name.startswith(place)), None)
        (short if place is None else places[place]).append(test)
    shares: list[list[T]] = [[] for _ in range(processes)]
    most = len(tests) // processes
    for number, kept in enumerate(places.values()):
        # There and back again: who has the longest has the shortest, too.
        turn, back = number % processes, number // processes % 2
        shares[processes - 1 - turn if back else turn].extend(kept)
    ordered: list[T] = []
    at = 0
    for share in shares:
        room = max(0, most - len(share))
        ordered += share + short[at : at + room]
        at += room
    return ordered + short[at:]
