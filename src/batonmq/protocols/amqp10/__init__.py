"""AMQP 1.0 (OASIS, ISO/IEC 19464), the server's side; ``codec`` is that of either.

codec/ ......... bytes and values: types, performatives, frames, sections of a message
messages/ ...... a message of the broker, and what it is on the wire
nodes/ ......... where addresses lead
deliveries/ .... what a session sends and takes: windows, receipts, settlement, transactions
links/ ......... the kinds of links
management/ .... requests over a pair of links
session ........ puts all together for the server; ``connection`` is SASL, open and close, ``begun`` one session
"""

from __future__ import annotations

from batonmq.protocols.amqp10.containers import Containers
from batonmq.protocols.amqp10.dialects import DIALECTS, Dialect
from batonmq.protocols.amqp10.session import amqp10_session
from batonmq.protocols.amqp10.settings import Amqp10Settings

__all__ = ["DIALECTS", "Amqp10Settings", "Containers", "Dialect", "amqp10_session"]
