"""The two places of a move: reading the one, and declaring things at the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from batonmq.cli.client import told_in
from batonmq.cli.failure import Failure
from batonmq.cli.http import HttpApi
from batonmq.cli.moving.found import Found, FoundQueue, found_of, is_made, own_queue, without_set_aside
from batonmq.cli.moving.options import Declared, for_engine, for_rabbitmq, without_refused
from batonmq.engines.amqp.engine import AmqpEngine
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.futures import Future
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message
from batonmq.errors import NotFound, UnsupportedFeature

__all__ = ["Place", "data_file"]

T = TypeVar("T")

PATIENCE = 60.0


class Place:
    """A place with queues, as a move uses it."""

    def __init__(self, shown: str, engine: Engine, vhost: str, api: HttpApi | None) -> None:
        """``shown``: its name for messages to the user. ``api``: the broker's management API, if one was given."""
        self.shown = shown
        self.engine = engine
        self.vhost = vhost
        self.api = api
        product = engine.topology.product if isinstance(engine, AmqpEngine) else None
        self.product = product
        self.is_ours = product.is_ours if product is not None else isinstance(engine, EmbeddedEngine)

    @property
    def kind(self) -> str:
        """The place in words."""
        if self.product is None:
            return "a file" if self.engine.capabilities.engine == "embedded" else self.engine.system
        return " ".join((self.product.name, ".".join(map(str, self.product.version)))).strip() or "AMQP 0-9-1"

    # ------------------------------------------------------------------ what is found

    def found(self, names: tuple[str, ...]) -> Found:
        """The contents; where they cannot be listed, the queues of these names. Raises Failure."""
        answer = self.ask("queues.list")
        if answer is not None:
            found = self._asked(answer)
        elif self.api is not None:
            found = found_of(self.api.get(f"/api/definitions/{self.api.quoted(self.vhost)}"))
            found = replace(found, queues=[self._counted(queue) for queue in found.queues])
        elif names:
            return Found(queues=[self._counted(FoundQueue(name)) for name in names])
        else:
            raise Failure(
                f"{self.shown} does not tell what queues there are: name them with --queue, or give the URL of its"
                " management API with --from-management-url",
                2,
            )
        if names:
            missing = set(names) - {queue.name for queue in found.queues}
            if missing:
                raise Failure(f"there is no queue {min(missing)!r} at {self.shown}")
            return Found(queues=[queue for queue in found.queues if queue.name in names], others=found.others)
        return without_set_aside(found)

    def _asked(self, queues: Mapping[str, Any]) -> Found:
        found: list[FoundQueue] = []
        others: list[str] = []
        for one in queues["queues"]:
            if one["exclusive"]:
                others.append(f"queue '{one['name']}', which goes with its connection")
                continue
            if said := own_queue(one["name"]):
                others.append(said)
                continue
            found.append(
                FoundQueue(
                    one["name"],
                    one["durable"],
                    one["auto_delete"],
                    one["arguments"],
                    one["ready"],
                    one["delayed"],
                    one["unsettled"],
                    one["paused"],
                )
            )
        vhosts = self.ask("vhosts.list") or {}
        others.extend(
            f"virtual host '{vhost['name']}', which is moved by its own URL"
            for vhost in vhosts.get("vhosts", ())
            if vhost.get("name") != self.vhost and vhost.get("queues")
        )
        exchanges, bindings, policies = self.ask("exchanges.list"), self.ask("bindings.list"), self.ask("policies.list")
        return Found(
            queues=found,
            exchanges=[one for one in (exchanges or {}).get("exchanges", ()) if is_made(one["name"])],
            bindings=[
                one
                for one in (bindings or {}).get("bindings", ())
                if one["source"] and own_queue(one["destination"]) is None
            ],
            policies=list((policies or {}).get("policies", ())),
            others=others,
        )

    def _counted(self, queue: FoundQueue) -> FoundQueue:
        if not self.engine.capabilities.count:
            return queue
        return replace(queue, ready=self.answered(self.engine.count(queue.name)))

    def ask(self, operation: str, **fields: object) -> dict[str, Any] | None:
        """Send a management request to a BatonMQ; None: it is another broker. Raises Failure when it refuses."""
        if not self.is_ours and self.engine.capabilities.engine != "embedded":
            return None
        body = json.dumps({"operation": operation, **fields}).encode()
        future = self.engine.manage(Message(body, content_type="application/json", durable=False))
        try:
            said = self.answered(future).body
        except (NotFound, UnsupportedFeature):
            return None
        finally:
            self.engine.forget(future)
        try:
            return told_in(said)
        except Failure as refused:
            raise Failure(f"{self.shown}: {refused}") from None

    def answered(self, future: Future[T]) -> T:
        """The result of a future. Raises Failure when it takes too long, and the future's own error."""
        if not future.wait(PATIENCE):
            raise Failure(f"{self.shown} did not answer within {PATIENCE:g} s")
        return future.result()

    # ------------------------------------------------------------------ what is made

    def declared(self, queue: FoundQueue) -> Declared:
        """How the queue would be declared here."""
        if isinstance(self.engine, EmbeddedEngine):
            return Declared(arguments=queue.arguments)
        if self.product is None:
            declared = for_engine(queue, self.engine.capabilities)
            return without_refused(queue.name, declared, self.engine.check_declare)
        if self.product.is_ours:
            return Declared(arguments=queue.arguments)
        return for_rabbitmq(queue, self.product)

    @property
    def has_exchanges(self) -> bool:
        """Can exchanges and bindings be declared here?"""
        return isinstance(self.engine, AmqpEngine | EmbeddedEngine)

    @property
    def has_policies(self) -> bool:
        """Can policies be set here?"""
        return self.is_ours or self.engine.capabilities.engine == "embedded" or self.api is not None

    def has_queue(self, name: str) -> bool:
        """Does a queue of that name exist? False also if unknown."""
        try:
            if isinstance(self.engine, AmqpEngine):
                self.answered(self.engine.topology.require_queue(name))
            elif self.engine.capabilities.count:
                self.answered(self.engine.count(name))
            elif self.engine.capabilities.peek:
                self.answered(self.engine.peek(name, 1))
            else:
                return False
        except NotFound:
            return False
        return True

    def make_queue(self, queue: FoundQueue, declared: Declared) -> None:
        """Declare it. Raises BatonError."""
        if isinstance(self.engine, AmqpEngine):
            self.answered(
                self.engine.topology.declare_queue(
                    queue.name, durable=queue.durable, auto_delete=queue.auto_delete, arguments=declared.arguments
                )
            )
        else:
            self.answered(self.engine.declare(queue.name, declared.options))

    def make_routing(self, found: Found) -> Iterator[str]:
        """Declare exchanges and bindings, and return what was declared. Raises BatonError."""
        engine = self.engine
        if not isinstance(engine, AmqpEngine):
            return
        for one in found.exchanges:
            self.answered(
                engine.topology.declare_exchange(
                    one["name"],
                    one["type"],
                    durable=one.get("durable") is not False,
                    auto_delete=one.get("auto_delete") is True,
                    internal=one.get("internal") is True,
                    arguments=one.get("arguments") or {},
                )
            )
            yield f"exchange {one['name']}"
        for one in found.bindings:
            self.answered(
                engine.topology.bind(
                    one["source"],
                    one["destination"],
                    one.get("routing_key", ""),
                    one.get("arguments") or {},
                    to_queue=one.get("destination_type", "queue") == "queue",
                )
            )
            yield f"binding {one['source']} -> {one['destination']}"

    def make_policies(self, policies: list[Mapping[str, Any]]) -> Iterator[str]:
        """Set policies, before queues are declared. Raises Failure."""
        for one in policies:
            value = {
                "pattern": one["pattern"],
                "apply-to": one.get("apply-to", "all"),
                "priority": one.get("priority", 0),
                "definition": one["definition"],
            }
            if self.api is not None:
                self.api.put(f"/api/policies/{self.api.quoted(self.vhost)}/{self.api.quoted(one['name'])}", value)
            else:
                self.ask("policies.set", name=one["name"], **value)
            yield f"policy {one['name']}"


def data_file(path: str, name: str) -> str:
    """The file with the queues, where a path is the data directory of a broker."""
    folder = Path(path)
    return str(folder / name) if folder.is_dir() and (folder / name).exists() else path
