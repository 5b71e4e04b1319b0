"""Several processes share one file: its owner serves the others over a Unix socket beside it.

    process A: EmbeddedEngine --- Core, Store, lock       (the owner: works as if it were alone)
                                    |
                                  Host -- Guest <--socket-- SharedEngine :process B
                                       -- Guest <--socket-- SharedEngine :process C

The socket carries the interface of an engine, method by method (``commands``, ``answers``): each guest is an
EmbeddedEngine of its own over the owner's core, so everything that works in the owner works there. This is not a
protocol for others: both ends are this library, with the same version of ``wire``, run by one user.

When the owner is gone, in order or not, the system frees its lock. Every SharedEngine then tries to take it: the one
that gets it opens the store and serves, and is its own guest; the others connect to it.
"""

from __future__ import annotations
