"""What became of a message that was published to a queue, or to several."""

from __future__ import annotations

# A queue is full and refuses what comes; nothing was kept there.
REFUSED = -1
# Taken, and nothing of it goes to the store: there is nothing to wait for.
KEPT = 0
# Taken, and durable with the commit of the batch that the store collects.
STORED = 1
