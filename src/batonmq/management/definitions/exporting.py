"""Exports the definitions of a broker in RabbitMQ's format, for import into another one, or a RabbitMQ."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from batonmq import __version__
from batonmq.broker import Broker
from batonmq.broker.routing.exchanges import Exchange
from batonmq.broker.vhosts.policy import Policy
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.definitions.exact_arguments import told_arguments
from batonmq.management.definitions.reading import OPERATOR_POLICY, PROTECTED, VHOST_LIMITS

__all__ = ["COMPATIBLE_VERSION", "Section", "broker_sections", "head", "vhost_metadata", "vhost_sections"]

log = logging.getLogger("batonmq.management")

# The fields that RabbitMQ's tools check first.
COMPATIBLE_VERSION: Final = "4.0.0"

# The name of a section, and its entries.
Section = tuple[str, Iterator[Mapping[str, object]]]
_Entries = Callable[[Broker, VirtualHost], Iterator[dict[str, object]]]


def head(broker: Broker, vhost: VirtualHost | None = None) -> dict[str, object]:
    """The header before the sections."""
    told: dict[str, object] = {
        "rabbit_version": COMPATIBLE_VERSION,
        "rabbitmq_version": COMPATIBLE_VERSION,
        "product_name": "BatonMQ",
        "product_version": __version__,
        "rabbitmq_definition_format": "cluster" if vhost is None else "single_virtual_host",
    }
    if vhost is None:
        name = broker.parameters.all_global().get("cluster_name")
        told["explanation"] = f"Definitions of cluster '{name}'" if isinstance(name, str) else "Definitions"
        return told
    told |= {
        "original_vhost_name": vhost.name,
        "explanation": f"Definitions of virtual host '{vhost.name}'",
        "description": vhost.metadata.description,
        "default_queue_type": vhost.metadata.default_queue_type,
        "metadata": vhost_metadata(vhost),
        "limits": dict(vhost.limits),
    }
    return told


def broker_sections(broker: Broker) -> Iterator[Section]:
    """All sections but those about users, of all virtual hosts."""
    vhosts = [broker.vhosts[name] for name in sorted(broker.vhosts)]
    yield "vhosts", (_vhost(vhost) for vhost in vhosts)
    everything = broker.parameters.all_global().items()
    yield "global_parameters", ({"name": name, "value": value} for name, value in everything)
    for section, entries in SECTIONS.items():
        yield section, _of_all(broker, vhosts, entries)


def _of_all(broker: Broker, vhosts: list[VirtualHost], entries: _Entries) -> Iterator[dict[str, object]]:
    for vhost in vhosts:
        for entry in _that_json_can_name(entries(broker, vhost), vhost):
            yield {**entry, "vhost": vhost.name}


def vhost_sections(broker: Broker, vhost: VirtualHost) -> Iterator[Section]:
    """The sections of one virtual host, whose entries do not name it: they may be imported into another."""
    for section, entries in SECTIONS.items():
        yield section, _that_json_can_name(entries(broker, vhost), vhost)


def _that_json_can_name(entries: Iterator[dict[str, object]], vhost: VirtualHost) -> Iterator[dict[str, object]]:
    """Without those with octets that are not UTF-8: whoever takes them would make a queue of another name."""
    for entry in entries:
        if _is_text(entry):
            yield entry
        else:
            what = entry.get("name", entry.get("destination"))
            log.warning("left out of the definitions of vhost '%s', as JSON cannot name it: %a", vhost.name, what)


def _is_text(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return all(_is_text(name) and _is_text(each) for name, each in value.items())
    return not isinstance(value, list) or all(map(_is_text, value))


def vhost_metadata(vhost: VirtualHost) -> dict[str, object]:
    """A virtual host's metadata as RabbitMQ writes it; protection from deletion only where there is any."""
    metadata = vhost.metadata
    told: dict[str, object] = {
        "description": metadata.description,
        "tags": list(metadata.tags),
        "default_queue_type": metadata.default_queue_type,
    }
    if metadata.protected:
        told[PROTECTED] = True
    return told


def _vhost(vhost: VirtualHost) -> dict[str, object]:
    return {"name": vhost.name, "metadata": vhost_metadata(vhost), "limits": dict(vhost.limits)}


def _parameters(broker: Broker, vhost: VirtualHost) -> Iterator[dict[str, object]]:
    for parameter in broker.parameters.all(vhost=vhost.name):
        yield {"component": parameter.component, "name": parameter.name, "value": parameter.value}
    # RabbitMQ has these among the parameters.
    if vhost.limits:
        yield {"component": VHOST_LIMITS, "name": "limits", "value": dict(vhost.limits)}
    for policy in vhost.policies.all(of_operator=True):
        if not policy.fixed:
            yield {"component": OPERATOR_POLICY, "name": policy.name, "value": _policy(policy)}


def _policies(_: Broker, vhost: VirtualHost) -> Iterator[dict[str, object]]:
    for policy in vhost.policies.all():
        if not policy.fixed:
            yield {"name": policy.name, **_policy(policy)}


def _policy(policy: Policy) -> dict[str, object]:
    return {
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": dict(policy.definition),
        "priority": policy.priority,
    }


def _exchanges(_: Broker, vhost: VirtualHost) -> Iterator[dict[str, object]]:
    for exchange in list(vhost.router.exchanges.values()):
        if exchange.name and not exchange.name.startswith("amq."):
            yield {
                "name": exchange.name,
                "type": exchange.kind,
                "durable": exchange.durable,
                "auto_delete": exchange.auto_delete,
                "internal": exchange.internal,
                **told_arguments(exchange.arguments),
            }


def _queues(_: Broker, vhost: VirtualHost) -> Iterator[dict[str, object]]:
    for queue in list(vhost.queues.values()):
        # An exclusive queue is deleted with its connection.
        if not queue.exclusive and not queue.deleted:
            yield {
                "name": queue.name,
                "durable": queue.durable,
                "auto_delete": queue.auto_delete,
                "type": queue.settings.queue_type,
                **told_arguments(queue.arguments),
            }


def _bindings(_: Broker, vhost: VirtualHost) -> Iterator[dict[str, object]]:
    for exchange in list(vhost.router.exchanges.values()):
        for binding in list(exchange.bindings):
            is_exchange = isinstance(binding.destination, Exchange)
            queue = None if is_exchange else vhost.queues.get(binding.destination.name)
            if is_exchange or (queue is not None and not queue.exclusive):
                yield {
                    "source": exchange.name,
                    "destination": binding.destination.name,
                    "destination_type": "exchange" if is_exchange else "queue",
                    "routing_key": binding.routing_key,
                    **told_arguments(binding.arguments),
                }


SECTIONS: dict[str, _Entries] = {
    "parameters": _parameters,
    "policies": _policies,
    "exchanges": _exchanges,
    "queues": _queues,
    "bindings": _bindings,
}
