"""The bench's own parts, without measuring: what it reads, and what it prints."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench import brokers, embedded, embedded_peers, load, report
from bench.__main__ import SECTIONS, main
from bench.broker import SCENARIOS
from bench.failures import BenchError
from bench.processes import Usage, memory, tree
from bench.report import Figure, Section, Target, at_least, at_most

ROOT = Path(__file__).parent.parent

BOTH = "mode=both count=20 size=16 persistent=1 confirm=1 prefetch=1000 ack=100 pub/s=41000 sub/s=40500"
LATENCY = " lat_ms p50=0.130 p95=0.201 p99=0.250 p99.9=0.900 max=1.500 histogram=28:19,42:1,\n"

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


# The commands


def test_help_names_the_sections() -> None:
    command = [sys.executable, "-m", "bench", "--quick", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for section in ("broker", "memory", "delays", "embedded", "stomp", "amqp10", "tls"):
        assert section in done.stdout


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_runs_its_own_module(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _mounted("ext4", monkeypatch, tmp_path)
    for name, module in SECTIONS.items():
        made = Section(f"this is {name}", "ours", "theirs", [])
        monkeypatch.setattr(importlib.import_module(module), "run", lambda _, made=made: made)
    assert main(["--only", section, "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert [name for name in SECTIONS if f"this is {name}" in printed] == [section]


def _mounted(kind: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As if the folder lay on a file system of this kind."""
    mounts = folder / "mounts"
    mounts.write_text(f"/dev/root / ext4 rw 0 0\nsomething {folder} {kind} rw 0 0\n")
    monkeypatch.setattr(brokers, "MOUNTS", mounts)


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_a_folder_in_memory_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _mounted(kind, monkeypatch, tmp_path)
    with pytest.raises(BenchError, match=rf"in memory \({kind}\)"):
        brokers.on_disk(tmp_path / "not made yet")
    brokers.on_disk(tmp_path.parent)
    _mounted("ext4", monkeypatch, tmp_path)
    brokers.on_disk(tmp_path)


@needs_proc
def test_a_json_file_that_cannot_be_written_is_told_before_measuring(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _mounted("ext4", monkeypatch, tmp_path)
    assert main(["--only", "broker", "--folder", str(tmp_path), "--json", str(tmp_path / "no" / "file")]) == 2
    assert "cannot be written: No such file" in capsys.readouterr().err


@needs_proc
@pytest.mark.parametrize(
    ("section", "program"),
    [("broker", "amqpload"), ("stomp", "stompload"), ("amqp10", "amqp10load"), ("tls", "amqpload")],
)
def test_a_missing_compiler_is_one_line_and_status_2(
    section: str, program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _mounted("ext4", monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--only", section, "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert f"a C compiler is missing: cc builds the load generator {program}" in error
    assert "\n" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["mounts"]


# The load generators


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both, built with every warning as an error."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("programs")
    for name in load.PROGRAMS:
        load.build(folder, name, "-Wall", "-Wextra", "-Werror")
    return folder


def test_every_source_belongs_to_a_program() -> None:
    parts = {part for program in load.PROGRAMS.values() for part in program}
    assert {path.stem for path in load.SOURCES.glob("*.c")} == parts


@needs_proc
def test_messages_go_through_a_broker(programs: Path, tmp_path: Path) -> None:
    with brokers.Baton(tmp_path, stomp=True) as broker:
        amqp: dict[str, str | int] = {"port": broker.port, "queue": "q", "count": 150, "persistent": 1}
        for size, window, acks in ((0, 0, 100), (16, 1, 1), (200_000, 40, 7)):
            settings = {"size": size, "confirm": window, "lat": int(size > 0), "acks": acks}
            found = load.run(programs / "amqpload", **settings, **amqp)
            assert found.published
            assert found.consumed
            assert (found.p50 is None) == (size == 0)
        assert load.run(programs / "amqpload", mode="pub", **amqp).consumed is None
        # The 150 that wait are consumed in two parts; what was delivered beyond the first goes back.
        for count in (110, 40):
            assert load.run(programs / "amqpload", mode="sub", **{**amqp, "count": count}).published is None
        amqp10: dict[str, str | int] = {"port": broker.port, "address": "ten", "count": 150, "persistent": 1}
        for size, window, settled in ((0, 0, 1), (16, 1, 0), (200_000, 40, 0)):
            options: dict[str, str | int] = {"size": size, "window": window, "settled": settled, "lat": int(size > 0)}
            found = load.run(programs / "amqp10load", **options, **amqp10)
            assert found.published
            assert found.consumed
            assert (found.p50 is None) == (size == 0)
        assert load.run(programs / "amqp10load", mode="pub", **amqp10).consumed is None
        for count, credit, renew, settle in ((110, 7, 1, 1), (40, 1000, 0, 100)):
            options = {**amqp10, "mode": "sub", "count": count, "credit": credit, "renew": renew, "settle": settle}
            assert load.run(programs / "amqp10load", **options).published is None
        stomp: dict[str, str | int] = {"port": broker.stomp_port, "dest": "/queue/s", "count": 150}
        for size, window in ((0, 0), (16, 1), (200_000, 40)):
            found = load.run(programs / "stompload", size=size, receipt=window, **stomp)
            assert found.published
            assert found.consumed


@pytest.mark.parametrize(("option", "complaint"), [("speed=1", "no such option"), ("count=x", "not a number")])
@pytest.mark.parametrize("name", load.PROGRAMS)
def test_an_option_that_a_generator_does_not_have_is_refused(
    programs: Path, name: str, option: str, complaint: str
) -> None:
    key, _, value = option.partition("=")
    with pytest.raises(BenchError, match=f"{name}: {option}: {complaint}"):
        load.run(programs / name, **{key: value})


def test_a_generator_that_fails_tells_why(tmp_path: Path) -> None:
    program = tmp_path / "amqpload"
    program.write_text("#!/bin/sh\necho 'amqpload: cannot connect' >&2\nexit 2\n")
    program.chmod(0o755)
    with pytest.raises(BenchError, match="port=1: amqpload: cannot connect"):
        load.run(program, port=1)


# What the load generator prints


def test_rates_and_latencies_are_read() -> None:
    assert load.parse(BOTH + LATENCY) == load.Load(41000, 40500, 0.130, 0.201, 0.250, 1.5, 0.9, ((28, 19), (42, 1)))


def test_what_was_not_asked_for_is_none() -> None:
    published = load.parse("mode=pub count=20 size=16 persistent=0 pub/s=41000\n")
    assert published == load.Load(published=41000)
    assert published.rate == 41000
    assert load.parse(BOTH).rate == 40500


@pytest.mark.parametrize("output", ["", "mode=both count=20", "pub/s=many"])
def test_output_without_figures_is_refused(output: str) -> None:
    with pytest.raises(BenchError, match="printed"):
        load.parse(output)


def test_scenarios_ask_for_what_they_are_named_after() -> None:
    keys = {scenario.name: scenario.keys(scenario.quick) for scenario in SCENARIOS}
    assert len(keys) == len(SCENARIOS)
    for name, asked in keys.items():
        assert asked["persistent"] == int("not persistent" not in name and "persistent" in name)
        window = re.search(r"window (\d+)", name)
        assert asked["confirm"] == (int(window[1]) if window else 0)
        assert asked["size"] == (1024 if "1 KiB" in name else 16)


# The report


def test_the_median_is_held_against_the_target() -> None:
    reached = Figure("rate", "msg/s", at_least(2.0), ours=[100, 300, 200], theirs=[100, 90, 500])
    assert (reached.ratio, reached.met) == (2.0, True)
    assert Figure("rate", "msg/s", at_least(2.0), ours=[100, 300, 200], theirs=[101]).met is False
    assert Figure("cpu", "us", at_most(0.5), ours=[5], theirs=[10]).met is True
    assert Figure("cpu", "us", at_most(0.5), ours=[6], theirs=[10]).met is False


def test_an_absolute_target_needs_nobody_else() -> None:
    limit = Target(400, upper=True, of_ratio=False)
    assert Figure("memory", "MB", limit, ours=[400]).met is True
    assert Figure("memory", "MB", limit, ours=[401]).met is False


def test_without_the_other_broker_nothing_is_met_or_missed() -> None:
    figure = Figure("rate", "msg/s", at_least(2.0), ours=[100])
    assert figure.met is None
    assert "not compared" in report.table(Section("title", "BatonMQ", "RabbitMQ", [figure]))


def test_the_table_shows_medians_ratio_target_and_verdict() -> None:
    fast = Figure("fast", "msg/s", at_least(2.0), ours=[300_000], theirs=[100_000])
    slow = Figure("slow", "ms", at_most(1.0), ours=[0.5], theirs=[0.25])
    lines = report.table(Section("title", "BatonMQ", "RabbitMQ 3", [fast, slow], ["a note"])).splitlines()
    assert lines[2].split() == ["BatonMQ", "RabbitMQ", "3", "ratio", "target"]
    assert lines[3].split() == ["fast,", "msg/s", "300,000", "100,000", "3.00x", ">=", "2x", "met"]
    assert lines[4].split() == ["slow,", "ms", "0.500", "0.250", "2.00x", "<=", "1x", "MISSED"]
    assert lines[5].strip() == "a note"


def test_json_holds_every_sample(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    figure = Figure("rate", "msg/s", at_least(2.0), ours=[1, 2, 3], theirs=[1])
    report.write(file, [Section("title", "a", "b", [figure])], {"cores": "2"})
    document = json.loads(file.read_text())
    assert document["machine"] == {"cores": "2"}
    (read,) = document["sections"][0]["figures"]
    assert (read["medians"], read["ratio"], read["met"]) == ({"a": 2, "b": 1}, 2, True)
    assert read["samples"] == {"a": [1, 2, 3], "b": [1]}


# Queues inside a program


class Careless(embedded_peers.Baton):
    """As ours, but it says of itself that its commits do not wait."""

    name = "careless"

    def synchronous(self) -> int:
        return 1


class Absent(embedded_peers.Baton):
    name = "absent"

    def __init__(self, folder: Path) -> None:
        raise ImportError("No module named 'absent'")


def test_a_peer_that_is_less_durable_or_missing_takes_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(embedded, "PEERS", (embedded_peers.Baton, Careless, Absent))
    rates = embedded.compare(2, 2, tmp_path)
    assert list(rates) == ["batonmq"]
    assert all(one > 0 and many > 0 for one, many in rates["batonmq"])
    said = capsys.readouterr().err
    assert "careless takes no part: its commits do not wait for the disk (synchronous=1)" in said
    assert "absent takes no part: No module named 'absent'" in said


# Processes


@needs_proc
def test_a_process_is_counted_with_its_children() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7)); print(1); input()'])"
    usage = Usage(os.getpid())
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        assert len(tree(child.pid)) == 2
        assert usage.seconds() > 0
        assert memory(child.pid, peak=True) >= memory(child.pid) > 1
        pid = child.pid
        child.communicate(b"\n")
    with pytest.raises(BenchError, match="gone"):
        tree(pid)
