from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.failing_disk import data, disk
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.server.config import PermissionConfig, UserConfig, VhostConfig

__all__ = ["data", "disk"]

EVERYTHING = (PermissionConfig(configure=".*", write=".*", read=".*"),)

# Of each tag one, with all rights to "/" and none to "other".
USERS = tuple(
    UserConfig(name=f"a-{tag or 'nobody'}", password="sesame", tags=(tag,) if tag else (), permission=EVERYTHING)
    for tag in ("", "management", "monitoring", "policymaker", "administrator")
)
# And one who may look, and change nothing.
READER = UserConfig(
    name="a-reader",
    password="sesame",
    tags=("management",),
    permission=(PermissionConfig(configure="^$", write="^$", read=".*"),),
)


@pytest.fixture(scope="session")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """One for all cases that need no server of their own: names in it are the case's own, as by `unique_name`.

    Its users are a-nobody, a-management, a-monitoring, a-policymaker, a-administrator and a-reader, with the password
    sesame.
    """
    config = a_config(user=(*USERS, READER), vhost=(VhostConfig(name="other"),))
    with ManagedServer(tmp_path_factory.mktemp("managed"), config) as server:
        yield server


@pytest.fixture
def http(managed: ManagedServer) -> Iterator[Http]:
    """A client as guest, who is administrator."""
    with Http(managed.http_port) as client:
        yield client


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> str:
    """A name that no other case uses."""
    return f"{request.node.name}-{id(request)}"
