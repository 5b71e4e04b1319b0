"""Imports checked definitions into a broker, in an order in which each entry finds what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batonmq.broker import Broker
from batonmq.broker.routing.exchanges import ExchangeOptions
from batonmq.broker.vhosts.metadata import Metadata
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.errors import NotFound
from batonmq.management.definitions.checking import naming
from batonmq.management.definitions.entries import Definitions

__all__ = ["import_definitions"]


def import_definitions(broker: Broker, found: Definitions) -> Iterator[None]:
    """Import everything, step by step; equal existing objects are left alone.

    Users and their rights are not part of the broker: see ``accounts``. Raises BadRequest, which names the entry, if
    somebody else has changed checked objects between the steps.
    """
    importer = _Importer(broker, found)
    for step in importer.steps:
        yield from step()


class _Importer:
    def __init__(self, broker: Broker, found: Definitions) -> None:
        self._broker = broker
        self._found = found
        self.steps: tuple[Callable[[], Iterator[None]], ...] = (
            self._vhosts,
            # Before the queues, so that each starts with its final settings.
            self._policies,
            self._exchanges,
            self._queues,
            self._bindings,
            # Last: a shovel starts at once, and would declare missing queues with its own options.
            self._parameters,
        )

    def _vhost(self, name: str) -> VirtualHost:
        vhost = self._broker.vhosts.get(name)
        if vhost is None:
            raise NotFound(f"vhost '{name}' was deleted meanwhile")
        return vhost

    def _vhosts(self) -> Iterator[None]:
        for entry in self._found.vhosts:
            with naming(f"vhost '{entry.name}'"):
                vhost = self._broker.vhosts.get(entry.name)
                before = vhost.metadata if vhost is not None else Metadata()
                metadata = before.changed(
                    description=entry.description,
                    tags=entry.tags,
                    default_queue_type=entry.default_queue_type,
                    protected=entry.protected,
                )
                if vhost is None:
                    vhost = self._broker.create_vhost(entry.name, metadata)
                elif metadata != before:
                    vhost.describe(metadata)
                for name, value in entry.limits.items():
                    if vhost.limits.get(name) != value:
                        vhost.set_limit(name, value)
            yield

    def _parameters(self) -> Iterator[None]:
        parameters = self._broker.parameters
        for entry in self._found.parameters:
            with naming(f"parameter '{entry.name}' of component '{entry.component}' in vhost '{entry.vhost}'"):
                present = parameters.find(entry.component, entry.vhost, entry.name)
                if present is None or present.value != entry.value:
                    parameters.set(entry.component, entry.vhost, entry.name, entry.value)
            yield
        for one in self._found.global_parameters:
            with naming(f"global parameter '{one.name}'"):
                all_global = parameters.all_global()
                if one.name not in all_global or all_global[one.name] != one.value:
                    parameters.set_global(one.name, one.value)
            yield

    def _policies(self) -> Iterator[None]:
        for entry in self._found.policies:
            policy = entry.policy
            with naming(f"policy '{policy.name}' in vhost '{entry.vhost}'"):
                policies = self._vhost(entry.vhost).policies
                if policies.find(policy.name, of_operator=policy.of_operator) != policy:
                    policies.set(policy)
            yield
        for name in dict.fromkeys(entry.vhost for entry in self._found.policies):
            while (vhost := self._broker.vhosts.get(name)) is not None and vhost.policies.apply_more():
                yield

    def _exchanges(self) -> Iterator[None]:
        for entry in self._found.exchanges:
            with naming(f"exchange '{entry.name}' in vhost '{entry.vhost}'"):
                vhost = self._vhost(entry.vhost)
                if vhost.router.exchange(entry.name) is None:
                    options = ExchangeOptions(
                        entry.name, entry.durable, entry.auto_delete, entry.internal, entry.arguments
                    )
                    vhost.add_exchange(entry.kind, options)
            yield

    def _queues(self) -> Iterator[None]:
        for entry in self._found.queues:
            with naming(f"queue '{entry.name}' in vhost '{entry.vhost}'"):
                vhost = self._vhost(entry.vhost)
                if entry.name not in vhost.queues:
                    vhost.add_queue(
                        entry.name,
                        durable=entry.durable,
                        auto_delete=entry.auto_delete,
                        owner=None,
                        arguments=entry.arguments,
                    )
            yield

    def _bindings(self) -> Iterator[None]:
        for entry in self._found.bindings:
            with naming(f"binding from '{entry.source}' to '{entry.destination}' in vhost '{entry.vhost}'"):
                vhost = self._vhost(entry.vhost)
                source = vhost.router.exchange(entry.source)
                destination = (
                    vhost.queues.get(entry.destination) if entry.to_queue else vhost.router.exchange(entry.destination)
                )
                if source is None or destination is None:
                    raise NotFound("what it binds was deleted meanwhile")
                vhost.router.bind(source, destination, entry.routing_key, entry.arguments)
            yield
