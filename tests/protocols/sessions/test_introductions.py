"""What a client says of itself is kept as it is, up to a size that harms nobody."""

from __future__ import annotations

from batonmq.fields import FieldValue
from batonmq.protocols.sessions.introductions import DEPTH_MAX, TEXT_MAX, bounded


def depth(value: object) -> int:
    inner = next(iter(value.values()), None) if isinstance(value, dict) else None
    return 1 + depth(inner) if isinstance(value, dict) else 0


def test_what_clients_say_is_kept_whole() -> None:
    said: dict[str, FieldValue] = {
        "product": "a client",
        "capabilities": {"basic.nack": True, "versions": [1, 2.5, None]},
        "secret": b"\x00\xff",
    }
    assert bounded(said) == said


def test_long_texts_are_cut_and_what_is_too_much_is_left_out() -> None:
    cut = bounded({"text": "x" * 10_000, **{str(number): "y" * 500 for number in range(1_000)}})
    assert cut["text"] == "x" * TEXT_MAX
    assert len(cut) < 20


def test_tables_within_tables_end_somewhere() -> None:
    deep: dict[str, FieldValue] = {}
    for _ in range(50):
        deep = {"deeper": deep}
    assert depth(bounded(deep)) <= DEPTH_MAX + 1
    wide: FieldValue = [[[]] * 1_000] * 1_000
    assert len(str(bounded({"wide": wide}))) < 2_000
