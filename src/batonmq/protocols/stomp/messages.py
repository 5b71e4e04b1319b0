"""MESSAGE frames: what deliveries of like messages to one subscription have in common is made once.

A template is a format of bytes with the places for what differs: the number of the delivery (as message-id, and as ack
in 1.2), the length of the body, the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batonmq.protocols.stomp.codec import V12, encode_frame, escape, header_lines, octets

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["error_frame", "message_template", "receipt_frame"]

_BODY: Final = b"content-length:%d\n\n%b\0\n"
# Takes the length as well, and shows nothing of it.
_TEXT: Final = b"\n%.0a%b\0\n"


def message_template(
    prefix: str, headers: Iterable[tuple[str, str]], version: str, *, has_ack: bool, is_text: bool = False
) -> bytes:
    """The template of a MESSAGE. ``prefix`` comes before the delivery's number in its ids.

    To be filled with number, length, body; with ``has_ack`` in 1.2 with number, number, length, body. ``is_text``:
    there is no content-length, so that the body must not have a NUL.
    """
    fixed = octets("MESSAGE\n" + "".join(header_lines(headers, version)), version).replace(b"%", b"%%")
    id_prefix = octets(escape(prefix, version), version).replace(b"%", b"%%")
    ack = b"ack:%b%%d\n" % id_prefix if has_ack and version == V12 else b""
    return b"%bmessage-id:%b%%d\n%b%b" % (fixed, id_prefix, ack, _TEXT if is_text else _BODY)


def receipt_frame(receipt: str, version: str) -> bytes:
    """RECEIPT."""
    return b"RECEIPT\nreceipt-id:%b\n\n\0\n" % octets(escape(receipt, version), version)


def error_frame(
    message: str, text: str, headers: Iterable[tuple[str, str]], receipt: str | None, version: str
) -> bytes:
    """ERROR: a message of few words, a text that says more, further headers, the receipt that it answers if any."""
    shown = [("message", message), ("content-type", "text/plain"), ("version", "1.0,1.1,1.2"), *headers]
    if receipt is not None:
        shown.append(("receipt-id", receipt))
    return encode_frame("ERROR", shown, octets(text, version), version)
