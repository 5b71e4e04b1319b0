"""Finds commits in SQLite's log that SQLite does not see, since it reads the log only up to the first wrong frame.

After a power cut a log ends like that, too: the part after it was not synced, and not confirmed. So does the log of a
process that was killed in the middle of a large commit: if SQLite had written a page twice, it corrects the later
checksums at the very end. So a break can only be reported.
The form is that of https://www.sqlite.org/fileformat2.html#walformat and https://www.sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from batonmq.store.delivery_journal import log_end

if TYPE_CHECKING:
    from contextlib import ExitStack

__all__ = ["LogBreak", "log_break"]

HEADER = struct.Struct(">8I")
FRAME = struct.Struct(">6I")
MAGIC = 0x377F0682
# The place of the last valid frame's number in the index (-shm), in this machine's byte order.
LAST_FRAME = struct.Struct("=16xI")
MASK = 0xFFFFFFFF
# The place of a random number that changes whenever the log is started again.
SALT_2_AT = 20
SALT = struct.Struct(">I")


class LogBreak(NamedTuple):
    """The part of a log after a break."""

    what: str
    may_be_unfinished: bool = False
    """Is it a single commit, which a crash may have interrupted? Of several, the first was complete once."""
    was_synced: bool = False
    """Is it known to have been synced? Then a loss of power cannot explain the break."""

    def __str__(self) -> str:
        return self.what


def log_break(path: str, kept: ExitStack) -> LogBreak | None:
    """The part of a file's log after a break, which may have been confirmed once; a connection has to have read it.

    While another process writes to the file, it may be a commit under way. ``kept`` is to be closed after the
    connection: it gets a handle of the index (-shm), and closing that drops SQLite's locks on it in this process.
    """
    synced_salt, synced = log_end(path)
    try:
        with Path(path + "-wal").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size < HEADER.size:
                return None if size == 0 else LogBreak("its log (-wal) is cut off within its first bytes")
            magic, _, page_size, _, salt_1, salt_2, sum_1, sum_2 = header = HEADER.unpack(file.read(HEADER.size))
            if magic & ~1 != MAGIC or _sums(header[:6], is_big=bool(magic & 1)) != (sum_1, sum_2):
                return LogBreak(f"its log (-wal) of {size:,} bytes cannot be read")
            frame_size = FRAME.size + page_size
            count = (size - HEADER.size) // frame_size
            last = _last_frame(path, kept)
            lost = 0
            # The header is read last: nothing is known of a log that was started again meanwhile.
            file.seek(SALT_2_AT)
            if synced > last and SALT.unpack(file.read(SALT.size))[0] == synced_salt:
                return LogBreak(
                    f"its log (-wal) has {last:,} pages, and {synced:,} were on the disk once:"
                    " what was confirmed with those that are missing is lost",
                    was_synced=True,
                )
            for number in range(last, count):
                file.seek(HEADER.size + number * frame_size)
                _, is_commit, frame_salt_1, frame_salt_2, _, _ = FRAME.unpack(file.read(FRAME.size))
                if (frame_salt_1, frame_salt_2) == (salt_1, salt_2):
                    lost += bool(is_commit)
    except (OSError, struct.error):
        return None
    if not lost:
        return None
    where = f"its log (-wal) cannot be read from page {last + 1:,} of {count:,} on"
    if lost == 1:
        return LogBreak(f"{where}: the last commit is lost, unless a crash came before its end", may_be_unfinished=True)
    return LogBreak(f"{where}: {lost:,} commits behind that are lost")


def _last_frame(path: str, kept: ExitStack) -> int:
    file = Path(path + "-shm").open("rb")  # noqa: SIM115 (it outlives this)
    kept.callback(file.close)
    begin = file.read(LAST_FRAME.size)
    if sys.platform == "win32":
        # There an open handle would keep SQLite from deleting the file, and closing one drops nothing.
        file.close()
    return int(LAST_FRAME.unpack(begin)[0])


def _sums(words: tuple[int, ...], *, is_big: bool) -> tuple[int, int]:
    """The checksum of a log (section 4.2), for words in the log's byte order."""
    if not is_big:
        words = struct.unpack(f"<{len(words)}I", struct.pack(f">{len(words)}I", *words))
    first = second = 0
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & MASK
        second = (second + words[at + 1] + first) & MASK
    return first, second
