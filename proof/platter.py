"""What a disk holds of what was written: what was synced for sure, and of the rest any part, when the power goes.

A sync takes what one file was given to the platter. What was not synced may arrive or not, each sector by itself and in
any order; a file that grew may have anything in what did not arrive. A file that was made, deleted or renamed may be
found under its old name until its folder is synced. What a sync that failed should have written may be there or not for
ever: the kernel takes it for clean afterwards, and no later sync writes it (fsync(2), and what became known as
"fsyncgate" in 2018).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = [
    "Cut",
    "Deleted",
    "Event",
    "Files",
    "FolderSynced",
    "Found",
    "Made",
    "Note",
    "Platter",
    "Renamed",
    "Resized",
    "SyncFailed",
    "Synced",
    "Written",
]

SECTOR_SIZES = (512, 4096)


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes went to a file, which its number names: a file that is made anew under an old name is another one."""

    file: int
    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Resized:
    """A file was cut, or room was kept for it."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Synced:
    """All that was written to a file has arrived."""

    file: int


@dataclass(frozen=True, slots=True)
class SyncFailed:
    """Nobody knows what of it has."""

    file: int


@dataclass(frozen=True, slots=True)
class Made:
    """A file has a name."""

    name: str
    file: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file that has this name already goes by another number as well, that of a process that did not make it."""

    name: str
    file: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """A name is gone."""

    name: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file has another name."""

    name: str
    to: str


@dataclass(frozen=True, slots=True)
class FolderSynced:
    """The names are on the platter."""


class Note:
    """Something else that happened at that moment, such as a promise."""

    __slots__ = ()


Event: TypeAlias = Written | Resized | Synced | SyncFailed | Made | Found | Deleted | Renamed | FolderSynced | Note
Files: TypeAlias = "dict[str, tuple[bytes, int]]"
"""By name, how a file begins, and its size: the rest is zeros."""

_Entry: TypeAlias = Made | Deleted | Renamed


@dataclass(slots=True)
class _Change:
    """Bytes, or None where the size was changed to ``at``."""

    at: int
    data: bytes | None
    is_sure: bool = False
    is_doubtful: bool = False


@dataclass(slots=True)
class _Content:
    """Bytes and a size, as far as they are written."""

    data: bytearray = field(default_factory=bytearray)
    size: int = 0

    def write(self, at: int, data: bytes | memoryview) -> None:
        if len(self.data) < at:
            self.data.extend(bytes(at - len(self.data)))
        self.data[at : at + len(data)] = data
        self.size = max(self.size, at + len(data))

    def resize(self, size: int) -> None:
        del self.data[size:]
        self.size = size

    def change(self, change: _Change) -> None:
        if change.data is None:
            self.resize(change.at)
        else:
            self.write(change.at, change.data)


@dataclass(slots=True)
class _File:
    content: _Content = field(default_factory=_Content)
    changes: list[_Change] = field(default_factory=list)

    def synced(self) -> None:
        for change in self.changes:
            change.is_sure = not change.is_doubtful
        done = 0
        for change in self.changes:
            if not change.is_sure:
                break
            self.content.change(change)
            done += 1
        del self.changes[:done]

    def sync_failed(self) -> None:
        for change in self.changes:
            change.is_doubtful = not change.is_sure


class Cut:
    """How much of what was not synced arrives, when the power goes once."""

    def __init__(self, chance: random.Random | None) -> None:
        """None: nothing arrives that was not synced."""
        self._chance = chance

    def choose(self, count: int) -> tuple[list[float], bool]:
        """For each of so many changes, how probably its sectors arrive; and whether they are torn."""
        chance = self._chance
        if chance is None:
            return [0.0] * count, False
        how = chance.randrange(6)
        upto = chance.randint(0, count)
        if how == 0:
            return [0.0] * count, False
        if how == 1:
            return [1.0] * count, False
        if how == 2:
            # In order, the last one torn.
            return [1.0] * upto + [0.5] * (count - upto > 0) + [0.0] * (count - upto - 1), True
        if how == 3:
            # The last ones, and not those before.
            return [0.0] * upto + [1.0] * (count - upto), False
        likely = chance.choice((0.1, 0.5, 0.9))
        if how == 4:
            return [float(chance.random() < likely) for _ in range(count)], False
        return [likely] * count, True

    def lands(self, likely: float) -> bool:
        """Does something arrive?"""
        return likely >= 1.0 or (likely > 0.0 and self._chance is not None and self._chance.random() < likely)

    def sector(self) -> int:
        """As one of which everything arrives, or nothing."""
        return self._chance.choice(SECTOR_SIZES) if self._chance is not None else SECTOR_SIZES[0]

    def filling(self) -> Callable[[int], bytes] | None:
        """What stands where a file grew and nothing arrived; None: it has not grown either."""
        chance = self._chance
        if chance is None:
            return None
        return chance.choice((None, bytes, chance.randbytes))


class Platter:
    """What has arrived, and what may have, after any number of events."""

    def __init__(self, there: Files | None = None) -> None:
        """``there`` has arrived already, under the numbers from 1 on in the order of the names."""
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._entries: list[_Entry] = []
        # Other numbers of files.
        self._same: dict[int, int] = {}
        for number, (name, (data, size)) in enumerate(sorted((there or {}).items()), 1):
            self._files[number] = _File(_Content(bytearray(data), size))
            self._names[name] = number

    @property
    def is_still(self) -> bool:
        """Has everything arrived?"""
        return not self._entries and not any(file.changes for file in self._files.values())

    def happen(self, event: Event) -> None:
        """Take note of what happened next."""
        match event:
            case Written(file, at, data):
                self._file(file).changes.append(_Change(at, data))
            case Resized(file, size):
                self._file(file).changes.append(_Change(size, None))
            case Synced(file):
                self._file(file).synced()
            case SyncFailed(file):
                self._file(file).sync_failed()
            case FolderSynced():
                self._enter(self._names, self._entries)
                self._entries.clear()
                kept = set(self._names.values())
                self._files = {number: file for number, file in self._files.items() if number in kept}
            case Found(name, file):
                names = dict(self._names)
                self._enter(names, self._entries)
                if name in names:
                    self._same[file] = names[name]
                else:
                    # Somebody made it who does nothing else with it: whoever holds the lock.
                    self._entries.append(Made(name, file))
            case Made() | Deleted() | Renamed():
                self._entries.append(event)
            case _:
                pass

    def _file(self, number: int) -> _File:
        return self._files.setdefault(self._same.get(number, number), _File())

    @staticmethod
    def _enter(names: dict[str, int], entries: Iterable[_Entry]) -> None:
        for entry in entries:
            match entry:
                case Made(name, file):
                    names[name] = file
                case Deleted(name):
                    names.pop(name, None)
                case Renamed(name, to):
                    if name in names:
                        names[to] = names.pop(name)

    def left(self, chance: random.Random | None = None) -> Files:
        """What is found when the power comes back; None: no more than what must be."""
        cut = Cut(chance)
        likely, _ = cut.choose(len(self._entries))
        names = dict(self._names)
        self._enter(names, [entry for entry, how in zip(self._entries, likely, strict=True) if cut.lands(how)])
        return {name: self._left_of(self._file(number), cut) for name, number in sorted(names.items())}

    @staticmethod
    def _left_of(file: _File, cut: Cut) -> tuple[bytes, int]:
        if not file.changes:
            return bytes(file.content.data), file.content.size
        content = _Content(bytearray(file.content.data), file.content.size)
        likely, are_torn = cut.choose(len(file.changes))
        filling = cut.filling()
        sector = cut.sector()
        for change, how in zip(file.changes, likely, strict=True):
            if change.is_sure:
                content.change(change)
            elif change.data is None:
                if cut.lands(how):
                    content.resize(change.at)
            else:
                _write_some(content, change.at, change.data, cut, (how, are_torn, filling, sector))
        return bytes(content.data), content.size


def _write_some(
    content: _Content,
    at: int,
    data: bytes,
    cut: Cut,
    manner: tuple[float, bool, Callable[[int], bytes] | None, int],
) -> None:
    likely, is_torn, filling, sector = manner
    if not is_torn:
        if cut.lands(likely):
            content.write(at, data)
        elif filling is not None and likely > 0.0 and at + len(data) > content.size:
            _grow(content, at + len(data), filling)
        return
    view = memoryview(data)
    end = at + len(data)
    if filling is not None and end > content.size:
        _grow(content, end, filling)
    while at < end:
        upto = min(end, (at // sector + 1) * sector)
        if cut.lands(likely):
            content.write(at, view[: upto - at])
        view = view[upto - at :]
        at = upto


def _grow(content: _Content, size: int, filling: Callable[[int], bytes]) -> None:
    """Its size has arrived, and not what stands there. (Long stretches were kept free, and are zeros.)"""
    missing = size - content.size
    content.write(content.size, filling(missing) if missing < 1 << 20 else bytes(missing))
