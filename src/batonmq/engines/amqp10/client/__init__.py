"""The client side of AMQP 1.0, without sockets and clocks: bytes in, calls out, and back.

connection .... log-in, open, sessions, close
session ....... begin, windows, links, dispositions
sender ........ a link on which messages go out; ``transactions`` is one to a coordinator
receiver ...... a link on which messages come in

Users pass in an object that is called back. The quoted sections are those of part 2 of the specification (ISO/IEC
19464), unless stated otherwise.
"""

from __future__ import annotations
