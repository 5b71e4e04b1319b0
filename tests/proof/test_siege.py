"""The siege: that a short one costs others nothing, and that it would be told if it did."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench import brokers
from bench.failures import BenchError
from proof.siege.__main__ import Outcome, main, verdict
from proof.siege.attackers import ATTACKS
from proof.siege.cores import FIRST, apart, before_others
from proof.siege.slowest import slowest

needs_linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc, and 127.0.0.2")


@needs_linux
def test_those_who_mean_well_lose_nothing_in_a_short_siege(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/root / ext4 rw 0 0\n")
    monkeypatch.setattr(brokers, "MOUNTS", mounts)
    figures = tmp_path / "figures.json"
    brief = ["--minutes", "0.03", "--untimed", "--seed", "1"]
    status = main([*brief, "--folder", str(tmp_path / "runs"), "--json", str(figures)])
    printed = capsys.readouterr()
    assert status == 0, printed
    assert " 0 lost or doubled, 0 faults; " in printed.out
    found = json.loads(figures.read_text())
    assert set(found["rounds"]) == {attack.__name__ for attack in ATTACKS}
    assert all(found["rounds"].values())
    assert set(found["during"]) == {"amqp", "stomp", "amqp10", "control", "log-ins"}
    assert found["most"]["broker files"] > found["before"]["broker files"]


@needs_linux
def test_the_broker_has_a_core_of_its_own_and_what_is_started_beside_it_the_others() -> None:
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("needs two cores")
    sleeps = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(sleeps, stdin=subprocess.PIPE) as broker:
        with apart(broker.pid) as said, subprocess.Popen(sleeps, stdin=subprocess.PIPE) as attacker:
            (own,) = os.sched_getaffinity(broker.pid)
            assert os.sched_getaffinity(attacker.pid) == cores - {own}
            assert said.startswith(f"the broker alone on core {own}, ")
            attacker.communicate()
        assert os.sched_getaffinity(0) == cores
        broker.communicate()


@needs_linux
def test_no_core_is_given_to_the_broker_where_there_is_only_one() -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with pytest.raises(BenchError, match="--apart needs two cores"), apart(os.getpid()):
            pass
    finally:
        os.sched_setaffinity(0, cores)


@needs_linux
def test_all_threads_of_the_broker_go_first_or_its_loop_has_the_one_that_commits_wait() -> None:
    threads = "import sys, threading; t = threading.Thread(target=sys.stdin.read); t.start(); print('x', flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", threads], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as broker:
        assert broker.stdout is not None
        broker.stdout.readline()
        try:
            before_others(broker.pid)
        except BenchError:
            pytest.skip("needs the right to raise priorities")
        else:
            tasks = [int(task.name) for task in Path(f"/proc/{broker.pid}/task").iterdir()]
            assert len(tasks) == 2
            assert {os.getpriority(os.PRIO_PROCESS, task) for task in tasks} == {FIRST}
        finally:
            broker.communicate()


def an_outcome() -> Outcome:
    """In which all went well."""
    sample = {"broker files": 30.0, "broker memory MB": 70.0}
    account = {"confirmed": 100, "lost": 0, "returned": 0, "unknown": 0}
    return Outcome(
        before=sample,
        most=sample,
        after=dict(sample),
        during={"amqp": 9.0, "control": 5.0},
        floor={"amqp": 3.0, "control": 2.0},
        account=account,
    )


def verdict_of(outcome: Outcome, *, untimed: bool = False) -> bool:
    return verdict(outcome, argparse.Namespace(minutes=1.0, untimed=untimed))[0]


def test_what_others_must_not_notice_is_told() -> None:
    assert verdict_of(an_outcome())
    for loss in ("lost", "returned", "unknown"):
        outcome = an_outcome()
        outcome.account[loss] = 1
        assert not verdict_of(outcome)
    for kept, more in (("broker files", 11.0), ("broker memory MB", 65.0)):
        outcome = an_outcome()
        outcome.after[kept] += more
        assert not verdict_of(outcome)
    outcome = an_outcome()
    outcome.faults.append("amqp: thrown out")
    assert not verdict_of(outcome)


def test_a_slow_confirm_is_told_where_times_count() -> None:
    outcome = an_outcome()
    outcome.during["amqp"] = 54.9
    assert verdict_of(outcome), "the machine itself took 5 ms of it"
    outcome.during["amqp"] = 55.0
    assert not verdict_of(outcome)
    assert verdict_of(outcome, untimed=True)


def test_an_attack_that_never_gets_in_is_told() -> None:
    outcome = an_outcome()
    outcome.rounds["reconnects"] = 10
    assert not verdict_of(outcome)
    assert verdict_of(outcome, untimed=True), "a busy machine lets nobody in for some seconds"
    outcome.inside["reconnects"] = 1
    assert verdict_of(outcome)


def test_slow_confirms_are_told_with_the_seconds_in_which_they_were() -> None:
    quick = [(at / 10, 0.01) for at in range(100)]
    assert slowest(quick, 0.05) == "0 of 100 confirms took 50 ms or more"
    pause = [(3.0 + each / 100, 0.1) for each in range(6)]
    assert slowest([*quick, *pause, (7.5, 0.05), (9.0, 0.06)], 0.05) == (
        "8 of 108 confirms took 50 ms or more, 6 of them in the 1 worst seconds, all in 3 seconds"
    )
