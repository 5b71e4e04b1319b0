"""The loop waits for a disk that has been fast for a while, and for no other."""

from __future__ import annotations

from batonmq.server.disk_pace import FAST, PATIENCE, SLOW, DiskPace


def seen(*seconds: float, now: float = 0.0) -> DiskPace:
    pace = DiskPace()
    for one in seconds:
        pace.note(one, now)
    return pace


def test_a_disk_that_nobody_has_seen_is_slow() -> None:
    assert not seen().is_fast(0.0)
    assert not seen(FAST / 10).is_fast(0.0)


def test_it_is_fast_after_some_commits_that_were() -> None:
    assert seen(*[FAST / 2] * 30).is_fast(0.0)


def test_one_that_is_usually_slower_is_not() -> None:
    assert not seen(*[FAST * 1.1] * 1_000).is_fast(1_000.0)
    assert not seen(*[FAST / 2, FAST * 2] * 500).is_fast(1_000.0)


def test_a_slow_commit_ends_it_for_some_seconds() -> None:
    pace = seen(*[FAST / 2] * 30)
    pace.note(SLOW * 1.01, 100.0)
    for _ in range(30):
        pace.note(FAST / 2, 100.0)
    assert not pace.is_fast(100.0 + PATIENCE * 0.9)
    assert pace.is_fast(100.0 + PATIENCE)


def test_one_that_stood_still_for_long_is_not_held_against_it_for_longer() -> None:
    pace = seen(*[FAST / 2] * 30)
    pace.note(60.0, 100.0)
    for _ in range(30):
        pace.note(FAST / 2, 100.0)
    assert pace.is_fast(100.0 + PATIENCE)
