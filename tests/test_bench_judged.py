"""What the bench says of figures that were measured before: targets, and pictures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from bench import broker, compiled, embedded, judged, latency, plots, report, stomp
from bench.__main__ import main
from bench.report import Figure, Section
from bench.settings import Settings

import batonmq

BROKER, LATENCY = "One producer, one consumer, a durable queue", "Latency at a fixed rate"


def _measured(tmp_path: Path) -> Path:
    broker = Section(BROKER, "BatonMQ", "RabbitMQ 3.10.8", others=["RabbitMQ 4.3.6", "LavinMQ"], floor="no broker")
    plain = Figure("not persistent", "msg/s", ours=[600.0], theirs=[500.0], others=[[90.0], []], floor=[9000.0])
    slow = Figure(
        "persistent, window 1, 16 B", "msg/s", ours=[79.0], theirs=[500.0], others=[[79.0], []], floor=[100.0]
    )
    broker.figures += [plain, slow]
    latency = Section(LATENCY, "BatonMQ", "RabbitMQ 3.10.8", others=["RabbitMQ 4.3.6"])
    latency.figures.append(Figure("persistent, 10,000 msg/s, p99", "ms", ours=[2.0], theirs=[3.0], others=[[1.0]]))
    latency.histograms["persistent, 10,000 msg/s"] = {"BatonMQ": [(28, 99), (40, 1)]}
    file = tmp_path / "figures.json"
    report.write(file, [broker, latency], {})
    return file


def test_targets_are_met_missed_or_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--targets", str(_measured(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(judged.ROWS)

    def verdict(figure: str, target: str) -> list[str]:
        (line,) = (line for line in lines if f": {figure}  " in line and f"  {target}  " in line)
        return line.partition(f"  {target}  ")[2].split()

    assert verdict("not persistent", ">= 6 x RabbitMQ 4") == ["6.67x", "met"]
    assert verdict("not persistent", ">= 1 x LavinMQ") == ["-", "not", "measured"]
    assert verdict("persistent, window 1, 16 B", ">= 1.3 x RabbitMQ 4") == ["1.00x", "MISSED"]
    assert verdict("persistent, window 1, 16 B", ">= 0.8 x the floor") == ["0.790x", "MISSED"]
    # Less is better, the better of two peers counts, and it was not we.
    assert verdict("persistent, 10,000 msg/s, p99", "<= 1 x the best peer") == ["2.00x", "MISSED"]


def test_every_target_is_of_a_figure_that_a_section_measures() -> None:
    measured = {scenario.name for module in (broker, stomp) for scenario in module.SCENARIOS}
    measured |= {f"{scenario.name}: broker CPU" for scenario in (*compiled.AMQP, *compiled.STOMP)}
    measured |= {f"{kind.name}, {rate:,} msg/s, p99" for kind in latency.KINDS for rate in latency.RATES}
    measured |= set(embedded.FIGURES)
    assert {row.figure for row in judged.ROWS} <= measured


@pytest.mark.parametrize(("text", "told"), [(None, "cannot be read"), ("{}", "no file that --json has written")])
def test_a_file_without_figures_is_told(
    text: str | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    if text is not None:
        file.write_text(text)
    assert main(["--targets", str(file)]) == 2
    assert told in capsys.readouterr().err


def test_the_share_that_took_longer_falls_to_one_message() -> None:
    times, shares = plots.percentiles([(0, 90), (4, 9), (40, 1)])
    assert times == [0.001, 0.002, 1.024]
    assert shares == [0.1, 0.01, 0.005]


def test_pictures_are_left_out_with_a_line_where_nothing_can_draw_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert plots.draw_file(_measured(tmp_path), tmp_path / "pictures") == []
    assert "no pictures: matplotlib is not installed" in capsys.readouterr().err
    assert not (tmp_path / "pictures").exists()


def test_pictures_show_each_unit_and_each_rate(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    made = plots.draw(json.loads(_measured(tmp_path).read_text()), tmp_path / "pictures")
    assert [file.name for file in made] == [
        "one-producer-one-consumer-a-durable-queue-msg-s.png",
        "latency-at-a-fixed-rate-ms.png",
        "latency-persistent-10-000-msg-s.png",
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in made)


def test_where_nothing_is_compiled_nothing_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batonmq, "compiled", False, raising=False)
    section = compiled.run(Settings(tmp_path, tmp_path))
    assert not section.figures
    assert "nothing is compiled here" in section.notes[0]
    assert compiled.Pure(tmp_path).environment == {"BATONMQ_PURE": "1"}
