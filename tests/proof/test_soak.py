"""The soak: that a short one keeps every promise, and that a leak or a loss would be found."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bench import brokers
from proof.planted import EVERY, FAULTS
from proof.siege.__main__ import Outcome, verdict
from proof.soak.__main__ import levels, main
from proof.soak.broker import Everything
from proof.soak.course import Tide
from proof.soak.ledger import Ledger, Unexpected
from proof.soak.level import FEWEST, judge
from proof.soak.samples import FLOORS, of_broker, suffix
from proof.soak.stage import Stage

import batonmq

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


@needs_proc
def test_a_short_soak_keeps_every_promise_and_samples_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/root / ext4 rw 0 0\n")
    monkeypatch.setattr(brokers, "MOUNTS", mounts)
    figures = tmp_path / "figures.json"
    brief = ["--minutes", "0.001", "--tide", "2", "--every", "0.5", "--rate", "200", "--seed", "1"]
    status = main([*brief, "--folder", str(tmp_path / "runs"), "--json", str(figures)])
    printed = capsys.readouterr()
    assert status == 0, printed
    assert " 0 lost, 0 came back, 0 unknown, 0 faults; " in printed.out
    assert printed.out.endswith("0 grow: ok\n")
    (tide,) = json.loads(figures.read_text())["tides"]
    measured = {suffix(name) for name in tide["calm"]}
    assert measured == set(FLOORS)
    assert tide["calm"]["broker message rows"] == tide["calm"]["shared message rows"] == 0
    assert list((tmp_path / "runs").iterdir()) == []


def a_run(figure: Callable[[int], float], name: str = "broker memory MB", count: int = 60) -> list[Tide]:
    """As many tides, in each of which the figure is what the function says."""
    return [Tide(peak={name: figure(number)}, calm={name: figure(number)}) for number in range(count)]


def grown(tides: Sequence[Tide]) -> list[str]:
    return [name for name, level in levels(tides).items() if not level.kept]


@pytest.mark.parametrize("name", ["broker memory MB", "owner memory MB", "broker file MB", "shared log MB"])
def test_what_grows_by_half_a_megabyte_a_tide_is_found_in_noise(name: str) -> None:
    noise = random.Random(1)
    tides = a_run(lambda number: 100 + 0.5 * number + noise.gauss(0, 2), name)
    assert grown(tides) == [f"{name}, peak", f"{name}, calm"]


@pytest.mark.parametrize("name", ["broker tasks", "broker files", "guest threads", "broker message rows"])
def test_one_more_each_tide_is_found(name: str) -> None:
    assert grown(a_run(lambda number: 20 + number, name)) == [f"{name}, peak", f"{name}, calm"]


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_growth(seed: int) -> None:
    noise = random.Random(seed)
    assert grown(a_run(lambda _: noise.gauss(100, 10))) == []


def test_what_grows_first_and_is_level_then_has_warmed_up() -> None:
    assert grown(a_run(lambda number: 50.0 + 3 * min(number, 25))) == []
    assert grown(a_run(lambda number: 200.0 - number)) == []


def test_a_single_peak_is_no_growth() -> None:
    assert grown(a_run(lambda number: 900.0 if number == 58 else 100.0)) == []


def test_too_few_tides_are_not_judged() -> None:
    assert judge([1.0] * (2 * FEWEST - 2), 0.0, 0.0) is None
    assert judge([1.0] * 2 * FEWEST, 0.0, 0.0) is not None


def test_a_promise_that_nobody_settles_is_a_loss() -> None:
    ledger = Ledger()
    lane = ledger.lane()
    ledger.promise(lane, ledger.publish(lane, 3), 3)
    ledger.settle(lane, 0)
    ledger.see(lane, 1)
    ledger.settle(lane, 1)
    ledger.see(lane, 2)
    assert ledger.waiting() == 1
    tally = ledger.tally()
    assert (tally.confirmed, tally.settled, tally.lost, tally.sound) == (3, 2, 1, False)
    assert ledger.tally() == tally
    assert len(ledger.examples) == 1
    ledger.settle(lane, 2)
    assert ledger.waiting() == 0
    assert ledger.tally().sound


def test_a_message_may_be_settled_before_its_producer_knows_that_it_is_safe() -> None:
    ledger = Ledger()
    lane = ledger.lane()
    first = ledger.publish(lane, 1)
    ledger.settle(lane, first)
    ledger.promise(lane, first, 1)
    assert ledger.waiting() == 0
    assert ledger.tally().sound


def test_what_was_settled_must_not_come_again() -> None:
    ledger = Ledger()
    lane = ledger.lane()
    ledger.publish(lane, 1)
    ledger.see(lane, 0)
    ledger.see(lane, 0)
    ledger.settle(lane, 0)
    with pytest.raises(Unexpected):
        ledger.see(lane, 0)
    assert ledger.tally().returned == 1


def test_a_message_that_nobody_published_is_noticed() -> None:
    ledger = Ledger()
    with pytest.raises(Unexpected):
        ledger.see(ledger.lane(), 2**60)
    assert ledger.tally().unknown == 1


def test_a_calm_waits_for_rounds_and_begins_none() -> None:
    stage = Stage()
    stage.coming.open()
    with stage.coming.passed() as goes:
        assert goes
        assert not stage.coming.close(0.0)
    assert stage.coming.close(0.0)
    stage.over.set()
    with stage.coming.passed() as goes:
        assert not goes
    assert not stage.may_consume()


@needs_proc
def test_faults_of_a_live_broker_are_found(tmp_path: Path) -> None:
    """A soak is these rounds with more clients: what it is judged by is the same."""
    # Each send waits for a commit of its own; what is accepted shares one with others where a disk is slow.
    sends = 2 * EVERY
    ledger = Ledger()
    tides: list[Tide] = []
    lane = ledger.lane()
    with Everything(tmp_path, ",".join(FAULTS)) as broker, batonmq.connect(broker.url) as mq:
        mq.declare("q")
        before = of_broker(broker)
        for _ in range(2 * FEWEST):
            first = ledger.publish(lane, sends)
            for number in range(first, first + sends):
                mq.send("q", b"%d" % number)
            ledger.promise(lane, first, sends)
            with mq.receiver("q", until_empty=True) as receiver:
                for delivery in receiver:
                    with contextlib.suppress(Unexpected):
                        ledger.see(lane, int(delivery.body))
                        ledger.settle(lane, int(delivery.body))
                    delivery.accept()
            sample = of_broker(broker)
            tides.append(Tide(peak=sample, calm=sample))
    tally = ledger.tally()
    assert tally.lost > 0
    assert tally.returned > 0
    assert {f"broker {kind}, calm" for kind in ("files", "tasks", "memory MB")} <= set(grown(tides))
    # And by what a siege is judged by.
    account = {"confirmed": 1, "lost": 0, "returned": 0, "unknown": 0}
    outcome = Outcome(before=before, after=tides[-1].calm, during={"control": 0.0}, account=account)
    outcome.floor = dict(outcome.during)
    assert not verdict(outcome, argparse.Namespace(minutes=1.0, untimed=True))[0]
