"""Imports definitions into a file that this process has opened, with all that a broker can import."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from batonmq.broker import Broker
from batonmq.cli.failure import Failure
from batonmq.cli.moving.found import Found
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.futures import Future
from batonmq.management.definitions.checking import check_definitions
from batonmq.management.definitions.entries import Definitions
from batonmq.management.definitions.importing import import_definitions
from batonmq.management.definitions.reading import read_definitions
from batonmq.management.http.errors import HttpError

__all__ = ["take_into_file"]

# The only virtual host that a program sees in a file.
VHOST = "/"


def take_into_file(engine: EmbeddedEngine, found: Found) -> list[str]:
    """Create everything that was found; returns a sentence for each thing that was left out.

    Raises Failure, StoreError.
    """
    data = json.dumps(_definitions(found)).encode()
    report: list[str] = []

    def take() -> Future[None]:
        broker = engine.native
        assert isinstance(broker, Broker)
        definitions = _last(read_definitions(data, VHOST))
        _last(check_definitions(broker, definitions, {}), definitions)
        for _ in import_definitions(broker, definitions):
            pass
        report.extend(definitions.report)
        return engine.core.future(None)

    try:
        engine.core.run(take).get()
    except HttpError as error:
        raise Failure(error.reason) from None
    return report


def _definitions(found: Found) -> Mapping[str, Any]:
    return {
        "policies": [dict(one) for one in found.policies],
        "exchanges": [dict(one) for one in found.exchanges],
        "queues": [
            {
                "name": queue.name,
                "durable": queue.durable,
                "auto_delete": queue.auto_delete,
                "arguments": dict(queue.arguments),
            }
            for queue in found.queues
        ],
        "bindings": [dict(one) for one in found.bindings],
    }


def _last(steps: Iterator[Definitions] | Iterator[None], found: Definitions | None = None) -> Definitions:
    for step in steps:
        found = step or found
    assert found is not None
    return found
