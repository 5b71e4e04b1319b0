"""Creates the table of an outbox, counts what waits in it, and relays it by hand.

Messages are written with ``Connection.outbox``.
"""

from __future__ import annotations

from batonmq.api.outbox.relaying import relay_now
from batonmq.api.outbox.table import TABLE, create_statements
from batonmq.contrib.outbox.tables import WaitingMessages, create_table, outbox_table, waiting

__all__ = ["TABLE", "WaitingMessages", "create_statements", "create_table", "outbox_table", "relay_now", "waiting"]
