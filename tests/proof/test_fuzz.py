"""What is kept for each target breaks nothing, some new input neither; what is broken is found, told and repeated."""

from __future__ import annotations

import json
import logging
import resource
from collections.abc import Hashable
from pathlib import Path

import pytest
from proof.fuzz import __main__ as command, corpus
from proof.fuzz.corpus import FOLDER, kept
from proof.fuzz.growing import grow
from proof.fuzz.mutation import Mutator
from proof.fuzz.running import Block, run_block
from proof.fuzz.target import Take, Target
from proof.fuzz.targets import TARGETS
from proof.fuzz.trying import Trial

EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@EACH
def test_what_is_kept_breaks_nothing(target: Target) -> None:
    trial = Trial(target)
    with trial.watching():
        for data in kept(target):
            assert not trial.fault_of(data)


@EACH
def test_some_new_input_breaks_nothing(target: Target) -> None:
    trial = Trial(target)
    with trial.watching():
        done = run_block(trial, Block(target.name, "suite", 20 if target.is_session else 200), kept(target))
    assert not done.findings


def test_the_corpus_is_small_and_of_targets_that_there_are() -> None:
    paths = list(FOLDER.glob("*"))
    assert sum(path.stat().st_size for path in paths) < 200_000
    assert {path.name for path in paths} <= {f"{name}.txt" for name in TARGETS}


def test_a_corpus_grows_by_what_comes_to_other_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "FOLDER", tmp_path)
    crons = TARGETS["text.crons"]
    target = Target("planted.crons", "", crons.make, (b"?",), (*crons.words, b"0 0 * * *"))
    more = grow(target, 0.3, "1")
    assert more
    assert len(kept(target)) == 1 + more
    assert max(map(len, kept(target))) < 100


def test_a_seed_makes_the_same_input_again() -> None:
    target = TARGETS["amqp091.methods"]
    first, second, other = (Mutator(target, kept(target), seed) for seed in ("1", "1", "2"))
    made = [first.next() for _ in range(50)]
    assert made == [second.next() for _ in range(50)]
    assert made != [other.next() for _ in range(50)]


def _planted(fault: str) -> Take:
    def take(data: bytes) -> Hashable:
        if b"!" in data:
            if fault == "logged":
                logging.getLogger("batonmq.planted").error("told, and nothing raised")
            elif fault == "memory":
                # All that it was larger before, with another test, it may be again without being noticed.
                assert b"x" * ((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) + (128 << 20))
            elif fault == "endless":
                while True:
                    pass
            else:
                raise RuntimeError("planted")
        return len(data)

    return take


@pytest.mark.parametrize("fault", ["raised", "logged"])
def test_a_fault_is_found_and_made_short(fault: str) -> None:
    target = Target(f"planted.{fault}", "", lambda: _planted(fault), (b"a good input",), (b"!",))
    trial = Trial(target)
    with trial.watching():
        done = run_block(trial, Block(target.name, "1", 200), kept(target))
    assert done.findings
    assert done.findings[0].data == b"!"


def test_an_input_that_takes_much_memory_is_found() -> None:
    trial = Trial(Target("planted.memory", "", lambda: _planted("memory")))
    with trial.watching():
        assert not any(trial.fault_of(b"good") for _ in range(101))
        assert "MiB of memory" in trial.fault_of(b"!")


def test_an_input_that_never_ends_is_ended() -> None:
    trial = Trial(Target("planted.endless", "", lambda: _planted("endless")), most_seconds=0.2)
    with trial.watching():
        assert "TooLong" in trial.fault_of(b"!")


def test_the_command_writes_what_it_finds_and_tells_how_to_repeat_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = Target("planted.raised", "", lambda: _planted("raised"), (b"good",), (b"!",))
    monkeypatch.setitem(TARGETS, target.name, target)
    counts = tmp_path / "counts.json"
    argv = [target.name, "--inputs", "500", "--seed", "5", "--folder", str(tmp_path / "found"), "--json", str(counts)]
    assert command.main(argv) == 1
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "fuzz: 500 inputs, 1 targets, seed 5, 1 found: BROKEN"
    (path,) = (tmp_path / "found").glob("*.bin")
    assert f"again: python -m proof.fuzz planted.raised --replay {path}" in said
    assert json.loads(counts.read_text())["targets"]["planted.raised"]["findings"] == 1
    assert command.main([target.name, "--replay", str(path)]) == 1
    assert "RuntimeError: planted" in capsys.readouterr().out


def test_the_command_knows_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["nobody"]) == 2
    assert command.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in TARGETS)
