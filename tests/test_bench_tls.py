"""The bench's section `tls`, without measuring: its scenarios, the broker that it starts, and the tunnel to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import load, tls

pytest.importorskip("cryptography")


def test_tls_scenarios_ask_for_what_they_are_named_after() -> None:
    assert len({scenario.queue for scenario in tls.SCENARIOS}) == len(tls.SCENARIOS)
    for scenario in tls.SCENARIOS:
        keys = scenario.keys(scenario.quick)
        assert keys["persistent"] == int("not persistent" not in scenario.name)
        assert keys["size"] == (1024 if "1 KiB" in scenario.name else 16)
        assert keys["confirm"] == (1000 if "window 1000" in scenario.name else 0)


def test_the_load_goes_through_the_tunnel_and_tls(tmp_path: Path) -> None:
    program = load.build(tmp_path / "programs")
    scenario = tls.Scenario("persistent", 0, 0, persistent=True, window=100)
    with tls.BatonTls(tmp_path / "broker") as broker:
        assert scenario.load(program, broker, 500).rate > 0
        printed = broker.log.read_text()
    assert f"amqps://127.0.0.1:{broker.port}" not in printed
    assert "amqps://127.0.0.1:" in printed
