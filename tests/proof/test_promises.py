"""What a cut must have kept is told from what it may have lost."""

from __future__ import annotations

from proof.power.promises import Found, Ledger, Moment, Note


def cut_before_it_was_given_up() -> tuple[Moment, Found]:
    """A message that a program held for the first of two times was sent, and found among the dead letters."""
    notes: list[Note] = []
    ledger = Ledger(notes.append)
    ledger.promise("one-1", ledger.begin("one-1", "work"))
    ledger.see("one-1")
    moment = Moment(ledger)
    for note in notes:
        moment.happen(note)
    ledger.begin("one-1", "dead")
    found = Found()
    found.places["one-1"]["dead"] = 1
    return moment, found


def test_what_was_delivered_once_is_no_dead_letter() -> None:
    moment, found = cut_before_it_was_given_up()
    assert moment.broken(found) == ["one-1 is in ['dead'], and belongs in ['work']"]


def test_what_the_recovery_before_has_delivered_again_may_be_one() -> None:
    moment, found = cut_before_it_was_given_up()
    assert moment.broken(found, is_fresh=False) == []
    found.places["one-1"]["dead"] = 2
    assert moment.broken(found, is_fresh=False) == ["one-1 is doubled: {'dead': 2}"]
