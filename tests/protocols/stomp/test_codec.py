"""STOMP 1.2 "STOMP Frames": one frame's text, by version: escapes, whitespace, repeated headers, encoding."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from batonmq.protocols.stomp.codec import (
    V10,
    V11,
    V12,
    FrameError,
    Head,
    encode_frame,
    escape,
    octets,
    parse_head,
    unescape,
)

VERSIONS = (V10, V11, V12)
ESCAPING = (V11, V12)
# What a header can hold in every version that escapes: frames are UTF-8, and many parsers end at a NUL.
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)


def head(block: bytes, version: str | None = V12, max_headers: int = 100) -> Head:
    return parse_head(block, version, max_headers)


def headers(block: bytes, version: str | None = V12) -> dict[str, str]:
    return head(b"MESSAGE\n" + block, version).headers


# ---------------------------------------------------------------------- framing


def test_f1_a_frame_is_a_command_headers_a_blank_line_a_body_and_a_nul() -> None:
    assert encode_frame("SEND", [("destination", "/queue/a")], b"b") == (
        b"SEND\ndestination:/queue/a\ncontent-length:1\n\nb\0\n"
    )
    found = head(b"SEND\ndestination:/queue/a\ncontent-length:1")
    assert (found.command, found.headers) == ("SEND", {"destination": "/queue/a", "content-length": "1"})
    assert repr(found) == "<SEND {'destination': '/queue/a', 'content-length': '1'}>"


def test_f1_a_frame_may_have_no_headers() -> None:
    assert encode_frame("DISCONNECT", []) == b"DISCONNECT\n\n\0\n"
    assert head(b"DISCONNECT").headers == {}


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f2_lines_may_end_with_cr_lf_in_every_version_where_the_command_does(version: str | None) -> None:
    """1.2 asks for it; in 1.0 and 1.1 it is what RabbitMQ takes too."""
    found = head(b"SEND\r\na:b\r\nc:\r", version)
    assert (found.command, found.headers) == ("SEND", {"a": "b", "c": ""})


@pytest.mark.parametrize("block", [b"SEND\na:b\r\nc:d", b"SEND\na:b\nc:d\r", b"SEND\r\na:b\nc:d"])
def test_f2_line_ends_may_be_mixed_in_12(block: bytes) -> None:
    assert head(block).headers == {"a": "b", "c": "d"}


@pytest.mark.parametrize("version", [V10, V11])
def test_f2_a_cr_belongs_to_the_value_where_lines_end_with_lf_in_10_and_11(version: str) -> None:
    assert headers(b"a:b\r\nc:d\r", version) == {"a": "b\r", "c": "d\r"}


def test_f2_line_ends_may_be_mixed_in_a_connect_which_may_turn_out_to_be_12() -> None:
    assert head(b"CONNECT\naccept-version:1.2\r\nlogin:a\r", None).headers == {"accept-version": "1.2", "login": "a"}


def test_f3_commands_and_names_are_case_sensitive() -> None:
    found = head(b"send\nDestination:a\ndestination:b")
    assert (found.command, found.headers) == ("send", {"Destination": "a", "destination": "b"})


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f6_commands_and_headers_are_utf_8(version: str | None) -> None:
    assert head("SEND\nключ:\U0001f600 ü".encode(), version).headers == {"ключ": "\U0001f600 ü"}


@pytest.mark.parametrize("version", [None, V11, V12])
def test_f6_a_header_that_is_not_utf_8_is_an_error(version: str | None) -> None:
    with pytest.raises(FrameError, match=r"not UTF-8: invalid start byte at octet 7"):
        head(b"SEND\na:\xff", version)


def test_f6_says_nothing_about_10_where_other_octets_are_kept() -> None:
    assert headers(b"a:\xff\xc3", V10) == {"a": "\udcff\udcc3"}


@pytest.mark.parametrize("version", [V11, V12])
def test_f6_what_was_no_utf_8_is_sent_with_replacement_characters(version: str) -> None:
    assert octets("a\udcffb", version) == "a\ufffdb".encode()
    assert encode_frame("MESSAGE", [("a", "\udcc3(")], b"", version) == "MESSAGE\na:\ufffd(\n\n\0\n".encode()


def test_f6_says_nothing_about_10_where_octets_are_sent_as_they_came() -> None:
    assert octets("a\udcffb", V10) == b"a\xffb"
    assert encode_frame("MESSAGE", [("a", "\udcc3(")], b"", V10) == b"MESSAGE\na:\xc3(\n\n\0\n"


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f8_a_header_line_without_a_colon_is_an_error(version: str | None) -> None:
    with pytest.raises(FrameError, match="without a colon: 'b'"):
        head(b"SEND\na:1\nb\nc:2", version)


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f9_a_header_without_a_name_is_an_error(version: str | None) -> None:
    with pytest.raises(FrameError, match="without a name"):
        head(b"SEND\n:b", version)


def test_f9_a_name_of_spaces_alone_is_none_in_10() -> None:
    with pytest.raises(FrameError, match="without a name"):
        head(b"SEND\n  :b", V10)
    with pytest.raises(FrameError, match="without a name"):
        head(b"CONNECT\n  :b", None)


@pytest.mark.parametrize("version", VERSIONS)
def test_f9_a_value_may_be_empty(version: str) -> None:
    assert headers(b"a:\nb:", version) == {"a": "", "b": ""}


@pytest.mark.parametrize("version", VERSIONS)
def test_f9_a_header_without_a_name_is_not_sent(version: str) -> None:
    assert encode_frame("MESSAGE", [("", "a"), ("b", "c")], b"", version) == b"MESSAGE\nb:c\n\n\0\n"


def test_f9_nor_one_whose_name_10_would_trim_to_nothing() -> None:
    assert encode_frame("MESSAGE", [(" \n", "a"), ("b", "c")], b"", V10) == b"MESSAGE\nb:c\n\n\0\n"


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_f10_a_value_may_have_colons_and_the_first_one_ends_the_name(version: str | None) -> None:
    assert headers(b"a:b:c::", version) == {"a": "b:c::"}


def test_a_nul_in_the_headers_is_an_error() -> None:
    with pytest.raises(FrameError, match="NUL octet stands in the headers"):
        head(b"SEND\na:\0")


# ---------------------------------------------------------------------- escapes


def test_e1_nothing_is_escaped_in_10() -> None:
    assert headers(rb"a:1\n2\c3\\4\t\r" + b"\\", V10) == {"a": r"1\n2\c3\\4\t\r" + "\\"}
    assert encode_frame("MESSAGE", [("a\\", r"\:")], b"", V10) == b"MESSAGE\na\\:\\:\n\n\0\n"


@pytest.mark.parametrize("version", ESCAPING)
def test_e2_e3_line_feed_colon_and_backslash_are_escaped(version: str) -> None:
    assert headers(rb"a:1\n2\c3\\4\\n", version) == {"a": "1\n2:3\\4\\n"}


def test_e2_a_carriage_return_has_no_escape_in_11() -> None:
    with pytest.raises(FrameError, match=r"undefined escape sequence '\\\\r' in a header of STOMP 1\.1"):
        headers(rb"a:\r", V11)


def test_e3_a_carriage_return_has_one_in_12() -> None:
    assert headers(rb"a:\r1\r\n", V12) == {"a": "\r1\r\n"}


@pytest.mark.parametrize("version", ESCAPING)
@pytest.mark.parametrize("value", [rb"\t", rb"\x", rb"\N", rb"\C", rb"a\0", b"\\", rb"a\\" + b"\\", "\\ü".encode()])
def test_e4_any_other_escape_is_an_error(value: bytes, version: str) -> None:
    with pytest.raises(FrameError, match="undefined escape"):
        headers(b"a:" + value, version)
    with pytest.raises(FrameError, match="undefined escape"):
        headers(value + b":a", version)


@pytest.mark.parametrize("version", ESCAPING)
def test_e5_names_are_escaped_as_values_are(version: str) -> None:
    assert headers(rb"a\cb\n\\:c", version) == {"a:b\n\\": "c"}
    assert encode_frame("MESSAGE", [("a:b\n\\", "c")], b"", version) == b"MESSAGE\na\\cb\\n\\\\:c\n\n\0\n"


@pytest.mark.parametrize("version", [None, *VERSIONS])
@pytest.mark.parametrize("command", ["CONNECT", "STOMP", "CONNECTED"])
def test_e6_connect_and_connected_are_not_escaped(command: str, version: str | None) -> None:
    text = r"a\nb\tc:d" + "\\"
    frame = encode_frame(command, [("version", V12), ("accept-version", V12), ("passcode", text)], b"", version)
    assert b"\npasscode:" + text.encode() + b"\n" in frame
    assert head(frame[: frame.index(b"\n\n")], version).headers["passcode"] == text


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("command", ["CONNECT", "CONNECTED"])
def test_e6_what_they_cannot_say_does_not_break_the_frame(command: str, version: str) -> None:
    frame = encode_frame(command, [("a", "1\n\nb:2\0"), ("c:d", "e")], b"", version)
    assert frame == command.encode() + b"\na:1  b:2 \n\n\0\n"


@given(TEXT, st.sampled_from(ESCAPING))
def test_e7_escaping_is_the_reverse_of_what_is_read(text: str, version: str) -> None:
    escaped = escape(text, version)
    assert "\n" not in escaped
    assert ":" not in escaped
    assert unescape(escaped, version) == text


def test_e7_backslashes_are_escaped_first() -> None:
    assert [escape("\\n:\n\r", version) for version in ESCAPING] == ["\\\\n\\c\\n\r", r"\\n\c\n\r"]


def test_e8_a_line_feed_becomes_a_space_in_10() -> None:
    frame = encode_frame("MESSAGE", [("a", "1\n2"), ("b\nc", "3")], b"", V10)
    assert frame == b"MESSAGE\na:1 2\nb c:3\n\n\0\n"


def test_e8_a_name_with_a_colon_cannot_be_said_in_10() -> None:
    assert encode_frame("MESSAGE", [("a:b", "1"), ("c", "2:3")], b"", V10) == b"MESSAGE\nc:2:3\n\n\0\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_e8_a_nul_becomes_a_space(version: str) -> None:
    assert encode_frame("MESSAGE", [("a", "1\x002")], b"", version) == b"MESSAGE\na:1 2\n\n\0\n"


def test_e9_every_version_sees_the_same_value_in_its_own_form() -> None:
    (sent,) = headers(rb"k:a\cb", V12).items()
    assert [encode_frame("MESSAGE", [sent], b"", version) for version in VERSIONS] == [
        b"MESSAGE\nk:a:b\n\n\0\n",
        b"MESSAGE\nk:a\\cb\n\n\0\n",
        b"MESSAGE\nk:a\\cb\n\n\0\n",
    ]


# ---------------------------------------------------------------------- whitespace


def test_w1_names_and_values_are_trimmed_in_10() -> None:
    assert headers(b"login: user \n passcode\t:\tx y\t", V10) == {"login": "user", "passcode": "x y"}


@pytest.mark.parametrize("accepted", [b"", b"accept-version: 1.0\n", b"accept-version:1.0\n"])
@pytest.mark.parametrize("command", [b"CONNECT", b"STOMP"])
def test_w1_a_connect_is_trimmed_that_asks_for_nothing_later_than_10(command: bytes, accepted: bytes) -> None:
    found = head(command + b"\n" + accepted + b"login: user\npasscode:\tsecret ", None).headers
    assert (found["login"], found["passcode"]) == ("user", "secret")


def test_w1_a_connected_is_trimmed_that_names_no_version() -> None:
    assert head(b"CONNECTED\nsession: 1", None).headers == {"session": "1"}


@pytest.mark.parametrize("version", ESCAPING)
def test_w2_nothing_is_trimmed_in_11_and_12(version: str) -> None:
    assert headers(b" a :  b\t", version) == {" a ": "  b\t"}
    assert encode_frame("MESSAGE", [(" a ", "  b\t")], b"", version) == b"MESSAGE\n a :  b\t\n\n\0\n"


@pytest.mark.parametrize("block", [b"CONNECT\naccept-version:1.0,1.1", b"CONNECTED\nversion:1.2", b"ERROR\nx:y"])
def test_w2_nor_before_a_version_is_agreed_on_that_may_be_one_of_these(block: bytes) -> None:
    assert head(block + b"\na: b ", None).headers["a"] == " b "


# ---------------------------------------------------------------------- repeated headers, body, limits


@pytest.mark.parametrize("version", [None, *VERSIONS])
def test_r1_the_first_of_repeated_headers_counts(version: str | None) -> None:
    assert headers(b"a:1\na:2\nb:3\na:1", version) == {"a": "1", "b": "3"}


def test_r1_names_repeat_in_any_form_that_means_the_same() -> None:
    assert headers(b"a:1\n a :2", V10) == {"a": "1"}
    assert headers(rb"a\cb:1" + b"\n" + rb"a\cb:2", V12) == {"a:b": "1"}


def test_r2_repeated_headers_are_sent_in_the_order_given() -> None:
    """So that whoever updates a value puts it in front."""
    frame = encode_frame("MESSAGE", [("a", "new"), ("a", "old")])
    assert frame == b"MESSAGE\na:new\na:old\n\n\0\n"
    assert head(frame[:-4]).headers == {"a": "new"}


@pytest.mark.parametrize("version", VERSIONS)
def test_b4_a_body_brings_its_content_length(version: str) -> None:
    assert encode_frame("ERROR", [], b"a\0b", version) == b"ERROR\ncontent-length:3\n\na\0b\0\n"


def test_b4_a_content_length_that_is_given_is_not_repeated() -> None:
    frame = encode_frame("SEND", [("content-length", "1")], b"a")
    assert frame == b"SEND\ncontent-length:1\n\na\0\n"


def test_l1_no_more_headers_are_taken_than_the_limit() -> None:
    assert head(b"SEND\na:1\na:2", max_headers=2).headers == {"a": "1"}
    with pytest.raises(FrameError, match="more than 2 headers"):
        head(b"SEND\na:1\na:2\na:3", max_headers=2)


# ---------------------------------------------------------------------- round trips


@given(
    st.sampled_from(ESCAPING),
    st.sampled_from(["SEND", "SUBSCRIBE", "ACK", "MESSAGE", "RECEIPT", "ERROR"]),
    st.dictionaries(TEXT.filter(bool), TEXT, max_size=6),
)
def test_what_is_encoded_is_read_again(version: str, command: str, given_headers: dict[str, str]) -> None:
    frame = encode_frame(command, given_headers.items(), b"", version)
    found = head(frame.removesuffix(b"\n\n\0\n"), version)
    assert (found.command, found.headers) == (command, given_headers)


@given(
    st.dictionaries(
        TEXT.map(str.strip).filter(lambda name: bool(name) and not {"\n", ":"} & set(name)),
        TEXT.map(lambda value: value.replace("\n", "").strip()),
        max_size=6,
    )
)
def test_what_is_encoded_is_read_again_in_10(given_headers: dict[str, str]) -> None:
    frame = encode_frame("SEND", given_headers.items(), b"", V10)
    assert head(frame.removesuffix(b"\n\n\0\n"), V10).headers == given_headers
