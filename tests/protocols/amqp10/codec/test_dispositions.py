"""AMQP 1.0 part 2 §2.7.6: what accepts deliveries one after another is one disposition, where that is asked for."""

from __future__ import annotations

from hypothesis import given, strategies as st

from batonmq.protocols.amqp10.codec.constants import AMQP_HEADER, FRAME
from batonmq.protocols.amqp10.codec.dispositions import GATHERED
from batonmq.protocols.amqp10.codec.encoder import frame
from batonmq.protocols.amqp10.codec.frames import FrameParser
from batonmq.protocols.amqp10.codec.performatives import Accepted, DeliveryState, Disposition, Released


def accepted(first: int, last: int | None = None) -> Disposition:
    return Disposition(role=True, first=first, last=last, settled=True, state=Accepted())


def with_long_list(short: bytes) -> bytes:
    """The same frame with its fields in a list of the long form, which some clients always write."""
    assert short[11] == 0xC0
    size, count = short[12] + 3, short[13]
    head = (len(short) + 6).to_bytes(4, "big") + short[4:11]
    return head + b"\xd0" + size.to_bytes(4, "big") + count.to_bytes(4, "big") + short[14:]


def parsed(said: list[Disposition], *, gathers: bool = True, are_long: list[bool] | None = None) -> list[Disposition]:
    parser = FrameParser(1 << 16, gathers=gathers)
    parser.feed(AMQP_HEADER)
    found = []
    frames = [frame(3, one) for one in said]
    if are_long is not None:
        pairs = zip(frames, are_long, strict=True)
        frames = [with_long_list(one) if is_long else one for one, is_long in pairs]
    for event in parser.feed(b"".join(frames)):
        assert event[0] == FRAME
        assert event[1] == 3
        assert isinstance(event[2], Disposition)
        found.append(event[2])
    return found


def ranges(said: list[Disposition]) -> list[tuple[int, int]]:
    return [(one.first, one.first if one.last is None else one.last) for one in said]


def test_consecutive_ones_are_one() -> None:
    # The first shows where the ids are.
    assert ranges(parsed([accepted(number) for number in range(10)])) == [(0, 0), (1, 9)]
    assert ranges(parsed([accepted(number, number + 4) for number in range(0, 20, 5)])) == [(0, 4), (5, 19)]
    assert len(parsed([accepted(number) for number in range(10)], gathers=False)) == 10
    assert ranges(parsed([accepted(number) for number in range(10)], are_long=[True] * 10)) == [(0, 0), (1, 9)]


def test_no_more_than_are_settled_quickly() -> None:
    found = ranges(parsed([accepted(number) for number in range(2 * GATHERED + 2)]))
    assert found == [(0, 0), (1, GATHERED), (GATHERED + 1, 2 * GATHERED), (2 * GATHERED + 1, 2 * GATHERED + 1)]


def test_others_stay_as_they_are() -> None:
    released: list[DeliveryState | None] = [Released(), None]
    for state in released:
        said = [Disposition(role=True, first=number, settled=True, state=state) for number in range(5)]
        assert parsed(said) == said
    said = [Disposition(role=True, first=number, state=Accepted()) for number in range(5)]
    assert parsed(said) == said
    # A range that begins anew, or has its ends the wrong way round.
    end = (1 << 32) - 1
    said = [accepted(number, number) for number in (end - 1, end, 0)]
    assert ranges(parsed(said)) == [(end - 1, end - 1), (end, end), (0, 0)]
    assert ranges(parsed([accepted(1, 1), accepted(2, 1), accepted(2, 2)])) == [(1, 1), (2, 1), (2, 2)]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 70), st.booleans(), st.booleans(), st.booleans()), max_size=40)
)
def test_each_delivery_is_named_in_the_same_order(parts: list[tuple[int, int, bool, bool, bool]]) -> None:
    said = []
    at = 230
    for gap, count, has_last, is_released, _ in parts:
        at += gap
        state = Released() if is_released else Accepted()
        last = at + count if has_last else None
        said.append(Disposition(role=True, first=at, last=last, settled=True, state=state))
        at += (count if has_last else 0) + 1

    def named(found: list[Disposition]) -> list[tuple[int, DeliveryState | None]]:
        return [(n, one.state) for one, (a, b) in zip(found, ranges(found), strict=True) for n in range(a, b + 1)]

    assert named(parsed(said)) == named(said)
    assert named(parsed(said, are_long=[is_long for *_, is_long in parts])) == named(said)
