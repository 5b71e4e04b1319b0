"""The standing of a session: what its server has to know after each call, in one number."""

from __future__ import annotations

from typing import Final

FINISHED: Final = 1
"""The conversation is over: the server sends the remaining output and closes the socket."""
LEFT: Final = 16
"""With FINISHED: the client has asked for the end, and closes the socket when it has read the answer."""
SUSPENDED: Final = 2
"""The session waits for the store, or for a log-in: the server reads nothing from the client."""
BACKLOG: Final = 4
"""A request waits for another turn, or for the output to be taken.

The server reads nothing from the client, and calls ``go_on`` in the next turn in which there is room.
"""
HELD: Final = 8
"""The output waits for the store. The session asks to be woken when it may go."""
