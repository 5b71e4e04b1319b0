"""Who waits for a password check, and who is next: fair between addresses, and for each between user names.

An address is served in turn with the others, however much it asks for; within it a name is served in turn with its
other names. Unknown names should be passed as one, so that made-up names do not delay real ones. When all places are
taken, the address with the most of them loses one, so a flood pushes out only itself. Addresses with a log-in before,
and without a wrong password for a minute, have a line of their own, which gets every second turn: strangers and
guessers, from however many addresses, do not hold up known clients.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from functools import lru_cache
from typing import Final, Generic, TypeVar

from batonmq.clock import Clock

__all__ = ["DOUBT", "MOST_KNOWN", "MOST_OF_ADDRESS", "MOST_WAITING", "FairLine", "FairLines", "network"]

# Checks that may wait for one address, and for all together; two are done at a time, each in some 50 ms.
MOST_OF_ADDRESS = 32
MOST_WAITING = 512
# The most known addresses, and the most doubted ones; beyond that the oldest entry is forgotten.
MOST_KNOWN = 10_000
DOUBT: Final = 60.0
"""The seconds after a wrong password during which an address counts as unknown, whoever logs in from it."""

_Item = TypeVar("_Item")
_Fact = TypeVar("_Fact")
_Names = OrderedDict[str, OrderedDict[_Item, None]]


class FairLine(Generic[_Item]):
    """The log-ins that wait for a check, in the order in which they are served."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Names[_Item]] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._places: dict[_Item, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def join(self, item: _Item, address: str, name: str) -> _Item | None:
        """Wait for the turn; whoever has to leave for it, which may be this one, is returned."""
        names = self._addresses.setdefault(address, OrderedDict())
        names.setdefault(name, OrderedDict())[item] = None
        self._counts[address] = self._counts.get(address, 0) + 1
        self._places[item] = (address, name)
        if self._counts[address] > MOST_OF_ADDRESS:
            return self._push_out(address)
        if len(self._places) > MOST_WAITING:
            # Among equals the newest: longer waits keep their places.
            return self._push_out(max(reversed(self._addresses), key=self._counts.__getitem__))
        return None

    def next(self) -> _Item | None:
        """Whose turn it is, no longer in line."""
        if not self._addresses:
            return None
        address, names = next(iter(self._addresses.items()))
        name, items = next(iter(names.items()))
        item = next(iter(items))
        # Both go to the end, if anything is left of them.
        names.move_to_end(name)
        self._addresses.move_to_end(address)
        self.leave(item)
        return item

    def leave(self, item: _Item) -> None:
        """Remove an item: it was withdrawn, served or pushed out."""
        place = self._places.pop(item, None)
        if place is None:
            return
        address, name = place
        names = self._addresses[address]
        del names[name][item]
        if not names[name]:
            del names[name]
        self._counts[address] -= 1
        if not names:
            del self._addresses[address], self._counts[address]

    def _push_out(self, address: str) -> _Item:
        names = self._addresses[address]
        # The last item of the name that has most.
        items = max(reversed(names.values()), key=len)
        item = next(reversed(items))
        self.leave(item)
        return item


class FairLines(Generic[_Item]):
    """A line of known addresses and one of unknown ones, served in turn."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: dict[bool, FairLine[_Item]] = {True: FairLine(), False: FairLine()}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._doubted: OrderedDict[str, float] = OrderedDict()
        self._is_turn_of_known = True

    def know(self, address: str) -> None:
        """Somebody has logged in from there."""
        if self._doubted:
            self._forgive()
        if address not in self._doubted:
            _note(self._known, address, None)

    def doubt(self, address: str) -> None:
        """A wrong password came from there."""
        self._known.pop(address, None)
        _note(self._doubted, address, self._clock.monotonic())

    def _forgive(self) -> None:
        over = self._clock.monotonic() - DOUBT
        while self._doubted and next(iter(self._doubted.values())) <= over:
            self._doubted.popitem(last=False)

    def join(self, item: _Item, address: str, name: str) -> _Item | None:
        """Wait for the turn; whoever has to leave for it, which may be this one, is returned."""
        return self._lines[address in self._known].join(item, address, name)

    def next(self) -> _Item | None:
        """Whose turn it is, no longer in line."""
        first = self._is_turn_of_known
        self._is_turn_of_known = not first
        found = self._lines[first].next()
        return found if found is not None else self._lines[not first].next()

    def leave(self, item: _Item) -> None:
        """It wants nothing any more."""
        for line in self._lines.values():
            line.leave(item)


def _note(addresses: OrderedDict[str, _Fact], address: str, fact: _Fact) -> None:
    addresses[address] = fact
    addresses.move_to_end(address)
    if len(addresses) > MOST_KNOWN:
        addresses.popitem(last=False)


def network(peer: str) -> str:
    """What counts as one address of `1.2.3.4:567` or `[::1]:567`: of IPv6 the /64 that one customer has."""
    return _network_of(peer.rpartition(":")[0].strip("[]").partition("%")[0] or peer)


@lru_cache(1_024)
def _network_of(host: str) -> str:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
