"""STOMP 1.2 "MESSAGE" and "RECEIPT": frames made from templates are those that encoding one by one would make."""

from __future__ import annotations

import pytest

from batonmq.protocols.stomp.codec import V10, V11, V12, encode_frame
from batonmq.protocols.stomp.messages import message_template, receipt_frame

VERSIONS = (V10, V11, V12)
HEADERS = [("destination", "/queue/a%2Fb"), ("rate", "100%d"), ("a:b", "1:2\n3\\"), ("é", "\U0001f600")]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_template_gives_the_frame_that_is_encoded_from_the_same_headers(version: str) -> None:
    body = "\U0001f600\0%d".encode()
    frame = message_template("s.1.", HEADERS, version, has_ack=False) % (7, len(body), body)
    assert frame == encode_frame("MESSAGE", [*HEADERS, ("message-id", "s.1.7")], body, version)


def test_m1_the_header_ack_is_one_of_12_and_of_subscriptions_that_acknowledge() -> None:
    template = message_template("s.", [], V12, has_ack=True)
    assert template % (7, 7, 1, b"x") == b"MESSAGE\nmessage-id:s.7\nack:s.7\ncontent-length:1\n\nx\0\n"
    for version, has_ack in ((V12, False), (V11, True), (V10, True)):
        assert b"ack:" not in message_template("s.", [], version, has_ack=has_ack)


@pytest.mark.parametrize("version", VERSIONS)
def test_b7_the_content_length_is_that_of_the_body_and_stands_there_for_an_empty_one_too(version: str) -> None:
    template = message_template("s.", [], version, has_ack=False)
    assert template % (1, 0, b"") == b"MESSAGE\nmessage-id:s.1\ncontent-length:0\n\n\0\n"


def test_e7_the_prefix_of_the_ids_is_escaped_as_any_value() -> None:
    template = message_template("50%d:", [], V12, has_ack=True)
    assert template % (1, 1, 0, b"") == b"MESSAGE\nmessage-id:50%d\\c1\nack:50%d\\c1\ncontent-length:0\n\n\0\n"


def test_f9_a_header_without_a_name_is_left_out() -> None:
    template = message_template("s.", [("", "a"), ("b", "c")], V12, has_ack=False)
    assert template % (1, 0, b"") == b"MESSAGE\nb:c\nmessage-id:s.1\ncontent-length:0\n\n\0\n"


@pytest.mark.parametrize(("version", "shown"), [(V10, b"a:\\ b"), (V11, rb"a\c\\\nb"), (V12, rb"a\c\\\nb")])
def test_x1_a_receipt_has_the_id_that_was_asked_for(version: str, shown: bytes) -> None:
    assert receipt_frame("a:\\\nb", version) == b"RECEIPT\nreceipt-id:" + shown + b"\n\n\0\n"
