"""Runtime parameters: set for components that have registered, kept, and gone with their virtual host."""

from __future__ import annotations

import pytest
from tests.support.timed import Timed

from batonmq.broker.model.access import User
from batonmq.errors import NotFound, PreconditionFailed


class Shovels:
    """A component that takes tables."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def check(self, vhost: str, name: str, value: object, user: User | None) -> None:
        if not isinstance(value, dict):
            raise PreconditionFailed(f"{name} in {vhost} is no table")

    def changed(self, vhost: str, name: str, value: object) -> None:
        self.told.append((vhost, name, value))

    def cleared(self, vhost: str, name: str) -> None:
        self.told.append((vhost, name))


@pytest.fixture
def shovels(driven: Timed) -> Shovels:
    shovels = Shovels()
    driven.broker.parameters.register("shovel", shovels)
    return shovels


def test_a_component_is_told_of_its_parameters(driven: Timed, shovels: Shovels) -> None:
    parameters = driven.broker.parameters
    parameters.set("shovel", "/", "a", {"from": "x"})
    parameters.set("shovel", "/", "a", {"from": "y"})
    found = parameters.find("shovel", "/", "a")
    assert found is not None
    assert found.value == {"from": "y"}
    parameters.clear("shovel", "/", "a")
    assert shovels.told == [("/", "a", {"from": "x"}), ("/", "a", {"from": "y"}), ("/", "a")]
    assert parameters.all() == []
    with pytest.raises(NotFound):
        parameters.clear("shovel", "/", "a")


def test_what_is_refused_is_not_kept(driven: Timed, shovels: Shovels) -> None:
    parameters = driven.broker.parameters
    for component, name, value, said in (
        ("shovel", "a", 5, "no table"),
        ("shovel", "", {}, "1 to 255"),
        ("shovel", "x" * 256, {}, "1 to 255"),
        ("shovel", "a", {"x": "y" * (1 << 20)}, "at most"),
        ("federation-upstream", "a", {}, "component federation-upstream not found"),
        ("policy", "a", {}, "policy may not be set using this method"),
    ):
        with pytest.raises(PreconditionFailed, match=said):
            parameters.set(component, "/", name, value)
    assert (parameters.all(), shovels.told) == ([], [])
    assert (parameters.knows("shovel"), parameters.knows("federation-upstream")) == (True, False)


def test_parameters_are_listed_by_component_and_virtual_host(driven: Timed, shovels: Shovels) -> None:
    parameters = driven.broker.parameters
    parameters.register("other", shovels)
    for component in ("shovel", "other"):
        for vhost in ("b", "a"):
            parameters.set(component, vhost, "n", {})
    listed = [(parameter.component, parameter.vhost) for parameter in parameters.all()]
    assert listed == [("other", "a"), ("other", "b"), ("shovel", "a"), ("shovel", "b")]
    assert [parameter.vhost for parameter in parameters.all("shovel")] == ["a", "b"]
    assert [parameter.component for parameter in parameters.all("shovel", "b")] == ["shovel"]
    assert len(parameters.all(vhost="b")) == 2


def test_parameters_are_there_after_a_restart(stored: Timed) -> None:
    before = Shovels()
    stored.broker.parameters.register("shovel", before)
    stored.broker.parameters.set("shovel", "/", "ä/b", {"list": [1, None, "x"]})
    stored.broker.parameters.set("shovel", "/", "gone", {})
    stored.broker.parameters.clear("shovel", "/", "gone")
    stored.broker.parameters.set_global("cluster_name", "here")
    stored.broker.parameters.set_global("gone", 1)
    stored.broker.parameters.clear_global("gone")
    stored.settle()
    stored.crash()
    after = Shovels()
    stored.broker.parameters.register("shovel", after)
    assert after.told == [("/", "ä/b", {"list": [1, None, "x"]})]
    assert stored.broker.parameters.all_global() == {"cluster_name": "here"}
    assert list(stored.broker.vhosts) == ["/"]


def test_they_go_with_their_virtual_host(stored: Timed) -> None:
    shovels = Shovels()
    stored.broker.parameters.register("shovel", shovels)
    stored.broker.create_vhost("shop")
    stored.broker.parameters.set("shovel", "shop", "a", {})
    stored.broker.parameters.set("shovel", "/", "a", {})
    stored.broker.delete_vhost("shop")
    stored.settle()
    assert shovels.told[-1] == ("shop", "a")
    stored.crash()
    assert [parameter.vhost for parameter in stored.broker.parameters.all()] == ["/"]


def test_global_parameters(driven: Timed) -> None:
    parameters = driven.broker.parameters
    parameters.set_global("b", [1])
    parameters.set_global("a", {"x": 1})
    parameters.set_global("b", 2)
    assert list(parameters.all_global().items()) == [("a", {"x": 1}), ("b", 2)]
    parameters.clear_global("a")
    with pytest.raises(NotFound):
        parameters.clear_global("a")
    with pytest.raises(PreconditionFailed):
        parameters.set_global("", 1)
