"""STOMP 1.2 "STOMP Frames": frames out of a stream, however it is cut; every fault gives one ERROR event, the last."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import given, strategies as st

import batonmq
from batonmq.protocols.stomp.codec import V10, V11, V12, Head, encode_frame, parse_head
from batonmq.protocols.stomp.parser import CACHED_HEADS, CACHED_OCTETS, COMMAND_MAX, ERROR, Event, FrameParser

VERSIONS = (V10, V11, V12)
ESCAPING = (V11, V12)

# Command, headers, receipt, body.
Plain: TypeAlias = tuple[str, dict[str, str], "str | None", bytes]


def make_parser(
    version: str | None = V12, *, max_headers: int = 100, max_head: int = 4096, max_body: int = 4096
) -> FrameParser:
    parser = FrameParser(max_headers=max_headers, max_head=max_head, max_body=max_body)
    parser.version = version
    return parser


def plain(events: Iterable[Event]) -> list[Plain]:
    return [(head.command, head.headers, receipt, body) for head, receipt, body in events]


def feed(parser: FrameParser, pieces: Iterable[bytes], *, prepares: bool = False) -> list[Plain]:
    """What comes of the pieces; with ``prepares`` heads are used as a session does, which makes them kept."""
    found: list[Plain] = []
    for piece in pieces:
        events = parser.feed(piece)
        for head, _, _ in events:
            if prepares and head.command == "SEND":
                head.prepared = head
        found += plain(events)
    return found


def parsed(data: bytes, version: str | None = V12) -> list[Plain]:
    return feed(make_parser(version), [data])


def octet_by_octet(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def fault(data: bytes, parser: FrameParser | None = None) -> str:
    """The text of the ERROR that the bytes give, and only that, also when they come one by one or with more."""
    like = parser or make_parser()

    def fresh() -> FrameParser:
        return make_parser(like.version, max_headers=like.max_headers, max_head=like.max_head, max_body=like.max_body)

    good = b"SEND\nn:1\n\nbody\0"
    texts: list[str] = []
    for pieces in ([data], octet_by_octet(data), [data + good], [good + data]):
        used = fresh()
        found = feed(used, pieces)
        before = [("SEND", {"n": "1"}, None, b"body")] if pieces[0].startswith(good) else []
        assert found[: len(before)] == before
        ((command, headers, receipt, body),) = found[len(before) :]
        assert (command, headers, receipt) == (ERROR, {}, None)
        assert used.dead
        assert used.feed(good) == []
        assert used.feed(b"") == []
        texts.append(body.decode())
    return texts[0]


# ---------------------------------------------------------------------- framing


def test_f1_a_frame_is_a_command_headers_a_blank_line_a_body_and_a_nul() -> None:
    assert parsed(b"SEND\ndestination:/queue/a\nx:y\n\nhello\0") == [
        ("SEND", {"destination": "/queue/a", "x": "y"}, None, b"hello")
    ]


def test_f1_a_frame_may_have_no_headers_and_no_body() -> None:
    assert parsed(b"BEGIN\n\n\0SEND\n\n\0") == [("BEGIN", {}, None, b""), ("SEND", {}, None, b"")]


@pytest.mark.parametrize("version", [None, *VERSIONS])
@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_f2_lines_may_end_with_cr_lf(command: str, version: str | None) -> None:
    frame = command.encode() + b"\r\na:b\r\nreceipt:r\r\ncontent-length:3\r\n\r\nx\0y\0\r\n"
    ((found, headers, receipt, body),) = parsed(frame, version)
    assert (found, headers["a"], receipt, body) == (command, "b", "r", b"x\0y")


@pytest.mark.parametrize("frame", [b"SEND\na:b\r\nreceipt:r\r\n\nx\0", b"SEND\r\nreceipt:r\na:b\n\r\nx\0"])
def test_f2_line_ends_may_be_mixed_in_12(frame: bytes) -> None:
    assert parsed(frame) == [("SEND", {"a": "b"}, "r", b"x")]


@pytest.mark.parametrize("version", [V10, V11])
@pytest.mark.parametrize("command", ["SEND", "BEGIN"])
def test_f2_a_cr_belongs_to_a_receipt_where_lines_end_with_lf_in_10_and_11(command: str, version: str) -> None:
    ((_, _, receipt, _),) = parsed(command.encode() + b"\nreceipt:r\r\na:b\n\n\0", version)
    assert receipt == "r\r"


def test_f2_the_first_blank_line_ends_the_headers_whichever_line_end_it_has() -> None:
    assert parsed(b"SEND\na:b\n\nx\n\r\ny\0") == [("SEND", {"a": "b"}, None, b"x\n\r\ny")]
    assert parsed(b"SEND\r\na:b\r\n\r\nx\n\ny\0") == [("SEND", {"a": "b"}, None, b"x\n\ny")]
    assert parsed(b"SEND\r\na:b\n\nx\n\r\ny\0") == [("SEND", {"a": "b"}, None, b"x\n\r\ny")]
    assert parsed(b"SEND\na:b\n\r\nx\n\ny\0") == [("SEND", {"a": "b"}, None, b"x\n\ny")]


@pytest.mark.parametrize("head", [b"SEND\na:b\n\r\n", b"SEND\r\na:b\r\n\n", b"SEND\r\na:b\r\n\r\n", b"SEND\na:b\n\n"])
@pytest.mark.parametrize("body", [b"\n", b"\n\n", b"\r\n", b"\n\r\n\r\n"])
def test_f2_a_body_may_begin_with_line_ends(head: bytes, body: bytes) -> None:
    assert parsed(head + body + b"\0") == [("SEND", {"a": "b"}, None, body)]


def test_f3_commands_and_names_are_case_sensitive() -> None:
    assert parsed(b"send\nReceipt:r\nContent-Length:9\n\nx\0") == [
        ("send", {"Receipt": "r", "Content-Length": "9"}, None, b"x")
    ]


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f4_line_ends_before_and_between_frames_are_skipped(version: str | None) -> None:
    frame = b"ACK\nid:1\n\n\0"
    assert parsed(b"\n\r\n" + frame + b"\n\n\r\n\n" + frame + b"\n", version) == [("ACK", {"id": "1"}, None, b"")] * 2


def test_f4_a_lone_line_end_starts_no_frame() -> None:
    parser = make_parser()
    assert feed(parser, [b"\n", b"\r\n", b"\r", b"\n"]) == []
    assert parser.waiting == 0


def test_f4_stray_nuls_between_frames_are_skipped() -> None:
    assert parsed(b"\n\0BEGIN\n\n\0\0\n\0BEGIN\n\n\0") == [("BEGIN", {}, None, b"")] * 2


STREAM = (
    b"\n\r\n"
    b"SEND\ndestination:/queue/a\nx\\cy:1\\n2\\\\\nreceipt:r\\c1\ncontent-length:5\n\na\0\nb\0\0\n"
    b"SEND\r\ndestination:/queue/\xc3\xbc\r\nreceipt:r2\r\ncontent-length: 3 \r\n\r\n\n\n\n\0\r\n"
    b"SEND\ndestination:/queue/a\n\n\xf0\x9f\x98\x80\0"
    b"SEND\ndestination:/queue/a\n\n\0"
    b"SUBSCRIBE\nid:1\nkey:\xf0\x9f\x98\x80\n\n\0\n\n"
    b"DISCONNECT\nreceipt:bye\\\\\n\n\0\n"
)
STREAM_EVENTS: list[Plain] = [
    ("SEND", {"destination": "/queue/a", "x:y": "1\n2\\"}, "r:1", b"a\0\nb\0"),
    ("SEND", {"destination": "/queue/ü"}, "r2", b"\n\n\n"),
    ("SEND", {"destination": "/queue/a"}, None, "\U0001f600".encode()),
    ("SEND", {"destination": "/queue/a"}, None, b""),
    ("SUBSCRIBE", {"id": "1", "key": "\U0001f600"}, None, b""),
    ("DISCONNECT", {"receipt": "bye\\"}, "bye\\", b""),
]


@pytest.mark.parametrize("prepares", [False, True])
def test_f5_many_frames_may_come_in_one_read(prepares: bool) -> None:
    assert feed(make_parser(), [STREAM], prepares=prepares) == STREAM_EVENTS
    assert feed(make_parser(), [STREAM * 20], prepares=prepares) == STREAM_EVENTS * 20


@pytest.mark.parametrize("prepares", [False, True])
def test_f5_a_frame_may_be_split_anywhere(prepares: bool) -> None:
    for at in range(len(STREAM) + 1):
        assert feed(make_parser(), [STREAM[:at], STREAM[at:]], prepares=prepares) == STREAM_EVENTS, at


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_f5_frames_may_come_in_pieces_of_any_size(size: int) -> None:
    stream = STREAM * 3
    parser = make_parser()
    assert feed(parser, [stream[at : at + size] for at in range(0, len(stream), size)]) == STREAM_EVENTS * 3
    assert parser.waiting == 0


def test_f5_a_frame_comes_with_its_last_octet_and_not_before() -> None:
    frame = b"SEND\ncontent-length:3\n\na\0b\0"
    parser = make_parser()
    assert feed(parser, octet_by_octet(frame[:-1])) == []
    assert parser.waiting == len(frame) - 1
    assert feed(parser, [b"\0"]) == [("SEND", {}, None, b"a\0b")]
    assert parser.waiting == 0


@pytest.mark.parametrize("version", ESCAPING)
def test_f6_a_receipt_and_a_header_are_utf_8(version: str) -> None:
    assert parsed("SEND\nreceipt:ü\na:ß\n\n\0".encode(), version) == [("SEND", {"a": "ß"}, "ü", b"")]
    assert "not UTF-8" in fault(b"SEND\na:\xff\n\n\0", make_parser(version))
    assert "not UTF-8" in fault(b"SEND\nreceipt:\xff\n\n\0", make_parser(version))


def test_f6_says_nothing_about_10_where_other_octets_are_kept() -> None:
    assert parsed(b"SEND\nreceipt:\xff\na:\xfe\n\n\0", V10) == [("SEND", {"a": "\udcfe"}, "\udcff", b"")]


@pytest.mark.parametrize("command", ["SUBSCRIBE", "BEGIN", "ACK", "DISCONNECT"])
def test_f7_a_body_elsewhere_is_read_past(command: str) -> None:
    frame = command.encode() + b"\nid:1\n\nno business of this frame\0BEGIN\n\n\0"
    assert [event[0] for event in parsed(frame)] == [command, "BEGIN"]


@pytest.mark.parametrize("version", [None, *VERSIONS])
@pytest.mark.parametrize("command", [b"SEND", b"ACK"])
def test_f8_a_header_line_without_a_colon_is_an_error(command: bytes, version: str | None) -> None:
    assert "without a colon: 'destination'" in fault(command + b"\ndestination\n\n\0", make_parser(version))


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f9_a_header_without_a_name_is_an_error(version: str | None) -> None:
    assert "without a name" in fault(b"SEND\n:x\n\n\0", make_parser(version))


def test_f10_a_value_may_have_colons() -> None:
    assert parsed(b"SEND\na:b:c\nreceipt:1:2\n\n\0") == [("SEND", {"a": "b:c"}, "1:2", b"")]


@pytest.mark.parametrize("command", ["HELLO", "SENDER", "A" * COMMAND_MAX, "MESSAGE", "\u00fc"])
def test_f11_a_command_that_nobody_knows_is_a_frame_all_the_same(command: str) -> None:
    """What becomes of it is the session's to say."""
    frame = command.encode() + b"\n\n\0"
    if len(frame) > COMMAND_MAX + 2:
        assert "no command" in fault(frame)
    else:
        assert parsed(frame) == [(command, {}, None, b"")]


# ---------------------------------------------------------------------- escapes and whitespace


def test_e1_nothing_is_unescaped_in_10() -> None:
    frame = b"SEND\na:\\n\\c\\\\\\t\nreceipt:\\x\n\n\0"
    assert parsed(frame, V10) == [("SEND", {"a": r"\n\c\\\t"}, r"\x", b"")]


@pytest.mark.parametrize("version", ESCAPING)
def test_e2_e5_names_values_and_receipts_are_unescaped(version: str) -> None:
    frame = b"SEND\n" + rb"a\c:\n\c\\" + b"\n" + rb"receipt:\n\c\\" + b"\n\n\0"
    assert parsed(frame, version) == [("SEND", {"a:": "\n:\\"}, "\n:\\", b"")]


def test_e3_r_is_an_escape_of_12_alone() -> None:
    frame = b"SEND\na:\\r\nreceipt:\\r\n\n\0"
    assert parsed(frame) == [("SEND", {"a": "\r"}, "\r", b"")]
    assert "undefined escape" in fault(frame, make_parser(V11))


@pytest.mark.parametrize("version", ESCAPING)
@pytest.mark.parametrize("name", [b"a", b"receipt"])
@pytest.mark.parametrize("command", [b"SEND", b"ACK"])
def test_e4_any_other_escape_is_an_error(command: bytes, name: bytes, version: str) -> None:
    assert "undefined escape" in fault(command + b"\n" + name + b":\\t\n\n\0", make_parser(version))
    assert "undefined escape" in fault(command + b"\n" + name + b":a\\\n\n\0", make_parser(version))


@pytest.mark.parametrize("command", ["CONNECT", "STOMP", "CONNECTED"])
def test_e6_connect_and_connected_are_not_unescaped(command: str) -> None:
    frame = encode_frame(command, [("accept-version", "1.2"), ("version", "1.2"), ("passcode", r"a\tb\n")])
    for version in (None, *VERSIONS):
        ((_, headers, _, _),) = parsed(frame, version)
        assert headers["passcode"] == r"a\tb\n"


def test_w1_names_and_values_are_trimmed_in_10() -> None:
    frame = b"SEND\ndestination: /queue/a \nreceipt: r\t\ncontent-length: 2 \n\n\0b\0"
    assert parsed(frame, V10) == [("SEND", {"destination": "/queue/a"}, "r", b"\0b")]


def test_w1_padded_names_are_the_same_names_in_10() -> None:
    frame = b"SEND\n receipt : r\ncontent-length : 2\n\n\0b\0"
    ((command, _, receipt, body),) = parsed(frame, V10)
    assert (command, receipt, body) == ("SEND", "r", b"\0b")


@pytest.mark.parametrize("version", ESCAPING)
def test_w2_nothing_is_trimmed_in_11_and_12(version: str) -> None:
    frame = b"SEND\na: b \nreceipt: r\t\n\nx\0"
    assert parsed(frame, version) == [("SEND", {"a": " b "}, " r\t", b"x")]
    assert parsed(b"SEND\ncontent-length :9\n\nx\0", version) == [("SEND", {"content-length ": "9"}, None, b"x")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", ["SEND", "ACK"])
def test_w3_spaces_around_content_length_are_tolerated(command: str, version: str) -> None:
    ((_, _, _, body),) = parsed(command.encode() + b"\ncontent-length: 3 \n\na\0b\0", version)
    assert body == b"a\0b"


# ---------------------------------------------------------------------- repeated headers and bodies


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", ["SEND", "ACK"])
def test_r1_the_first_of_repeated_headers_counts(command: str, version: str) -> None:
    frame = command.encode() + b"\na:1\nreceipt:r1\ncontent-length:1\na:2\nreceipt:r2\ncontent-length:2\n\nx\0"
    ((_, headers, receipt, body),) = parsed(frame, version)
    assert (headers["a"], receipt, body) == ("1", "r1", b"x")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", ["SEND", "MESSAGE", "ERROR", "BEGIN"])
def test_b1_b3_content_length_is_honoured_in_every_frame(command: str, version: str) -> None:
    body = b"\0\n\nSEND\n\n\0"
    frame = command.encode() + b"\ncontent-length:%d\n\n%b\0" % (len(body), body)
    found = parsed(frame + b"BEGIN\n\n\0", version)
    assert [(event[0], event[3]) for event in found] == [(command, body), ("BEGIN", b"")]


@pytest.mark.parametrize("command", [b"SEND", b"MESSAGE"])
def test_b1_a_nul_has_to_follow_the_body(command: bytes) -> None:
    assert "no NUL octet follows the 3 octets" in fault(command + b"\ncontent-length:3\n\nabcd\0")


def test_b1_a_content_length_of_zero_is_one() -> None:
    assert parsed(b"SEND\ncontent-length:0\n\n\0") == [("SEND", {}, None, b"")]
    assert "no NUL octet follows the 0 octets" in fault(b"SEND\ncontent-length:0\n\na\0")


@pytest.mark.parametrize("command", ["SEND", "MESSAGE"])
def test_b2_without_content_length_the_first_nul_ends_the_body(command: str) -> None:
    found = parsed(command.encode() + b"\na:b\n\nx\n\ny\0\0BEGIN\n\n\0")
    assert found == [(command, {"a": "b"}, None, b"x\n\ny"), ("BEGIN", {}, None, b"")]


@pytest.mark.parametrize("command", [b"SEND", b"ACK"])
@pytest.mark.parametrize(
    "length", [b"-1", b"+1", b"x", b"", b"1.0", b"1 2", b"0x1", b"1_0", "\u0663".encode(), b"\xb2"]
)
def test_b5_a_content_length_that_is_no_number_is_an_error(length: bytes, command: bytes) -> None:
    text = fault(command + b"\ncontent-length:" + length + b"\n\nx\0")
    assert "content-length is no number" in text or "not UTF-8" in text


def test_b6_content_type_is_a_header_like_any_other() -> None:
    assert parsed(b"SEND\ncontent-type:text/plain;charset=x\n\na\0") == [
        ("SEND", {"content-type": "text/plain;charset=x"}, None, b"a")
    ]


@pytest.mark.parametrize("length", [b"", b"content-length:4\n"])
def test_b8_bodies_of_any_utf_8_come_whole(length: bytes) -> None:
    body = "\U0001f600".encode()
    assert parsed(b"SEND\n" + length + b"\n" + body + b"\0") == [("SEND", {}, None, body)]


# ---------------------------------------------------------------------- limits and other faults


def test_l1_headers_are_counted() -> None:
    parser = make_parser(max_headers=3)
    assert len(feed(parser, [b"SEND\na:1\nb:1\nc:1\n\n\0ACK\na:1\nb:1\nc:1\n\n\0"])) == 2
    for command in (b"SEND", b"ACK"):
        assert "more than 3 headers" in fault(command + b"\na:1\nb:1\nc:1\nd:1\n\n\0", make_parser(max_headers=3))


def test_l1_headers_are_counted_with_receipt_and_content_length() -> None:
    frame = b"SEND\na:1\nb:1\nreceipt:1\ncontent-length:0\n\n\0"
    assert "more than 3 headers" in fault(frame, make_parser(max_headers=3))


@pytest.mark.parametrize("command", [b"SEND", b"ACK"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_l1_octets_of_the_headers_are_limited(line_end: bytes, command: bytes) -> None:
    start = command + line_end + b"a:"
    end = line_end * 2 + b"x\0"
    room = 300 - len(start + line_end * 2)
    ((_, headers, _, _),) = feed(make_parser(max_head=300), octet_by_octet(start + b"b" * room + end))
    assert len(headers["a"]) == room
    ((_, headers, _, _),) = feed(make_parser(max_head=300), [start + b"b" * room + end])
    assert len(headers["a"]) == room
    assert "headers are larger than 300 octets" in fault(start + b"b" * 301 + end, make_parser(max_head=300))


def test_l1_headers_that_never_end_are_given_up_at_the_limit() -> None:
    parser = make_parser(max_head=300)
    assert feed(parser, [b"SEND\n", *[b"a:" + b"b" * 47 + b"\n"] * 5]) == []
    ((command, _, _, text),) = feed(parser, [b"a:" + b"b" * 47])
    assert (command, text) == (ERROR, b"the headers are larger than 300 octets")


@pytest.mark.parametrize("command", [b"SEND", b"MESSAGE"])
def test_l1_a_body_is_limited(command: bytes) -> None:
    head = command + b"\na:b\n"
    for length in (b"", b"content-length:10\n"):
        ((_, _, _, body),) = feed(make_parser(max_body=10), [head + length + b"\n0123456789\0"])
        assert body == b"0123456789"
        ((_, _, _, body),) = feed(make_parser(max_body=10), octet_by_octet(head + length + b"\n0123456789\0"))
        assert body == b"0123456789"
    for length in (b"", b"content-length:11\n", b"content-length:" + b"9" * 30 + b"\n"):
        text = fault(head + length + b"\n0123456789A\0", make_parser(max_body=10))
        assert text == "the body is larger than 10 octets"


def test_l1_a_body_that_is_too_large_is_refused_before_it_has_come() -> None:
    ((command, _, _, _),) = feed(make_parser(max_body=10), [b"SEND\ncontent-length:11\n\n"])
    assert command == ERROR


@pytest.mark.parametrize("data", [b"A" * (COMMAND_MAX + 1), b"GET\0", b"\x16\x03\x01\x02\0\x01\n", b"AMQP\0\0\x09\x01"])
def test_l1_what_has_no_command_is_no_frame(data: bytes) -> None:
    assert fault(data)


def test_a_frame_that_ends_in_its_headers_is_an_error() -> None:
    for data in (b"SEND\na:b\n\0", b"SEND\na:b\0", b"SEND\n\0", b"ACK\nid:1\0\n\n\0", b"SEND\nreceipt:\0\n\n\0"):
        assert "NUL octet stands in the headers" in fault(data)


def test_frames_before_a_fault_are_taken() -> None:
    found = parsed(b"BEGIN\ntransaction:1\n\n\0SEND\nx\n\n\0BEGIN\n\n\0")
    assert [event[0] for event in found] == ["BEGIN", ERROR]


def test_the_text_of_a_fault_is_utf_8_whatever_came() -> None:
    assert "udcff" in fault(b"SEND\n\xff\n\n\0", make_parser(V10))
    assert fault("SEND\n\u00fc\U0001f600\n\n\0".encode())


# ---------------------------------------------------------------------- connecting


def test_nothing_is_parsed_after_a_connect_before_the_version_is_agreed_on() -> None:
    """What follows is escaped or not by the answer to it."""
    for at in range(60):
        data = b"CONNECT\naccept-version:1.2\n\n\0\nSEND\na:\\r\n\n\0BEGIN\n\n\0\n"
        parser = make_parser(None)
        found = feed(parser, [data[:at], data[at:]])
        assert [event[0] for event in found] == ["CONNECT"]
        assert parser.paused
        assert feed(parser, [b"\n", b"ABORT\n\n\0"]) == []
        parser.resume(V12)
        assert feed(parser, [b""]) == [
            ("SEND", {"a": "\r"}, None, b""),
            ("BEGIN", {}, None, b""),
            ("ABORT", {}, None, b""),
        ]


def test_after_the_answer_a_frame_of_which_half_is_there_is_waited_for() -> None:
    parser = make_parser(None)
    assert len(feed(parser, [b"STOMP\n\n\0SEND\na:"])) == 1
    parser.resume(V11)
    assert feed(parser, [b""]) == []
    assert feed(parser, [b"\\n\n", b"\nbody", b"\0"]) == [("SEND", {"a": "\n"}, None, b"body")]


def test_a_connect_with_a_fault_pauses_nothing_and_ends_it_all() -> None:
    assert "without a colon" in fault(b"CONNECT\naccept-version\n\n\0", make_parser(None))


def test_a_connect_on_an_open_connection_does_not_pause() -> None:
    assert [event[0] for event in parsed(b"CONNECT\n\n\0BEGIN\n\n\0")] == ["CONNECT", "BEGIN"]


def test_an_error_instead_of_connected_does_not_pause() -> None:
    assert [event[0] for event in parsed(b"ERROR\n\n\0", None)] == ["ERROR"]


def test_e1_what_was_read_before_the_version_was_agreed_on_is_not_taken_for_the_same_afterwards() -> None:
    frame = b"SEND\na:\\n\n\n\0"
    parser = make_parser(None)
    assert feed(parser, [frame + b"CONNECT\n\n\0"], prepares=True)[0][1] == {"a": "\\n"}
    parser.resume(V12)
    assert feed(parser, [frame])[0][1] == {"a": "\n"}


# ---------------------------------------------------------------------- heads that are kept


def heads(parser: FrameParser, data: bytes) -> list[Head]:
    found = []
    for head, _, _ in parser.feed(data):
        head.prepared = head
        found.append(head)
    return found


def test_the_same_headers_of_a_send_give_the_same_head() -> None:
    parser = make_parser()
    frame = b"SEND\ndestination:/queue/a\na:b\n\nbody\0"
    (first,) = heads(parser, frame)
    assert all(head is first for head in heads(parser, frame * 3))


def test_another_receipt_or_content_length_or_body_gives_the_same_head() -> None:
    parser = make_parser()
    (sized,) = heads(parser, b"SEND\nreceipt:0\ndestination:/queue/a\ncontent-length:0\na:b\n\n\0")
    (bare,) = heads(parser, b"SEND\nreceipt:0\ndestination:/queue/a\na:b\n\n\0")
    # Having a length or none makes octets or text of a body.
    assert (sized.is_sized, bare.is_sized) == (True, False)
    for number in range(1, 20):
        body = b"\0" * number
        for frame in (
            b"SEND\ndestination:/queue/a\na:b\n\nx\0",
            b"SEND\nreceipt:%d\ndestination:/queue/a\na:b\n\nx\0" % number,
            b"SEND\ndestination:/queue/a\na:b\ncontent-length:%d\n\n%b\0" % (number, body),
            b"SEND\ndestination:/queue/a\ncontent-length:%d\nreceipt:%d\na:b\n\n%b\0" % (number, number, body),
        ):
            ((head, receipt, found),) = parser.feed(frame)
            assert head is (sized if b"length" in frame else bare)
            assert head.headers == {"destination": "/queue/a", "a": "b"}
            assert receipt == (str(number) if b"receipt" in frame else None)
            assert found == (body if b"length" in frame else b"x")


def test_other_headers_give_another_head() -> None:
    parser = make_parser()
    variants = [
        b"SEND\na:1\n\n\0",
        b"SEND\na:2\n\n\0",
        b"SEND\na:1\nb:1\n\n\0",
        b"SEND\na:1\n\n\0",
        b"SEND\n\n\0",
        b"SEND\nreceipt:1\na:12\n\n\0",
        b"SEND\na:12\n\n\0",
        b"SEND\na:1\n\n\0",
    ]
    expected = [{"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}, {"a": "1"}, {}, {"a": "12"}, {"a": "12"}, {"a": "1"}]
    for _ in range(2):
        assert [head.headers for frame in variants for head in heads(parser, frame)] == expected


def test_other_commands_are_parsed_each_time() -> None:
    parser = make_parser()
    first, second = heads(parser, b"ACK\nid:1\n\n\0" * 2)
    assert first is not second


def test_a_name_that_ends_like_receipt_or_content_length_is_another_header() -> None:
    assert parsed(b"SEND\nx-receipt:1\nx-content-length:9\nreceipts:2\n\nx\0") == [
        ("SEND", {"x-receipt": "1", "x-content-length": "9", "receipts": "2"}, None, b"x")
    ]


def test_heads_kept_are_so_many_and_so_large_at_most() -> None:
    parser = make_parser()
    for number in range(3 * CACHED_HEADS):
        heads(parser, b"SEND\na:%d\n\n\0" % number)
        assert len(parser._heads) <= CACHED_HEADS
    before = len(parser._heads)
    assert heads(parser, b"SEND\na:" + b"b" * CACHED_OCTETS + b"\n\n\0")[0].headers == {"a": "b" * CACHED_OCTETS}
    assert len(parser._heads) == before


VALUES = st.sampled_from(["", "1", "2", "a:b", "\\n", "a\nb", " x ", "ü", "\r", "content-length:1", "receipt:2"])
FRAMES = st.tuples(
    st.dictionaries(st.sampled_from(["destination", "a", "b:c", "x-receipt"]), VALUES, max_size=3),
    st.none() | VALUES,
    st.sampled_from([b"", b"x", b"\0", b"\n\n", b"\0\n\0SEND\n\n\0"]),
    st.booleans(),
    st.booleans(),
)


@given(
    st.sampled_from(ESCAPING),
    st.lists(FRAMES, min_size=1, max_size=8),
    st.lists(st.integers(0, 500), max_size=8),
    st.booleans(),
)
def test_a_publisher_of_few_different_frames_is_understood(
    version: str,
    sent: list[tuple[dict[str, str], str | None, bytes, bool, bool]],
    cuts: list[int],
    repeats: bool,
) -> None:
    data = b""
    expected: list[Plain] = []
    for headers, receipt, body, receipt_first, has_length in sent * (3 if repeats else 1):
        lines = list(headers.items())
        if receipt is not None:
            lines.insert(0 if receipt_first else len(lines), ("receipt", receipt))
        if has_length and not body:
            lines.append(("content-length", "0"))
        data += encode_frame("SEND", lines, body, version)
        expected.append(("SEND", headers, receipt, body))
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(edges)]
    assert feed(make_parser(version), pieces, prepares=True) == expected


# ---------------------------------------------------------------------- either role


TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)
OWN = {"receipt", "content-length"}


def round_trip(version: str, frames: list[tuple[str, dict[str, str], bytes]], cuts: list[int]) -> None:
    data = b"".join(encode_frame(command, headers.items(), body, version) for command, headers, body in frames)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found = feed(make_parser(version), [data[start:stop] for start, stop in pairwise(edges)])
    assert [
        (command, {name: value for name, value in headers.items() if name not in OWN}, body)
        for command, headers, _, body in found
    ] == frames


def frames_of(*commands: str) -> st.SearchStrategy[list[tuple[str, dict[str, str], bytes]]]:
    headers = st.dictionaries(TEXT.filter(lambda name: bool(name) and name not in OWN), TEXT, max_size=4)
    return st.lists(st.tuples(st.sampled_from(commands), headers, st.binary(max_size=40)), max_size=5)


@given(
    st.sampled_from(ESCAPING),
    frames_of("SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"),
    st.lists(st.integers(0, 2000), max_size=6),
)
def test_what_a_client_encodes_a_server_reads(
    version: str, frames: list[tuple[str, dict[str, str], bytes]], cuts: list[int]
) -> None:
    round_trip(version, frames, cuts)


@given(st.sampled_from(ESCAPING), frames_of("MESSAGE", "RECEIPT", "ERROR"), st.lists(st.integers(0, 2000), max_size=6))
def test_what_a_server_encodes_a_client_reads(
    version: str, frames: list[tuple[str, dict[str, str], bytes]], cuts: list[int]
) -> None:
    round_trip(version, frames, cuts)


@given(
    st.sampled_from([None, *VERSIONS]),
    st.lists(
        st.sampled_from(
            [
                b"SEND",
                b"ACK",
                b"\n",
                b"\r\n",
                b"\n\n",
                b"\0",
                b"a:b",
                b":",
                b"\\",
                b"\xff",
                b"content-length:2",
                b"receipt:1",
            ]
        )
        | st.binary(max_size=3),
        max_size=30,
    ),
)
def test_f5_noise_gives_the_same_frames_and_at_most_one_error_however_it_is_cut(
    version: str | None, pieces: list[bytes]
) -> None:
    whole = feed(make_parser(version), [b"".join(pieces)])
    for cut in (pieces, octet_by_octet(b"".join(pieces))):
        found = feed(make_parser(version), cut, prepares=True)
        assert [event for event in found if event[0] != ERROR] == [event for event in whole if event[0] != ERROR]
        # The error may be another one, where it shows before the frame is whole.
        assert [event[0] for event in found] == [event[0] for event in whole]
    assert ERROR not in [event[0] for event in whole[:-1]]


@pytest.mark.skipif(batonmq.compiled, reason="what is compiled calls nothing that was put in place of its own")
def test_a_large_body_in_small_pieces_is_not_looked_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece that ends no frame is only appended, or the time would grow with the square of the size."""
    parsed_heads = 0

    def counting(block: bytes, version: str | None, max_headers: int) -> Head:
        nonlocal parsed_heads
        parsed_heads += 1
        return parse_head(block, version, max_headers)

    monkeypatch.setattr("batonmq.protocols.stomp.parser.parse_head", counting)
    parser = make_parser(max_body=1 << 20)
    for length in (b"", b"content-length:65536\n"):
        frame = b"MESSAGE\n" + length + b"\n" + b"x" * 65536 + b"\0"
        parsed_heads = 0
        ((_, _, _, body),) = feed(parser, [frame[at : at + 64] for at in range(0, len(frame), 64)])
        assert len(body) == 65536
        assert parsed_heads == 2


# ------------------------------------------------------------------ SENDs that differ in their correlation-id


def sends(*lines: bytes, version: str | None = V12) -> list[Head]:
    """The heads of SENDs with these lines besides their destination, parsed one after another."""
    data = b"".join(b"SEND\ndestination:/queue/q\n%b\n\nm\0" % line for line in lines)
    return [head for head, _, _ in make_parser(version).feed(data)]


@pytest.mark.parametrize("version", ESCAPING)
def test_heads_that_differ_in_their_correlation_id_tell_what_they_are_like(version: str) -> None:
    first, second = sends(b"correlation-id:a\nkind:x", b"kind:x\ncorrelation-id:b", version=version)
    assert first.headers == {"destination": "/queue/q", "kind": "x", "correlation-id": "a"}
    assert second.headers == {"destination": "/queue/q", "kind": "x", "correlation-id": "b"}
    assert first.like is second.like
    assert first.like is not None
    assert first.like.headers == {"destination": "/queue/q", "kind": "x"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"correlation-id:a\ncorrelation-id:b", "a"),
        (b"correlation-id:a\\nb", "a\nb"),
        (b"correlation-id:\xc3\xbc", "\u00fc"),
        (b"correlation-id:", ""),
        (b"correlation-id:" + b"a" * 256, "a" * 256),
        (b"correlation-id:a\r", "a\r"),
    ],
)
def test_a_correlation_id_that_is_not_so_plain_is_read_as_any_header(line: bytes, value: str) -> None:
    _, head = sends(b"correlation-id:first", line, version=V11)
    assert head.headers["correlation-id"] == value
    assert head.like is None


def test_a_correlation_id_counts_among_the_headers() -> None:
    parser = make_parser(max_headers=2)
    frame = b"SEND\ndestination:/queue/q\n%b\n\nm\0"
    assert [head.command for head, _, _ in parser.feed(frame % b"correlation-id:a" * 2)] == ["SEND", "SEND"]
    assert "more than 2 headers" in fault(frame % b"correlation-id:b\nreceipt:c", parser)
