"""When a silent client is asked, and when it is given up."""

from __future__ import annotations

from batonmq.server.signs_of_life import SignsOfLife


def look(life: SignsOfLife, now: float, *, can_be_heard: bool = True) -> str:
    return life.look(now, can_be_heard=can_be_heard, can_be_asked=True)


def test_who_is_silent_is_asked_and_then_given_up() -> None:
    life = SignsOfLife(10)
    assert look(life, 0) == ""
    assert look(life, 9) == ""
    assert look(life, 10) == "ask"
    assert look(life, 19) == ""
    assert look(life, 20) == "give up"


def test_who_answers_is_asked_again_after_another_silence() -> None:
    life = SignsOfLife(10)
    look(life, 0)
    assert look(life, 10) == "ask"
    life.heard()
    assert look(life, 11) == ""
    assert look(life, 20) == ""
    assert look(life, 21) == "ask"


def test_who_cannot_be_heard_is_not_taken_for_silent() -> None:
    life = SignsOfLife(10)
    look(life, 0)
    assert look(life, 30, can_be_heard=False) == ""
    assert look(life, 39) == ""
    assert look(life, 40) == "ask"


def test_without_an_interval_nobody_is_asked() -> None:
    life = SignsOfLife(0)
    look(life, 0)
    assert look(life, 1_000_000) == ""
