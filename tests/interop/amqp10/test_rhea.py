"""rhea, the client for Node. `npm ci` in tests/interop/node installs it."""

from __future__ import annotations

import shutil

import pytest

from tests.interop.amqp10.peer import Peer
from tests.interop.amqp10.relay import Relay
from tests.interop.amqp10.running import run
from tests.interop.test_node import FOLDER, cases

# What RabbitMQ has no like of, or Artemis makes where it is missing.
OF_OTHERS = {
    "rabbitmq": {"hears that a queue is missing", "asks and answers over a dynamic queue", "selects", "browses"},
    "artemis": {"hears that a queue is missing"},
}


@pytest.mark.parametrize("case", cases("rhea.js"))
def test_rhea(peer: Peer, relay: Relay, node: str, case: str) -> None:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    if not (FOLDER / "node_modules" / "rhea").is_dir():
        pytest.skip("the client is not installed: run `npm ci` in tests/interop/node")
    if case in OF_OTHERS.get(peer.kind, ()):
        pytest.skip(f"{peer.kind} does otherwise")
    run([program, "rhea.js", peer.url, case, node, str(relay.port)], relay, FOLDER)
