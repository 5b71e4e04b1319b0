"""What the server's side of a connection needs whatever protocol it speaks: parts of which each protocol makes its own.

They know the broker and no protocol.
"""

from __future__ import annotations
