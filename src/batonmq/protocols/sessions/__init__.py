"""The parts that the server's side of a connection needs in any protocol, and from which each protocol builds its own.

They know the broker, but no protocol.
"""

from __future__ import annotations
