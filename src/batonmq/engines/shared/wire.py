"""Commands and answers on the socket: frames of a four-byte length and a MessagePack array."""

from __future__ import annotations

import socket
from typing import TypeVar

import msgspec

from batonmq import errors
from batonmq.engines.messages import Message, received_message
from batonmq.engines.shared import answers, commands
from batonmq.engines.shared.frame_stream import HEAD, FrameStream
from batonmq.engines.shared.numbered import Numbered, WireMessage
from batonmq.engines.values import Incoming
from batonmq.errors import BatonError, EngineError
from batonmq.properties import Properties

__all__ = [
    "NO_SIGNAL",
    "VERSION",
    "error_from",
    "error_to",
    "frame",
    "incoming_to",
    "message_from",
    "message_to",
    "next_command",
    "read_answer",
]

T = TypeVar("T")

VERSION = 7
"""Changes with any command, answer or frame: processes with different versions do not share a file."""

# A program may have restored the default action of SIGPIPE, which would kill it when the other end goes.
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
LENGTH_MAX = (1 << 32) - 1

_encoder = msgspec.msgpack.Encoder()
_commands = msgspec.msgpack.Decoder(commands.Command)
_answers = msgspec.msgpack.Decoder(answers.Answer)


def frame(what: Numbered) -> bytes:
    """A command or answer as a frame. Raises ValueError above 4 GiB."""
    packed = _encoder.encode(what)
    if len(packed) > LENGTH_MAX:
        raise ValueError(f"{len(packed)} bytes are too many for one call")
    return HEAD.pack(len(packed)) + packed


def next_command(stream: FrameStream) -> commands.Command | None:
    """The next command that has come; None: none has. Raises msgspec.DecodeError for anything else."""
    packed = stream.take()
    return None if packed is None else _decode(_commands, packed)


def read_answer(stream: FrameStream) -> answers.Answer | None:
    """The next answer, of a blocking socket; None at the end, also within a frame: its sender is gone.

    Raises OSError, and msgspec.DecodeError for anything else.
    """
    while (packed := stream.take()) is None:
        if not stream.receive():
            return None
    answer: answers.Answer = _decode(_answers, packed)
    return answer


def _decode(decoder: msgspec.msgpack.Decoder[T], packed: bytes) -> T:
    try:
        return decoder.decode(packed)
    except RecursionError:
        raise msgspec.DecodeError("what it says is nested without end") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"a text is not UTF-8: {error}") from None


def message_to(message: Message) -> WireMessage:
    """A message for the socket."""
    return (message.body, message.properties.raw, message.delay)


def message_from(wired: WireMessage) -> Message:
    """The reverse of ``message_to``. Raises FieldError, a ValueError, for invalid properties."""
    body, properties, delay = wired
    return received_message(body, Properties.decode(properties), delay)


def incoming_to(incoming: Incoming, row: int) -> tuple[WireMessage, int, bool, int, int, str, str]:
    """A held message, for the socket."""
    assert isinstance(incoming.handle, int)
    exchange, key = incoming.origin or ("", "")
    return (
        message_to(incoming.message),
        incoming.delivery_count,
        incoming.redelivered,
        incoming.handle,
        row,
        exchange,
        key,
    )


def error_to(number: int, error: Exception) -> answers.Failed:
    """An error for the socket: by the nearest class that the other end knows."""
    for kind in type(error).__mro__:
        if _known(kind.__name__) is kind:
            return answers.Failed(number, kind.__name__, str(error))
    return answers.Failed(number, EngineError.__name__, f"internal error: {error}")


def error_from(failed: answers.Failed) -> Exception:
    """The reverse of ``error_to``."""
    return (_known(failed.error) or EngineError)(failed.text)


def _known(name: str) -> type[Exception] | None:
    if name in ("ValueError", "TypeError"):
        return ValueError if name == "ValueError" else TypeError
    kind = getattr(errors, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, BatonError) else None
