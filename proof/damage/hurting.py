"""What disks and people do to files."""

from __future__ import annotations

import random
import re
from pathlib import Path

from proof.damage.files import STORE

__all__ = ["hurt"]

PAGE = 8192
TARGETS = (STORE, STORE, STORE, STORE, STORE, f"{STORE}-wal", f"{STORE}-wal", f"{STORE}-hands", f"{STORE}-reserve")


def hurt(folder: Path, chance: random.Random) -> str:
    """Damage one file of a data directory; tells which and how."""
    there = [name for name in (*TARGETS, "users.json") if (folder / name).exists()]
    name = chance.choice(there)
    path = folder / name
    size = path.stat().st_size
    how = chance.choice(
        ("flip", "flip", "bytes", "zeros", "garbage", "cut", "swap", "gone", "longer", "short write", "name")
    )
    at = chance.randrange(max(size, 1))
    page = at // PAGE * PAGE
    with path.open("r+b") as file:
        match how:
            case "flip":
                for _ in range(chance.choice((1, 1, 1, 5))):
                    at = chance.randrange(max(size, 1))
                    file.seek(at)
                    old = file.read(1) or b"\0"
                    file.seek(at)
                    file.write(bytes([old[0] ^ 1 << chance.randrange(8)]))
            case "name":
                # A text of few letters is hit by none of the others, and is none any more with one bit.
                content = path.read_bytes()
                names = [match.start() for match in re.finditer(rb"small|large|important|later|queue", content)]
                if names:
                    at = chance.choice(names)
                    file.seek(at)
                    file.write(bytes([content[at] ^ 0x80]))
            case "bytes":
                file.seek(at)
                file.write(chance.randbytes(chance.choice((1, 4, 100))))
            case "zeros":
                file.seek(page)
                file.write(bytes(min(PAGE, max(size - page, 1))))
            case "garbage":
                file.seek(page)
                file.write(chance.randbytes(min(PAGE, max(size - page, 1))))
            case "cut":
                file.truncate(at)
            case "swap":
                other = chance.randrange(max(size, 1)) // PAGE * PAGE
                file.seek(page)
                first = file.read(PAGE)
                file.seek(other)
                second = file.read(PAGE)
                file.seek(page)
                file.write(second)
                file.seek(other)
                file.write(first)
            case "gone":
                path.unlink()
            case "longer":
                file.seek(size)
                file.write(chance.randbytes(chance.choice((1, PAGE, 5 * PAGE))))
            case "short write":
                file.seek(at)
                file.write(bytes(min(512, max(size - at, 1))))
    return f"{name}: {how} at {at:,}"
