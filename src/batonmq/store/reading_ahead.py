"""Reading ahead: what a queue will read next is read in a thread, while the loop hands over what it has.

A lane says where it will read on when it has just read. What is found counts only for that place, and only if nothing
was changed in the lane meanwhile but its tail.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

import apsw

from batonmq.message import Message
from batonmq.store.packed import Packed, pack
from batonmq.store.schema import connect_reader

__all__ = ["ReadingAhead"]

# Pages of this many lanes at once, 4 MiB each at most. One that nobody wanted while this many others were asked for
# gives way.
LANES_AT_ONCE = 4
WANTED_WITHIN = 64


class _Page:
    """What is to be read."""

    __slots__ = ("after_row", "committed", "is_read", "last_row", "like", "number", "packed")

    def __init__(self, number: int, after_row: int, last_row: int, like: Message, committed: int) -> None:
        self.number = number
        self.after_row = after_row
        self.last_row = last_row
        self.like = like
        self.committed = committed
        """The last batch that was committed before this was asked for: it sees that batch, and may see more."""
        self.is_read = threading.Event()
        self.packed: Packed | None = None


class ReadingAhead:
    """A thread with a connection of its own; neither is there before something is to be read."""

    __slots__ = ("_asked", "_count", "_pages", "_path", "_thread")

    def __init__(self, path: str) -> None:
        self._path = path
        # By lane, the one first that was asked for first.
        self._pages: dict[int, _Page] = {}
        self._count = 0
        self._asked: SimpleQueue[_Page | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, lane_id: int, after_row: int, last_row: int, like: Message, committed: int) -> None:
        """Read a lane's messages behind ``after_row``; ``like``: one of those before it.

        Too many lanes at once do without.
        """
        pages = self._pages
        self._count += 1
        pages.pop(lane_id, None)
        if len(pages) >= LANES_AT_ONCE:
            oldest = next(iter(pages))
            if self._count - pages[oldest].number <= WANTED_WITHIN:
                return
            del pages[oldest]
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="batonmq-reading", daemon=True)
            self._thread.start()
        page = pages[lane_id] = _Page(self._count, after_row, last_row, like, committed)
        self._asked.put(page)

    def take(self, lane_id: int, after_row: int, changed_in: int) -> Packed | None:
        """What was found behind that row; None where nothing is, or was not asked for.

        ``changed_in``: the last batch that has changed anything behind the row, but for new messages at the tail.
        Waits where it is being read.
        """
        page = self._pages.pop(lane_id, None)
        if page is None or page.after_row != after_row or changed_in > page.committed:
            return None
        page.is_read.wait()
        return page.packed

    def forget(self, lane_id: int) -> None:
        """The lane's number may come again for another queue."""
        self._pages.pop(lane_id, None)

    def close(self) -> None:
        """End the thread."""
        self._pages.clear()
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        """The thread: one page after the other. What fails is read once more on the loop, which tells what is wrong."""
        db: apsw.Connection | None = None
        try:
            while (page := self._asked.get()) is not None:
                try:
                    db = db or connect_reader(self._path)
                    page.packed = pack(db, page.after_row, page.last_row, page.like)
                except Exception:  # noqa: BLE001, S110 (as above)
                    pass
                finally:
                    page.is_read.set()
        finally:
            if db is not None:
                db.close()
