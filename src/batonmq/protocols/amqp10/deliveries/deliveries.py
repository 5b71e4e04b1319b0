"""The deliveries to the client on one session, and the unsettled ones by delivery-id (part 2 §2.6.12)."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from batonmq.protocols.amqp10.codec.encoder import PartedTransfer, append_transfers
from batonmq.protocols.amqp10.deliveries.serial import MASK, distance

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batonmq.protocols.amqp10.codec.encoder import TransferPrefix
    from batonmq.protocols.amqp10.deliveries.channel import Channel
    from batonmq.protocols.amqp10.deliveries.windows import Windows
    from batonmq.protocols.sessions.counts import MessageCounts
    from batonmq.queued import Holder, QueuedMessage

# The approximate octets of a delivery without its message, for the limit of the output.
FRAMING_OCTETS: Final = 64


class Deliveries:
    """The deliveries of one session. Delivery-ids start at 0, and rise by one with each delivery."""

    __slots__ = (
        "_by_link",
        "_channel",
        "_counts",
        "_late",
        "_max_frame_size",
        "_next_id",
        "_unsettled",
        "_waiting",
        "_windows",
    )

    def __init__(self, channel: Channel, windows: Windows, counts: MessageCounts, max_frame_size: int) -> None:
        self._channel = channel
        self._windows = windows
        self._counts = counts
        self._max_frame_size = max_frame_size
        self._next_id = 0
        self._unsettled: dict[int, QueuedMessage] = {}
        # The ids of these by link, kept while links end one after another, so that not each of them searches all
        # deliveries. None: not known.
        self._by_link: dict[Holder | None, list[int]] | None = None
        # Messages that wait for the window. Only the first can have been sent in part.
        self._waiting: deque[PartedTransfer] = deque()
        # How many of these were not sent in part, by link.
        self._late: dict[TransferPrefix, int] = {}

    # ------------------------------------------------------------------ out

    def room(self) -> int:
        """How many messages the client's window leaves room for."""
        return 0 if self._waiting else max(self._windows.remote_incoming_window, 0)

    @property
    def is_behind(self) -> bool:
        """Do messages of its links wait for the client's window?"""
        return bool(self._waiting)

    def late(self, prefix: TransferPrefix) -> int:
        """How many of one link's messages wait, and were not sent in part."""
        return self._late.get(prefix, 0)

    def send(
        self,
        prefix: TransferPrefix,
        batch: list[QueuedMessage],
        payloads: list[bytes],
        lead: bytes = b"",
        *,
        is_settled: bool,
    ) -> None:
        """Deliver messages over the link of that prefix; ``payloads``: their encoded forms, each after ``lead``."""
        first = self._next_id
        self._by_link = None
        self.send_payloads(prefix, payloads, lead)
        count = len(batch)
        if not is_settled:
            if first + count <= MASK:
                self._unsettled.update(zip(range(first, first + count), batch, strict=True))
            else:
                self._unsettled.update((first + at & MASK, queued) for at, queued in enumerate(batch))
        self._counts.add_delivered(count, len([1 for queued in batch if queued.returns]), no_ack=is_settled)

    def send_payloads(self, prefix: TransferPrefix, payloads: list[bytes], lead: bytes = b"") -> None:
        """Deliver encoded messages, without keeping track of them: each is ``lead`` and its payload."""
        output = self._channel.output
        room = self._windows.remote_incoming_window
        chunks = output.begin()
        before = len(chunks)
        first = self._next_id
        frames = append_transfers(chunks, prefix, first, payloads, self._max_frame_size, lead)
        self._next_id = first + len(payloads) & MASK
        octets = (FRAMING_OCTETS + len(lead)) * frames + sum(map(len, payloads))
        if frames > room:
            del chunks[before:]
            most = self._max_frame_size
            self._waiting.extend(
                PartedTransfer(prefix, first + at & MASK, lead + payload, most) for at, payload in enumerate(payloads)
            )
            self._late[prefix] = self._late.get(prefix, 0) + len(payloads)
            self.go_on()
            return
        self._windows.sent(frames)
        output.count(octets)

    def go_on(self) -> None:
        """Send messages that wait for the window."""
        waiting = self._waiting
        windows = self._windows
        while waiting and windows.remote_incoming_window > 0 and self._channel.is_open:
            parted = waiting[0]
            if not parted.is_begun:
                self._late[parted.prefix] -= 1
            windows.sent(1)
            self._channel.output.send(parted.next_frame())
            if parted.is_complete:
                waiting.popleft()
        if not waiting:
            self._late.clear()

    def drop_waiting(self, prefix: TransferPrefix) -> bool:
        """Drop a link's waiting messages, as it ends. True: there is room now, and was none before."""
        was_behind = self.is_behind
        if was_behind:
            self._waiting = deque(parted for parted in self._waiting if parted.prefix is not prefix)
            self._late.pop(prefix, None)
        return was_behind and self.room() > 0

    # ------------------------------------------------------------------ unsettled

    def first(self, most: int) -> list[QueuedMessage]:
        """The oldest unsettled deliveries, at most that many."""
        return list(islice(self._unsettled.values(), most))

    @property
    def unsettled(self) -> int:
        """The number of unsettled deliveries."""
        return len(self._unsettled)

    def find(self, delivery_id: int) -> QueuedMessage | None:
        """The unsettled message with that id."""
        return self._unsettled.get(delivery_id)

    def sent(self, wanted: set[QueuedMessage]) -> tuple[list[int], set[QueuedMessage]]:
        """The ids of these unsettled messages, in order of their delivery, and those that wait for the window."""
        left = self._waiting[0].delivery_id if self._waiting else self._next_id
        ids: list[int] = []
        waiting: set[QueuedMessage] = set()
        missing = len(wanted)
        for number, queued in self._unsettled.items():
            # They are mostly the oldest.
            if not missing:
                break
            if queued in wanted:
                missing -= 1
                if distance(number, left) > 0:
                    ids.append(number)
                else:
                    waiting.add(queued)
        return self._in_order(ids), waiting

    def find_all(self, ids: Iterable[int]) -> list[QueuedMessage]:
        """The unsettled messages with these ids."""
        return [queued for number in ids if (queued := self._unsettled.get(number)) is not None]

    def pop(self, delivery_id: int) -> QueuedMessage | None:
        """Take the unsettled message with that id, to be settled."""
        self._by_link = None
        return self._unsettled.pop(delivery_id, None)

    def named(self, first: int, last: int) -> list[int]:
        """The ids of unsettled deliveries in a range, both ends included, in order of their delivery."""
        unsettled = self._unsettled
        count = (last - first & MASK) + 1
        if count <= len(unsettled):
            return [number for at in range(count) if (number := first + at & MASK) in unsettled]
        return self._in_order(number for number in unsettled if number - first & MASK < count)

    def _in_order(self, ids: Iterable[int]) -> list[int]:
        """These ids in the order of their delivery; in the table those that were put back come last."""
        next_id = self._next_id
        return sorted(ids, key=lambda number: number - next_id & MASK)

    def take_range(self, first: int, last: int) -> list[QueuedMessage]:
        """Take the deliveries with ids from first to last, to be settled."""
        if last < first or last - first >= len(self._unsettled):
            return self.take(self.named(first, last))
        self._by_link = None
        pop = self._unsettled.pop
        return [queued for number in range(first, last + 1) if (queued := pop(number, None)) is not None]

    def take(self, ids: Iterable[int]) -> list[QueuedMessage]:
        """Take the deliveries with these ids, to be settled."""
        self._by_link = None
        pop = self._unsettled.pop
        return [queued for number in ids if (queued := pop(number, None)) is not None]

    def take_of_link(self, link: Holder) -> list[QueuedMessage]:
        """Take all unsettled deliveries of one link, to be settled."""
        by_link = self._by_link
        if by_link is None:
            by_link = self._by_link = {}
            for number, queued in self._unsettled.items():
                by_link.setdefault(queued.holder, []).append(number)
        pop = self._unsettled.pop
        return [pop(number) for number in self._in_order(by_link.pop(link, ()))]

    def put_back(self, back: list[tuple[int, QueuedMessage]]) -> None:
        """Put deliveries back under their ids: they are unsettled again."""
        if back:
            self._by_link = None
            self._unsettled.update(back)

    def clear(self) -> None:
        """The session ends: drop the waiting messages."""
        self._waiting.clear()
        self._late.clear()
