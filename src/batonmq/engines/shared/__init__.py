"""Several processes on one file: whoever has it serves the others over a Unix socket beside it.

    process A: EmbeddedEngine --- Core, Store, lock       (the owner: nothing is different for it)
                                    |
                                  Host -- Guest <--socket-- SharedEngine :process B
                                       -- Guest <--socket-- SharedEngine :process C

What goes over the socket is the interface of an engine, word by word (``commands``, ``answers``): each guest is an
EmbeddedEngine of its own over the owner's core, so that everything works there that works in the owner. It is no
protocol for others: both ends are this library, of one version of ``wire``, run by one user.

When the owner is gone, orderly or not, the system frees its lock. Every SharedEngine then tries to take it: who gets it
opens the store and serves, and is its own guest; the others connect to that one.
"""

from __future__ import annotations
