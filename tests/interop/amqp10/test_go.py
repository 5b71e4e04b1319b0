"""go-amqp. `go build -o client .` in tests/interop/go builds the cases."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.relay import Relay
from tests.interop.amqp10.running import run

FOLDER = Path(__file__).parents[1] / "go"
CLIENT = FOLDER / "client"

# What RabbitMQ has no like of, or Artemis makes where it is missing.
OF_OTHERS = {
    "rabbitmq": {
        "asks and answers over a dynamic queue",
        "every settle mode that is asked for is given",
        "hears that a queue is missing",
        "selects",
        "the receiver settles second",
    },
    "artemis": {"hears that a queue is missing"},
}


def cases() -> list[str]:
    return re.findall(r'^\t"([^"]+)": func\(b Broker\)', (FOLDER / "main.go").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("case", cases())
def test_go(peer: Peer, relay: Relay, node: str, case: str) -> None:
    if not CLIENT.exists():
        pytest.skip("the client is not built: run `go build -o client .` in tests/interop/go")
    if case in OF_OTHERS.get(peer.kind, ()):
        pytest.skip(f"{peer.kind} does otherwise")
    run([str(CLIENT), peer.url, case, node, str(relay.port)], relay)


def test_the_cases_are_formatted() -> None:
    try:
        found = subprocess.run(["gofmt", "-l", "."], cwd=FOLDER, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("go is not installed")
    assert found.stdout == ""
