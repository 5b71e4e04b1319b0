"""The outcomes of publishing a message to a queue, or to several."""

from __future__ import annotations

# The queue is full and refused the message.
REFUSED = -1
# Accepted, in memory only: there is no commit to wait for.
KEPT = 0
# Accepted, and durable once the store has committed its current batch.
STORED = 1
