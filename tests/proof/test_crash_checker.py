"""Each promise of the crash harness can be found broken: notes with one fault each, and notes with none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from proof.crash.checker import History, Verdict, check
from proof.crash.layout import Layout, Queue
from proof.crash.notes import (
    ACCEPT,
    BROKER,
    REJECT,
    RELEASE,
    REQUEUE,
    Begun,
    Book,
    Committed,
    Committing,
    Confirmed,
    Drained,
    Ended,
    Fault,
    Killed,
    Late,
    Note,
    Opened,
    Pulse,
    Received,
    Refused,
    RolledBack,
    Sending,
    Settled,
    Settling,
    TakenOver,
    Used,
    read_all,
)

LAYOUT = Layout.of(
    [
        Queue("plain", ordered=True),
        Queue("strict", ordered=True, strict=True, alone=True),
        Queue("work", leads_to=("dead",), dead_letters=True, limit=1),
        Queue("dead"),
        Queue("grouped", grouped=True),
        Queue("transient", durable=False),
        Queue("full", leads_to=("full.dead",), refused_go_on=True),
        Queue("full.dead"),
        Queue("loses", drops=True),
        Queue("once", known=True),
    ]
)


# Nanoseconds from note to note: so long that nothing of before is still on its way.
STEP = 10_000_000_000


class Story:
    """Notes of a producer `p` and of consumers, one after the other."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.life = 0
        self._numbers: dict[str, int] = {}
        self._opened: set[str] = set()
        self.opens("p")

    def at(self) -> int:
        return (1 + len(self.notes)) * STEP

    def opens(self, session: str) -> None:
        if session not in self._opened:
            self._opened.add(session)
            self.notes.append(Opened(self.at(), session, self.life, session))

    def sends(
        self,
        id_: str,
        queue: str = "plain",
        *,
        confirm: bool = True,
        due: int = 0,
        copies: int = 1,
        work: str = "",
        number: int | None = None,
        group: str = "",
        persistent: bool = True,
    ) -> None:
        place = self.at() if number is None else number
        self.notes.append(Sending(self.at(), id_, "p", (queue,), "lane", place, persistent, due, copies, group, work))
        if confirm:
            self.notes.append(Confirmed(self.at(), (id_,)))

    def takes(
        self,
        id_: str,
        session: str = "c",
        queue: str = "plain",
        *,
        again: bool = False,
        returns: int | None = None,
        deaths: int = 0,
        how: str = "",
        promised: bool = False,
        work: str = "",
        asked: int = 0,
    ) -> None:
        self.opens(session)
        number = self._numbers[session] = self._numbers.get(session, 0) + 1
        self.notes.append(Received(self.at(), session, number, queue, id_, self.life, again, returns, deaths, asked))
        if how:
            self.notes.append(Settling(self.at(), session, (number,), how, work))
        if promised:
            self.notes.append(Settled(self.at(), session, (number,)))

    def kills(self) -> None:
        self.notes.append(Killed(self.at(), BROKER))
        self.life += 1

    def ends(self, session: str, *, orderly: bool = True) -> None:
        self.notes.append(Ended(self.at(), session, orderly))

    def says(self, note: Callable[..., Note], *values: object) -> None:
        self.notes.append(note(self.at(), *values))

    def verdict(self, *, drained: bool = True) -> Verdict:
        if drained:
            self.says(Drained)
        return verdict_of(self.notes)


def test_a_client_may_be_sent_something_before_the_broker_sees_that_it_is_gone() -> None:
    story = Story()
    story.sends("n")
    story.takes("n", "c", how=ACCEPT)
    story.notes.append(Ended(story.at() + STEP - 1, "c", orderly=False))
    story.sends("m")
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)
    verdict = story.verdict(drained=False)
    assert not verdict.broken, verdict.examples


def verdict_of(notes: Iterable[Note]) -> Verdict:
    history = History(LAYOUT)
    history.add(notes)
    history.end()
    return check(history)


def good(story: Story) -> None:
    """Everything that may happen, and nothing that may not."""
    story.sends("done")
    story.takes("done", how=ACCEPT, promised=True)
    story.sends("again")
    story.takes("again", how=ACCEPT)
    story.sends("held")
    story.takes("held", session="h")
    story.kills()
    story.takes("again", "c2", again=True, returns=1, how=ACCEPT)
    story.takes("held", "c2", again=True, returns=1, how=ACCEPT)
    story.sends("works", "work")
    story.takes("works", "w", "work", how=REQUEUE)
    story.takes("works", "w", "work", again=True, returns=1, how=REQUEUE)
    story.takes("works", "w", "dead", returns=0, deaths=1, how=ACCEPT)
    story.sends("lost", confirm=False)
    story.sends("refused", "full", confirm=False)
    story.says(Refused, "refused")
    story.takes("refused", "w", "full.dead", deaths=1, how=ACCEPT)
    story.sends("dropped", "loses")
    story.sends("gone", "transient")
    story.sends("same", "once", confirm=False)
    story.sends("same", "once")
    story.takes("same", "c2", "once", how=ACCEPT)
    story.sends("seen", "once", confirm=False)
    story.takes("seen", "c2", "once")
    story.sends("often", copies=2)
    story.takes("often", "c2", how=ACCEPT)
    story.takes("often", "c2", how=RELEASE)
    story.takes("often", "c2", again=True, returns=0, how=ACCEPT)
    story.kills()
    # It was seen before it was kept, and is another.
    story.sends("seen", "once")
    story.takes("seen", "c3", "once", how=ACCEPT)
    for work, end in (("kept", Committed), ("undone", RolledBack)):
        story.says(Begun, work)
        story.sends(f"in {work}", confirm=False, work=work)
        story.says(Committing, work)
        story.says(end, work)
    story.takes("in kept", "c3", how=ACCEPT)


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("is_seen_late", [True, False])
def test_who_is_late_when_another_takes_over_proves_nothing(*, is_told: bool, is_seen_late: bool) -> None:
    """On a busy machine he may not get to say what he holds within the seconds that the new owner waits."""
    story = Story()
    story.sends("m")
    asked = story.at() - 1
    if is_seen_late:
        # It was in his hands by then, and he reads it now.
        story.says(TakenOver)
    story.takes("m", how=ACCEPT, asked=asked)
    if is_told:
        story.says(Late, "c", (1,))
    elif not is_seen_late:
        story.says(TakenOver)
    story.ends("c")
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)
    verdict = story.verdict()
    assert verdict.is_kept, verdict.examples


def test_notes_without_a_fault_are_sound() -> None:
    story = Story()
    good(story)

    verdict = story.verdict()

    assert verdict.is_kept, verdict.examples
    assert verdict.counts["sent"] == 15
    assert verdict.counts["settled"] == 1
    assert verdict.counts["transactions"] == 1


def missing(story: Story) -> None:
    story.sends("m")


def missing_after_a_release(story: Story) -> None:
    story.sends("m")
    story.takes("m", how=REQUEUE)


def missing_dead_letter(story: Story) -> None:
    story.sends("m", "work")
    story.takes("m", "c", "work", how=REJECT)


def missing_after_a_rollback(story: Story) -> None:
    story.sends("m")
    story.says(Begun, "w")
    story.takes("m", how=ACCEPT, work="w")
    story.says(RolledBack, "w")


def missing_of_a_commit(story: Story) -> None:
    story.says(Begun, "w")
    story.sends("m", confirm=False, work="w")
    story.says(Committing, "w")
    story.says(Committed, "w")


def missing_copy(story: Story) -> None:
    story.sends("m", copies=2)
    story.takes("m", how=ACCEPT)


def returned_after_a_promise(story: Story) -> None:
    story.sends("m")
    story.takes("m", how=ACCEPT, promised=True)
    story.kills()
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)


def returned_without_a_kill(story: Story) -> None:
    story.sends("m")
    story.takes("m", how=ACCEPT)
    story.ends("c")
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)


def returned_to_the_engine_that_had_it_back(story: Story) -> None:
    story.sends("m")
    story.says(TakenOver)
    asked = story.at()
    story.takes("m", how=ACCEPT, asked=asked)
    story.ends("c")
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)
    story.says(TakenOver)


def returned_after_a_promise_and_a_take_over(story: Story) -> None:
    story.sends("m")
    story.takes("m", how=ACCEPT, promised=True)
    story.says(TakenOver)
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)


def returned_after_a_commit(story: Story) -> None:
    story.sends("m")
    story.says(Begun, "w")
    story.takes("m", how=ACCEPT, work="w")
    story.says(Committing, "w")
    story.says(Committed, "w")
    story.kills()
    story.takes("m", "d", again=True, returns=1, how=ACCEPT)


def doubled_dead_letter(story: Story) -> None:
    story.sends("m", "work")
    story.takes("m", "c", "work", how=REJECT)
    story.takes("m", "d", "dead", deaths=1)
    story.kills()
    story.takes("m", "e", "work", again=True, how=ACCEPT)


def doubled_copy(story: Story) -> None:
    story.sends("m", copies=1 + 1)
    for session in "cde":
        story.takes("m", session, again=session == "e", how=ACCEPT, promised=True)


def refused_and_there(story: Story) -> None:
    story.sends("m", confirm=False)
    story.says(Refused, "m")
    story.takes("m", how=ACCEPT)


def never_sent(story: Story) -> None:
    story.takes("m", how=ACCEPT)


def never_committed(story: Story) -> None:
    story.says(Begun, "w")
    story.sends("m", confirm=False, work="w")
    story.takes("m", how=ACCEPT)


def survived_and_not_durable(story: Story) -> None:
    story.sends("m", "transient")
    story.kills()
    story.takes("m", "c", "transient", how=ACCEPT)


def elsewhere(story: Story) -> None:
    story.sends("m", "plain", confirm=False)
    story.takes("m", "c", "once", how=ACCEPT)


def overtaken(story: Story) -> None:
    story.sends("a")
    story.sends("b")
    story.takes("b", how=ACCEPT)
    story.takes("a", how=ACCEPT)


def overtaken_by_a_kill(story: Story) -> None:
    story.sends("a")
    story.sends("b")
    story.takes("b", how=ACCEPT)
    story.kills()
    story.takes("a", "d", how=ACCEPT)


def overtaken_coming_again(story: Story) -> None:
    story.sends("a", "strict")
    story.sends("b", "strict")
    story.takes("a", "c", "strict")
    story.takes("b", "c", "strict")
    story.kills()
    story.takes("b", "d", "strict", again=True, how=ACCEPT)
    story.takes("a", "d", "strict", again=True, how=ACCEPT)


def unmarked(story: Story) -> None:
    story.sends("m")
    story.takes("m")
    story.kills()
    story.takes("m", "d", how=ACCEPT)


def unmarked_copy(story: Story) -> None:
    story.sends("m", copies=2)
    story.takes("m")
    story.kills()
    story.takes("m", "d", how=ACCEPT)
    story.takes("m", "d", how=ACCEPT)


def overmarked(story: Story) -> None:
    story.sends("m")
    story.takes("m", again=True, how=ACCEPT)


def counted_too_few(story: Story) -> None:
    story.sends("m")
    story.takes("m", how=REQUEUE)
    story.takes("m", again=True, returns=0, how=ACCEPT)


def counted_too_many(story: Story) -> None:
    story.sends("m")
    story.takes("m", how=REQUEUE)
    story.takes("m", again=True, returns=2, how=ACCEPT)


def beyond_the_limit(story: Story) -> None:
    story.sends("m", "work")
    for life in range(3):
        story.takes("m", f"c{life}", "work", again=life > 0)
        story.kills()
    story.takes("m", "d", "dead", deaths=1, how=ACCEPT)


def early(story: Story) -> None:
    story.sends("m", due=1_000_000 * STEP)
    story.takes("m", how=ACCEPT)


def group_shared(story: Story) -> None:
    for id_ in ("a", "b"):
        story.sends(id_, "grouped", group="g")
    story.takes("a", "x", "grouped")
    story.takes("b", "d", "grouped", how=ACCEPT)
    story.says(Settling, "x", (1,), ACCEPT)


def single_consumer_shared(story: Story) -> None:
    for id_ in ("a", "b"):
        story.sends(id_, "strict")
    story.takes("a", "x", "strict")
    story.takes("b", "d", "strict", how=ACCEPT)
    story.says(Settling, "x", (1,), ACCEPT)


def torn_sends(story: Story) -> None:
    story.says(Begun, "w")
    story.sends("a", confirm=False, work="w")
    story.sends("b", "once", confirm=False, work="w")
    story.says(Committing, "w")
    story.kills()
    story.takes("a", "d", how=ACCEPT)


def torn_settlement(story: Story) -> None:
    story.sends("a")
    story.says(Begun, "w")
    story.takes("a", how=ACCEPT, work="w")
    story.sends("b", "once", confirm=False, work="w")
    story.says(Committing, "w")
    story.kills()
    story.takes("a", "d", again=True, how=ACCEPT)
    story.takes("b", "d", "once", how=ACCEPT)


def noted(story: Story) -> None:
    story.says(Fault, "a call hangs")


@pytest.mark.parametrize(
    ("kind", "plant"),
    [
        ("missing", missing),
        ("missing", missing_after_a_release),
        ("missing", missing_dead_letter),
        ("missing", missing_after_a_rollback),
        ("missing", missing_of_a_commit),
        ("missing", missing_copy),
        ("returned", returned_after_a_promise),
        ("returned", returned_without_a_kill),
        ("returned", returned_to_the_engine_that_had_it_back),
        ("returned", returned_after_a_promise_and_a_take_over),
        ("returned", returned_after_a_commit),
        ("doubled", doubled_dead_letter),
        ("doubled", doubled_copy),
        ("doubled", refused_and_there),
        ("unknown", never_sent),
        ("unknown", never_committed),
        ("unknown", survived_and_not_durable),
        ("unknown", elsewhere),
        ("order", overtaken),
        ("order", overtaken_by_a_kill),
        ("order", overtaken_coming_again),
        ("unmarked", unmarked),
        ("unmarked", unmarked_copy),
        ("overmarked", overmarked),
        ("count", counted_too_few),
        ("count", counted_too_many),
        ("limit", beyond_the_limit),
        ("early", early),
        ("shared", group_shared),
        ("shared", single_consumer_shared),
        ("torn", torn_sends),
        ("torn", torn_settlement),
        ("fault", noted),
    ],
)
def test_a_planted_fault_is_found(kind: str, plant: Callable[[Story], None]) -> None:
    story = Story()
    good(story)
    plant(story)

    verdict = story.verdict()

    assert dict(verdict.broken) == {kind: 1}, verdict.examples


def test_what_was_used_is_counted_and_what_was_not_has_a_nought() -> None:
    story = Story()
    story.sends("later", due=1)
    story.sends("grouped", "grouped", group="g")
    story.sends("once", "once")
    story.sends("once", "once")
    story.takes("later", "1.amqp091.plain.amqp091-s7", how=REQUEUE)
    story.says(Used, "peeks")
    uses = story.verdict().uses
    assert (uses["delays"], uses["groups"], uses["duplicates sent"], uses["peeks"]) == (1, 1, 1, 1)
    assert (uses["given back and counted"], uses["taken over amqp091"]) == (1, 1)
    assert uses["schedules"] == uses["replays"] == uses["transactions committed"] == 0
    assert {"schedules", "replays", "transactions committed"} <= uses.keys()


def test_nothing_is_missing_before_all_was_taken() -> None:
    story = Story()
    missing(story)

    assert story.verdict(drained=False).is_kept


def test_notes_are_read_as_they_were_written_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    story = Story()
    good(story)
    with Book(tmp_path, "client") as book:
        book.write(*story.notes)
    with (tmp_path / "client.notes").open("ab") as file:
        file.write(b'["Fault",1,"torn')

    (notes,) = read_all(tmp_path)

    assert list(notes) == story.notes


def test_a_pulse_tells_the_lives_apart(tmp_path: Path) -> None:
    pulse, other = Pulse(tmp_path / "pulse"), Pulse(tmp_path / "pulse")
    lives = [other.life]
    for _ in range(2):
        pulse.dies()
        lives.append(other.life)
        pulse.lives()
        lives.append(other.life)
    pulse.close()
    other.close()

    assert lives == [0, None, 1, None, 2]
