"""The bench's section `engines`, without measuring: each client moves messages through BatonMQ's own server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench import engines
from bench.settings import Settings

from tests.support.wire import Address


@pytest.mark.parametrize(
    ("library", "scheme", "plain"), [("pika", "amqp", engines.Pika), ("proton", "amqp10", engines.Proton)]
)
def test_both_clients_do_the_same_on_one_engine(
    library: str, scheme: str, plain: Callable[[str, str], engines.Client], amqp: Address, tmp_path: Path
) -> None:
    pytest.importorskip(library)
    kind = engines.Kind("own", "", scheme, plain)
    settings = Settings(folder=tmp_path, programs=tmp_path, rounds=2, quick=True)
    url = f"{scheme}:{amqp.url.partition(':')[2]}"
    figures = engines.measure(kind, url, settings)
    assert [figure.name for figure in figures] == ["own: one at a time", "own: 100 together"]
    assert all(len(samples) == 2 and min(samples) > 0 for figure in figures for samples in (figure.ours, figure.theirs))
    assert all(figure.target == engines.TARGET for figure in figures)


def test_every_engine_has_its_plain_client() -> None:
    assert {kind.variable for kind in engines.KINDS if kind.variable} == {
        f"BATONMQ_TEST_{name}" for name in ("RABBITMQ4", "ARTEMIS", "ACTIVEMQ", "KAFKA")
    }
