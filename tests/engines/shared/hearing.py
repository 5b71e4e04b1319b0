"""What an owner hears, for tests that are one."""

from __future__ import annotations

from batonmq.engines.shared import commands, wire
from batonmq.engines.shared.frame_stream import FrameStream


def read_command(stream: FrameStream) -> commands.Command | None:
    """The next command, of a blocking socket; None at the end, also within a frame."""
    while (command := wire.next_command(stream)) is None:
        if not stream.receive():
            return None
    return command
