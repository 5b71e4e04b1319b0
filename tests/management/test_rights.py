"""Who may do what: each route, by users of each tag, without a permission, and from another virtual host.

A route that is not in the table fails: whoever makes one says here whom it is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.management.http.rights import Tag
from batonmq.management.routes import ROUTES
from batonmq.server.config import PermissionConfig, UserConfig, VhostConfig

# Which virtual hosts: none is meant; those that the user may open; these, and all for who monitors; these, and all for
# administrators.
ANYWHERE, OPEN, SEE, CHANGE = "", "open", "see", "change"

# Method, path, the least tag, which virtual hosts, and the permissions for what the path and the body name: to
# configure, write and read.
TABLE = (
    ("GET", "/api/aliveness-test/{vhost}", Tag.MANAGEMENT, OPEN, "cwr"),
    ("GET", "/api/auth", Tag.NOBODY, ANYWHERE, ""),
    ("DELETE", "/api/auth/attempts/{node}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/auth/attempts/{node}", Tag.MONITORING, ANYWHERE, ""),
    ("DELETE", "/api/auth/attempts/{node}/source", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/auth/attempts/{node}/source", Tag.MONITORING, ANYWHERE, ""),
    ("GET", "/api/auth/hash_password/{password}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/baton/dead-letters", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/baton/events", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/baton/log", Tag.MONITORING, ANYWHERE, ""),
    ("GET", "/api/baton/queues/{vhost}/{name}/deduplication", Tag.MANAGEMENT, OPEN, "r"),
    ("DELETE", "/api/baton/queues/{vhost}/{name}/deduplication/{key}", Tag.MANAGEMENT, OPEN, "w"),
    ("GET", "/api/baton/queues/{vhost}/{name}/delayed", Tag.MANAGEMENT, OPEN, "r"),
    ("DELETE", "/api/baton/queues/{vhost}/{name}/delayed/{id}", Tag.MANAGEMENT, OPEN, "w"),
    ("POST", "/api/baton/queues/{vhost}/{name}/delayed/{id}/deliver", Tag.MANAGEMENT, OPEN, "w"),
    ("GET", "/api/baton/queues/{vhost}/{name}/groups", Tag.MANAGEMENT, OPEN, "r"),
    ("POST", "/api/baton/queues/{vhost}/{name}/move", Tag.MANAGEMENT, OPEN, "wr"),
    ("POST", "/api/baton/queues/{vhost}/{name}/pause", Tag.MANAGEMENT, OPEN, "c"),
    ("GET", "/api/baton/queues/{vhost}/{name}/peek", Tag.MANAGEMENT, OPEN, "r"),
    ("POST", "/api/baton/queues/{vhost}/{name}/purge", Tag.MANAGEMENT, OPEN, "r"),
    ("POST", "/api/baton/queues/{vhost}/{name}/replay", Tag.MANAGEMENT, OPEN, "wr"),
    ("POST", "/api/baton/queues/{vhost}/{name}/resume", Tag.MANAGEMENT, OPEN, "c"),
    ("GET", "/api/baton/queues/{vhost}/{name}/schedules", Tag.MANAGEMENT, OPEN, "r"),
    ("DELETE", "/api/baton/queues/{vhost}/{name}/schedules/{id}", Tag.MANAGEMENT, OPEN, "w"),
    ("POST", "/api/baton/queues/{vhost}/{name}/schedules/{id}/deliver", Tag.MANAGEMENT, OPEN, "w"),
    ("GET", "/api/baton/queues/{vhost}/{name}/settings", Tag.MANAGEMENT, OPEN, ""),
    ("PATCH", "/api/baton/queues/{vhost}/{name}/settings", Tag.MANAGEMENT, OPEN, "c"),
    ("DELETE", "/api/baton/session", Tag.EVERYBODY, ANYWHERE, ""),
    ("GET", "/api/baton/session", Tag.MANAGEMENT, ANYWHERE, ""),
    ("POST", "/api/baton/session", Tag.NOBODY, ANYWHERE, ""),
    ("GET", "/api/baton/store", Tag.MONITORING, ANYWHERE, ""),
    ("GET", "/api/bindings", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/bindings/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/bindings/{vhost}/e/{source}/e/{destination}", Tag.MANAGEMENT, SEE, ""),
    ("POST", "/api/bindings/{vhost}/e/{source}/e/{destination}", Tag.MANAGEMENT, OPEN, "wr"),
    ("DELETE", "/api/bindings/{vhost}/e/{source}/e/{destination}/{key}", Tag.MANAGEMENT, OPEN, "wr"),
    ("GET", "/api/bindings/{vhost}/e/{source}/e/{destination}/{key}", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/bindings/{vhost}/e/{source}/q/{destination}", Tag.MANAGEMENT, SEE, ""),
    ("POST", "/api/bindings/{vhost}/e/{source}/q/{destination}", Tag.MANAGEMENT, OPEN, "wr"),
    ("DELETE", "/api/bindings/{vhost}/e/{source}/q/{destination}/{key}", Tag.MANAGEMENT, OPEN, "wr"),
    ("GET", "/api/bindings/{vhost}/e/{source}/q/{destination}/{key}", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/channels", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/channels/{name}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/cluster-name", Tag.MANAGEMENT, ANYWHERE, ""),
    ("PUT", "/api/cluster-name", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/connections", Tag.MANAGEMENT, ANYWHERE, ""),
    ("DELETE", "/api/connections/username/{username}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/connections/username/{username}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("DELETE", "/api/connections/{name}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/connections/{name}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/connections/{name}/channels", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/connections/{name}/sessions", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/consumers", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/consumers/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/definitions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("POST", "/api/definitions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/definitions/{vhost}", Tag.ADMINISTRATOR, SEE, ""),
    ("POST", "/api/definitions/{vhost}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/deprecated-features", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/deprecated-features/used", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/exchanges", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/exchanges/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("DELETE", "/api/exchanges/{vhost}/{name}", Tag.MANAGEMENT, OPEN, "c"),
    ("GET", "/api/exchanges/{vhost}/{name}", Tag.MANAGEMENT, SEE, ""),
    ("PUT", "/api/exchanges/{vhost}/{name}", Tag.MANAGEMENT, OPEN, "c"),
    ("GET", "/api/exchanges/{vhost}/{name}/bindings/destination", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/exchanges/{vhost}/{name}/bindings/source", Tag.MANAGEMENT, SEE, ""),
    ("POST", "/api/exchanges/{vhost}/{name}/publish", Tag.MANAGEMENT, OPEN, "w"),
    ("GET", "/api/extensions", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/feature-flags", Tag.MANAGEMENT, ANYWHERE, ""),
    ("PUT", "/api/feature-flags/{name}/enable", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/global-parameters", Tag.POLICYMAKER, ANYWHERE, ""),
    ("DELETE", "/api/global-parameters/{name}", Tag.POLICYMAKER, ANYWHERE, ""),
    ("GET", "/api/global-parameters/{name}", Tag.POLICYMAKER, ANYWHERE, ""),
    ("PUT", "/api/global-parameters/{name}", Tag.POLICYMAKER, ANYWHERE, ""),
    ("GET", "/api/health/checks/alarms", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/below-node-connection-limit", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/certificate-expiration/{within}/{unit}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/is-in-service", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/local-alarms", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/metadata-store/initialized", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/metadata-store/initialized/with-data", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/node-is-mirror-sync-critical", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/node-is-quorum-critical", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/port-listener/{port}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/protocol-listener/{protocols}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/quorum-queues-without-elected-leaders/{which*}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/ready-to-serve-clients", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/health/checks/virtual-hosts", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/healthchecks/node", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/healthchecks/node/{node}", Tag.MANAGEMENT, ANYWHERE, ""),
    ("POST", "/api/login", Tag.NOBODY, ANYWHERE, ""),
    ("GET", "/api/nodes", Tag.MONITORING, ANYWHERE, ""),
    ("GET", "/api/nodes/{name}", Tag.MONITORING, ANYWHERE, ""),
    ("GET", "/api/nodes/{name}/memory", Tag.MONITORING, ANYWHERE, ""),
    ("GET", "/api/operator-policies", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/operator-policies/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("DELETE", "/api/operator-policies/{vhost}/{name}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/operator-policies/{vhost}/{name}", Tag.POLICYMAKER, SEE, ""),
    ("PUT", "/api/operator-policies/{vhost}/{name}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/overview", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/parameters", Tag.POLICYMAKER, ANYWHERE, ""),
    ("GET", "/api/parameters/{component}", Tag.POLICYMAKER, ANYWHERE, ""),
    ("GET", "/api/parameters/{component}/{vhost}", Tag.POLICYMAKER, SEE, ""),
    ("DELETE", "/api/parameters/{component}/{vhost}/{name}", Tag.POLICYMAKER, CHANGE, ""),
    ("GET", "/api/parameters/{component}/{vhost}/{name}", Tag.POLICYMAKER, SEE, ""),
    ("PUT", "/api/parameters/{component}/{vhost}/{name}", Tag.POLICYMAKER, CHANGE, ""),
    ("GET", "/api/permissions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("DELETE", "/api/permissions/{vhost}/{user}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/permissions/{vhost}/{user}", Tag.ADMINISTRATOR, SEE, ""),
    ("PUT", "/api/permissions/{vhost}/{user}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/policies", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/policies/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("DELETE", "/api/policies/{vhost}/{name}", Tag.POLICYMAKER, CHANGE, ""),
    ("GET", "/api/policies/{vhost}/{name}", Tag.POLICYMAKER, SEE, ""),
    ("PUT", "/api/policies/{vhost}/{name}", Tag.POLICYMAKER, CHANGE, ""),
    ("GET", "/api/queues", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/queues/detailed", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/queues/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("DELETE", "/api/queues/{vhost}/{name}", Tag.MANAGEMENT, OPEN, "c"),
    ("GET", "/api/queues/{vhost}/{name}", Tag.MANAGEMENT, SEE, ""),
    ("PUT", "/api/queues/{vhost}/{name}", Tag.MANAGEMENT, OPEN, "c"),
    ("POST", "/api/queues/{vhost}/{name}/actions", Tag.MANAGEMENT, OPEN, ""),
    ("GET", "/api/queues/{vhost}/{name}/bindings", Tag.MANAGEMENT, SEE, ""),
    ("DELETE", "/api/queues/{vhost}/{name}/contents", Tag.MANAGEMENT, OPEN, "r"),
    ("POST", "/api/queues/{vhost}/{name}/get", Tag.MANAGEMENT, OPEN, "r"),
    ("POST", "/api/rebalance/queues", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("DELETE", "/api/reset", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("DELETE", "/api/reset/{node}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/shovels", Tag.MONITORING, ANYWHERE, ""),
    ("DELETE", "/api/shovels/vhost/{vhost}/{name}", Tag.POLICYMAKER, CHANGE, ""),
    ("GET", "/api/shovels/vhost/{vhost}/{name}", Tag.MONITORING, SEE, ""),
    ("DELETE", "/api/shovels/vhost/{vhost}/{name}/restart", Tag.POLICYMAKER, CHANGE, ""),
    ("GET", "/api/shovels/{vhost}", Tag.MONITORING, SEE, ""),
    ("GET", "/api/topic-permissions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("DELETE", "/api/topic-permissions/{vhost}/{user}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/topic-permissions/{vhost}/{user}", Tag.ADMINISTRATOR, SEE, ""),
    ("PUT", "/api/topic-permissions/{vhost}/{user}", Tag.ADMINISTRATOR, SEE, ""),
    ("DELETE", "/api/topic-permissions/{vhost}/{user}/{exchange}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/user-limits", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/user-limits/{user}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("DELETE", "/api/user-limits/{user}/{name}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("PUT", "/api/user-limits/{user}/{name}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/users", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("POST", "/api/users/bulk-delete", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/users/without-permissions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("DELETE", "/api/users/{user}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/users/{user}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("PUT", "/api/users/{user}", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/users/{user}/permissions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/users/{user}/topic-permissions", Tag.ADMINISTRATOR, ANYWHERE, ""),
    ("GET", "/api/version", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/vhost-limits", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/vhost-limits/{vhost}", Tag.MANAGEMENT, SEE, ""),
    ("DELETE", "/api/vhost-limits/{vhost}/{name}", Tag.ADMINISTRATOR, SEE, ""),
    ("PUT", "/api/vhost-limits/{vhost}/{name}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/vhosts", Tag.MANAGEMENT, ANYWHERE, ""),
    ("DELETE", "/api/vhosts/{name}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/vhosts/{name}", Tag.MANAGEMENT, SEE, ""),
    ("PUT", "/api/vhosts/{name}", Tag.ADMINISTRATOR, SEE, ""),
    ("DELETE", "/api/vhosts/{name}/deletion/protection", Tag.ADMINISTRATOR, SEE, ""),
    ("POST", "/api/vhosts/{name}/deletion/protection", Tag.ADMINISTRATOR, SEE, ""),
    ("POST", "/api/vhosts/{name}/start/{node}", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/vhosts/{vhost}/channels", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/vhosts/{vhost}/connections", Tag.MANAGEMENT, SEE, ""),
    ("GET", "/api/vhosts/{vhost}/permissions", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/vhosts/{vhost}/topic-permissions", Tag.ADMINISTRATOR, SEE, ""),
    ("GET", "/api/whoami", Tag.MANAGEMENT, ANYWHERE, ""),
    ("GET", "/api/openapi.json", Tag.NOBODY, ANYWHERE, ""),
)
RIGHTS = {(method, path): (tag, where, needs) for method, path, tag, where, needs in TABLE}

PASSWORD = "sesame"
EVERYTHING = PermissionConfig(configure=".*", write=".*", read=".*")
TAGS = {
    "nobody": (),
    "management": ("management",),
    "monitoring": ("monitoring",),
    "policymaker": ("policymaker",),
    "administrator": ("administrator",),
    "both": ("monitoring", "policymaker"),
}
INCLUDED = {
    Tag.EVERYBODY: set(TAGS),
    Tag.MANAGEMENT: set(TAGS) - {"nobody"},
    Tag.MONITORING: {"monitoring", "administrator", "both"},
    Tag.POLICYMAKER: {"policymaker", "administrator", "both"},
    Tag.ADMINISTRATOR: {"administrator"},
}
OF_OTHERS = {OPEN: set[str](), SEE: {"monitoring", "administrator", "both"}, CHANGE: {"administrator"}}
# Who has all permissions but one.
WITHOUT = {
    "c": PermissionConfig(configure="^$", write=".*", read=".*"),
    "w": PermissionConfig(configure=".*", write="^$", read=".*"),
    "r": PermissionConfig(configure=".*", write=".*", read="^$"),
}
USERS = (
    *(UserConfig(name=name, password=PASSWORD, tags=tags, permission=(EVERYTHING,)) for name, tags in TAGS.items()),
    *(
        UserConfig(name=f"without-{what}", password=PASSWORD, tags=("management",), permission=(permission,))
        for what, permission in WITHOUT.items()
    ),
)

# What a route is sent so that it comes to ask for permissions; without one, an empty object.
BODIES: dict[str, object] = {
    "publish": {"properties": {}, "routing_key": "there", "payload": "x", "payload_encoding": "string"},
    "get": {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"},
    "move": {"to": "to"},
    "replay": {"to": "to"},
    "settings": {"arguments": {"x-max-length": 5}},
    "actions": {"action": "sync"},
}


class Asking:
    """Clients of one server, a user each."""

    def __init__(self, server: ManagedServer) -> None:
        self._server = server
        self._clients: dict[str | None, Http] = {}
        self._administrator = server.http()

    def status(self, user: str | None, method: str, path: str, vhost: str = "%2F") -> int:
        """What is answered to a user, or to nobody, when all names in the path are "there"."""
        filled = path.replace("{vhost}", vhost).replace("{key}", "~")
        if path.startswith("/api/vhosts/{name}") and (method, path) != ("DELETE", "/api/vhosts/{name}"):
            filled = filled.replace("{name}", vhost)
        filled = re.sub(r"\{[^}]*\}", "there", filled)
        body = BODIES.get(path.rpartition("/")[2], {}) if method in ("PUT", "POST", "PATCH") else None
        if path == "/api/baton/events":
            return self._status_of_stream(user, filled)
        client = self._clients.get(user)
        if client is None:
            client = self._clients[user] = self._server.http(user, PASSWORD)
        return client(method, filled, body).status

    def _status_of_stream(self, user: str | None, path: str) -> int:
        client = Http(self._server.http_port, user, PASSWORD)
        client.connection.request("GET", path, None, client.headers)
        response = client.connection.getresponse()
        response.close()
        client.close()
        return response.status

    def prepare(self) -> None:
        """Two queues and an exchange, whatever was done to them before."""
        for name in ("there", "to"):
            assert self._administrator("PUT", f"/api/queues/%2F/{name}", {}).status in (201, 204)
        assert self._administrator("PUT", "/api/exchanges/%2F/there", {"type": "direct"}).status in (201, 204)


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    config = a_config(user=USERS, vhost=(VhostConfig(name="other"),))
    with ManagedServer(Path(tmp_path_factory.mktemp("rights")), config) as server:
        yield Asking(server)


def test_each_route_has_a_row(managed: ManagedServer) -> None:
    assert len(RIGHTS) == len(TABLE)
    routes = {(route.method, route.path.replace("?}", "}")) for route in ROUTES}
    with Http(managed.http_port, None) as http:
        described = http.get("/api/openapi.json")["paths"]
    # Those of the session are not among them.
    routes |= {
        (method.upper(), path)
        for path, methods in described.items()
        for method in methods
        if path in ("/api/login", "/api/baton/session", "/api/openapi.json")
    }
    assert routes == set(RIGHTS)
    assert {path for path in described if path.startswith("/api/")} == {path.replace("*}", "}") for _, path in RIGHTS}


def test_only_who_has_the_tag(asking: Asking) -> None:
    wrong = []
    for (method, path), (tag, _, _) in RIGHTS.items():
        if tag is Tag.NOBODY:
            continue
        asking.prepare()
        if asking.status(None, method, path) != 401:
            wrong.append((method, path, "without a log-in"))
        for user in TAGS:
            if "{username}" in path and user not in OF_OTHERS[SEE if method == "GET" else CHANGE]:
                # Of others, which is another matter than the tag.
                continue
            if (asking.status(user, method, path) != 401) != (user in INCLUDED[tag]):
                wrong.append((method, path, user))
    assert not wrong


def test_nobody_needs_to_log_in_for_little(asking: Asking) -> None:
    assert {path for (_, path), (tag, _, _) in RIGHTS.items() if tag is Tag.NOBODY} == {
        "/api/auth",
        "/api/baton/session",
        "/api/login",
        "/api/openapi.json",
    }
    assert asking.status(None, "GET", "/api/auth") == 200
    assert asking.status(None, "POST", "/api/baton/session") == 400


def test_another_virtual_host_is_closed(asking: Asking) -> None:
    wrong = []
    for (method, path), (tag, where, _) in RIGHTS.items():
        if where == ANYWHERE:
            assert "{vhost}" not in path
            continue
        for user in TAGS:
            may = user in INCLUDED[tag] and user in OF_OTHERS[where]
            if (asking.status(user, method, path, "other") != 401) != may:
                wrong.append((method, path, user))
    assert not wrong


def test_permissions_count_as_over_amqp(asking: Asking) -> None:
    wrong = []
    for (method, path), (tag, where, needs) in RIGHTS.items():
        if where != OPEN or tag is not Tag.MANAGEMENT:
            assert not needs
            continue
        for what in WITHOUT:
            asking.prepare()
            if (asking.status(f"without-{what}", method, path) == 401) != (what in needs):
                wrong.append((method, path, what))
    assert not wrong


@pytest.mark.parametrize("path", ["/metrics", "/metrics/per-object", "/metrics/detailed", "/metrics/memory-breakdown"])
def test_metrics_are_for_who_monitors(asking: Asking, path: str) -> None:
    for user in (None, *TAGS):
        allowed = user in INCLUDED[Tag.MONITORING]
        assert asking.status(user, "GET", path) == (200 if allowed else 401), user
