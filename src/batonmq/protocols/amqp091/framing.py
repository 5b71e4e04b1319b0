"""Contents kept in their original frames: `Message.framing` for AMQP 0-9-1."""

from __future__ import annotations

from batonmq.message import Framing


class ChannelFrames(Framing):
    """A message's payload is its content header and one body frame, on the channel of that number.

    So it can go out again on a channel of the same number as it is, and with four octets changed on any other.
    """

    __slots__ = ("channel",)

    def __init__(self, channel: int) -> None:
        super().__init__()
        self.channel = channel


# At most 65 535, one for each number, so that they can be compared by identity.
_by_channel: dict[int, ChannelFrames] = {}


def frames_on(channel: int) -> ChannelFrames:
    """The one for the channel of that number."""
    found = _by_channel.get(channel)
    if found is None:
        found = _by_channel[channel] = ChannelFrames(channel)
    return found
