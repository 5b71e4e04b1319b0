"""The outcomes of publishing a message to a queue, or to several."""

from __future__ import annotations

from typing import Final

# The queue is full and refused the message.
REFUSED: Final = -1
# Accepted, in memory only: there is no commit to wait for.
KEPT: Final = 0
# Accepted, and durable once the store has committed its current batch.
STORED: Final = 1
