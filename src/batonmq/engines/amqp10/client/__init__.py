"""AMQP 1.0 as a client speaks it, without sockets and clocks: bytes in, calls out, and back.

connection .... log-in, open, sessions, close
session ....... begin, windows, links, dispositions
sender ........ a link on which messages go out; ``transactions`` is one to a coordinator
receiver ...... a link on which messages come in

Whoever uses it hands in an object that is called back. All sections that are quoted are those of part 2 of the
specification (ISO/IEC 19464), unless it says otherwise.
"""

from __future__ import annotations
