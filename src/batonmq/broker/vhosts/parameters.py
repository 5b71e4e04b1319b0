"""Runtime parameters, as RabbitMQ has them: values that an operator sets for a component, by virtual host and name.

A component registers itself; values for unregistered components are refused, as they would have no effect. Global
parameters have a name alone, and belong to nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from batonmq.errors import NotFound, PreconditionFailed
from batonmq.json_text import read_json
from batonmq.store.records import Definition

if TYPE_CHECKING:
    from batonmq.broker.model.access import User
    from batonmq.store.interface import Store

# The store's keys for them.
KIND: Final = "parameter"
GLOBAL_KIND: Final = "global_parameter"

NAME_MAX: Final = 255
# The longest value, in characters of JSON.
VALUE_MAX: Final = 1 << 20
# Components of RabbitMQ's that have their own operations here: limits of virtual hosts, and policies.
POLICY: Final = "policy"
OPERATOR_POLICY: Final = "operator_policy"
LIMITS: Final = "vhost-limits"
ELSEWHERE: Final = (POLICY, OPERATOR_POLICY, LIMITS)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a component."""

    component: str
    vhost: str
    name: str
    value: object
    """A value of JSON."""


class Component(Protocol):
    """A component that operators configure by parameters."""

    def check(self, vhost: str, name: str, value: object, user: User | None) -> None:
        """Refuse an invalid value, or a change that the user may not make.

        Raises PreconditionFailed, AccessRefused. None: rights are not checked.
        """

    def changed(self, vhost: str, name: str, value: object) -> None:
        """A parameter was set, or existed when the component registered."""

    def cleared(self, vhost: str, name: str) -> None:
        """A parameter was removed."""


class Parameters:
    """All parameters of a broker."""

    __slots__ = ("_components", "_global", "_kept", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._components: dict[str, Component] = {}
        # By component, virtual host and name.
        self._kept: dict[tuple[str, str, str], Parameter] = {}
        self._global: dict[str, object] = {}

    # ------------------------------------------------------------------ components

    def register(self, name: str, component: Component) -> None:
        """Register a component; it is told of existing parameters at once."""
        self._components[name] = component
        for parameter in self.all(name):
            component.changed(parameter.vhost, parameter.name, parameter.value)

    def knows(self, component: str) -> bool:
        """Is the component registered?"""
        return component in self._components

    # ------------------------------------------------------------------ parameters

    def all(self, component: str | None = None, vhost: str | None = None) -> list[Parameter]:
        """Parameters in order: all, or those of a component, of a virtual host, or of both."""
        return [
            self._kept[key]
            for key in sorted(self._kept)
            if (component is None or key[0] == component) and (vhost is None or key[1] == vhost)
        ]

    def find(self, component: str, vhost: str, name: str) -> Parameter | None:
        """One parameter; None: there is none."""
        return self._kept.get((component, vhost, name))

    def check(self, component: str, vhost: str, name: str, value: object, user: User | None = None) -> Component:
        """Check whether a parameter could be set. Raises PreconditionFailed, AccessRefused; returns its component."""
        if component in ELSEWHERE:
            raise PreconditionFailed(f"{component} may not be set using this method")
        known = self._components.get(component)
        if known is None:
            raise PreconditionFailed(f"component {component} not found")
        _check(name, value)
        known.check(vhost, name, value, user)
        return known

    def set(self, component: str, vhost: str, name: str, value: object, user: User | None = None) -> None:
        """Set a parameter; ``value`` is one of JSON. Raises PreconditionFailed, AccessRefused.

        ``user``: who sets it; None: rights are not checked.
        """
        known = self.check(component, vhost, name, value, user)
        self._kept[component, vhost, name] = Parameter(component, vhost, name, value)
        self._store.define(Definition(KIND, vhost, json.dumps([component, name]), {"value": value}))
        known.changed(vhost, name, value)

    def clear(self, component: str, vhost: str, name: str) -> None:
        """Remove a parameter. Raises NotFound."""
        if self._kept.pop((component, vhost, name), None) is None:
            raise NotFound(f"no parameter '{name}' of component '{component}' in vhost '{vhost}'")
        self._store.forget(KIND, vhost, json.dumps([component, name]))
        known = self._components.get(component)
        if known is not None:
            known.cleared(vhost, name)

    def forget_vhost(self, vhost: str) -> None:
        """Remove all parameters of a virtual host that is deleted."""
        for parameter in self.all(vhost=vhost):
            self.clear(parameter.component, vhost, parameter.name)

    # ------------------------------------------------------------------ global parameters

    def all_global(self) -> dict[str, object]:
        """The global parameters by name, in order."""
        return {name: self._global[name] for name in sorted(self._global)}

    def check_global(self, name: str, value: object) -> None:
        """Check whether a global parameter could be set. Raises PreconditionFailed."""
        _check(name, value)

    def set_global(self, name: str, value: object) -> None:
        """Set a global parameter; ``value`` is one of JSON. Raises PreconditionFailed."""
        self.check_global(name, value)
        self._global[name] = value
        self._store.define(Definition(GLOBAL_KIND, "", name, {"value": value}))

    def clear_global(self, name: str) -> None:
        """Remove a global parameter. Raises NotFound."""
        if name not in self._global:
            raise NotFound(f"no global parameter '{name}'")
        del self._global[name]
        self._store.forget(GLOBAL_KIND, "", name)

    # ------------------------------------------------------------------ the store

    def restore(self, definition: Definition) -> None:
        """Restore a parameter, or a global one, from the store."""
        value = definition.value["value"]
        if definition.kind == GLOBAL_KIND:
            self._global[definition.name] = value
            return
        component, name = read_json(definition.name)
        self._kept[component, definition.vhost, name] = Parameter(component, definition.vhost, name, value)


def _check(name: str, value: object) -> None:
    if not 0 < len(name) <= NAME_MAX:
        raise PreconditionFailed(f"the name of a parameter has 1 to {NAME_MAX} characters")
    if len(json.dumps(value)) > VALUE_MAX:
        raise PreconditionFailed(f"the value of a parameter has at most {VALUE_MAX} characters")
