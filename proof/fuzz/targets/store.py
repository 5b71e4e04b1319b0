"""The store's files: rows that hold anything, and a journal that is any file."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from tempfile import TemporaryDirectory

from batonmq.store.delivery_journal import MAGIC, NUMBER, SUFFIX, marks_of
from batonmq.store.records import LANES_MAX, POSITION_MASK
from proof.fuzz.target import Take, Target, ensure

OPENING = 7
HEAD = MAGIC + NUMBER.pack(OPENING)


def _journals() -> Take:
    def take(data: bytes) -> Hashable:
        with TemporaryDirectory(prefix="fuzz-") as folder:
            path = Path(folder) / "store.db"
            Path(f"{path}{SUFFIX}").write_bytes(data)
            marks = marks_of(str(path), OPENING)
        ensure(not marks or data.startswith(HEAD), "marks of another opening, or of no journal")
        for lane_id, position in marks.items():
            ensure(0 <= lane_id <= LANES_MAX and 0 < position <= POSITION_MASK, f"lane {lane_id} is at {position}")
        return len(marks), max(marks.values(), default=0).bit_length()

    return take


TARGETS = (
    Target(
        "store.journals",
        "the file of what was handed out: marks of lanes that there can be, or none",
        _journals,
        (
            HEAD + NUMBER.pack(0) + NUMBER.pack(5) + NUMBER.pack(POSITION_MASK),
            HEAD,
            MAGIC + NUMBER.pack(8) + NUMBER.pack(1) * 3,
            HEAD + NUMBER.pack((1 << 64) - 1) * 4 + b"cut",
        ),
        (HEAD, MAGIC, NUMBER.pack(1), NUMBER.pack(POSITION_MASK + 1), b"\xff" * 8),
        400,
    ),
)
