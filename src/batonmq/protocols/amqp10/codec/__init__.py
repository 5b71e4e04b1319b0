"""Bytes of AMQP 1.0 and what they mean, for either role; it knows no broker.

values ........ the type system (part 1): ``kinds`` are its types in Python, ``decoding`` and ``encoding`` its bytes
performatives . all composite types of the transport, messaging, transactions and security, by ``composites``
frames ........ bytes in, events out; ``transfers`` and ``dispositions`` read what comes most
encoder ....... frames out; many transfers of a link at once
sections ...... where the sections of a message are
"""

from __future__ import annotations
