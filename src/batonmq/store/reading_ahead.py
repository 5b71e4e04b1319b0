"""Reading ahead: a thread reads a queue's next messages, while the loop dispatches those in memory.

A lane that has just read names the place where it will continue. The result is only valid for that place, and only if
nothing in the lane but its tail has changed meanwhile.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

import apsw

from batonmq.message import Message
from batonmq.store.packed import BODY_MAX, Packed, pack
from batonmq.store.records import StoredRun
from batonmq.store.schema import connect_reader

__all__ = ["ReadingAhead"]

# The most that all pages may take, in bytes: one that is not read yet counts as much as it may have. And the most lanes
# with a page at once, as of a queue with priorities. A page that was not taken within this many further requests gives
# way to another.
OCTETS_AT_ONCE = 16 << 20
LANES_AT_ONCE = 32
WANTED_WITHIN = 64


class _Page:
    """The rows to read, and the result."""

    __slots__ = ("after_row", "committed", "is_alike", "is_read", "last_row", "like", "most", "number", "packed")

    def __init__(
        self, number: int, after_row: int, last_row: int, most: int, like: Message, committed: int, *, is_alike: bool
    ) -> None:
        self.number = number
        self.after_row = after_row
        self.last_row = last_row
        self.most = most
        self.like = like
        self.is_alike = is_alike
        self.committed = committed
        """The last batch committed before the request: the page includes that batch, and perhaps later ones."""
        self.is_read = threading.Event()
        self.packed: Packed | None = None

    @property
    def octets(self) -> int:
        """The memory that it takes, or may take once it is read."""
        if not self.is_read.is_set():
            return self.most * BODY_MAX
        return self.packed.octets if self.packed is not None else 0


class ReadingAhead:
    """A thread with its own connection; both are created on first use."""

    __slots__ = ("_asked", "_count", "_pages", "_path", "_thread")

    def __init__(self, path: str) -> None:
        self._path = path
        # By lane, in the order of the requests.
        self._pages: dict[int, _Page] = {}
        self._count = 0
        self._asked: SimpleQueue[_Page | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, lane_id: int, after_row: int, last_row: int, most: int, found: StoredRun, committed: int) -> None:
        """Read at most so many of a lane's messages between two rows; ``found``: some before them.

        Does nothing if too many other lanes have a page.
        """
        pages = self._pages
        self._count += 1
        pages.pop(lane_id, None)
        while len(pages) >= LANES_AT_ONCE or self._octets() + most * BODY_MAX > OCTETS_AT_ONCE:
            oldest = next(iter(pages), None)
            if oldest is None or self._count - pages[oldest].number <= WANTED_WITHIN:
                return
            del pages[oldest]
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="batonmq-reading", daemon=True)
            self._thread.start()
        page = pages[lane_id] = _Page(
            self._count, after_row, last_row, most, found.messages[-1], committed, is_alike=_are_alike(found)
        )
        self._asked.put(page)

    def _octets(self) -> int:
        return sum(page.octets for page in self._pages.values())

    def take(self, lane_id: int, after_row: int, changed_in: int) -> Packed | None:
        """The messages after that row; None: there are none, or none were requested.

        ``changed_in``: the last batch that changed anything after the row, except for new messages at the tail. Waits
        while the page is being read.
        """
        page = self._pages.pop(lane_id, None)
        if page is None or page.after_row != after_row or changed_in > page.committed:
            return None
        page.is_read.wait()
        return page.packed

    def forget(self, lane_id: int) -> None:
        """Forget a lane, whose number may be used for another queue."""
        self._pages.pop(lane_id, None)

    def close(self) -> None:
        """End the thread."""
        self._pages.clear()
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        """The thread: reads one page after another. The loop reads a failed page again, and reports the error."""
        db: apsw.Connection | None = None
        try:
            while (page := self._asked.get()) is not None:
                try:
                    db = db or connect_reader(self._path)
                    page.packed = pack(db, page.after_row, page.last_row, page.most, page.like, is_alike=page.is_alike)
                except Exception:  # noqa: BLE001, S110 (as above)
                    pass
                finally:
                    page.is_read.set()
        finally:
            if db is not None:
                db.close()


def _are_alike(found: StoredRun) -> bool:
    """Do messages look as if those after them were like them: same address, properties and size, and no gaps?

    Looks at a few: if it is wrong, a page takes longer to read.
    """
    rows, messages = found.rows, found.messages
    last = messages[-1]
    if found.unusual or rows[-1] - rows[0] != len(rows) - 1 or (last.framing is not None and last.framing.code):
        return False
    return all(
        other.routing_key == last.routing_key
        and other.exchange == last.exchange
        and other.weight == last.weight
        and other.properties == last.properties
        for other in (messages[0], messages[len(messages) // 2], messages[-min(2, len(messages))])
    )
