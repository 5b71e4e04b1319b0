"""One broker with something in it, and one Chromium, for all cases of the web page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from playwright.sync_api import Page, StorageState
from tests.support.browsing import Chromium, Watched, chromium, connected
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.server.config import PermissionConfig, UserConfig

NEEDS_BROWSER = frozenset({"stranger", "alone", "watched", "page"})


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedServer]:
    """A broker with the queues of a shop: see ``fill``. Cases change only what they have made themselves."""
    monitor = UserConfig(
        name="monitor",
        password="sesame",
        tags=("monitoring",),
        permission=(PermissionConfig(configure="", write="", read=".*"),),
    )
    config = a_config(user=(monitor,))
    with ManagedServer(tmp_path_factory.mktemp("shop"), config) as server, connected(server) as connection:
        fill(connection.channel())
        with Http(server.http_port) as client:
            assert client("POST", "/api/baton/queues/%2F/parcels/pause", {}).status == 204
            # The first change of the built-in guest gives it a hash of its own, which ends its sessions.
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            assert client("PUT", "/api/permissions/%2F/guest", everything).status in (201, 204)
        yield server


def fill(channel: BlockingChannel) -> None:
    """Queues: "orders" lacks consumers, "parcels" is to be paused, "hung" has a consumer that settles nothing."""
    channel.exchange_declare("shop", "topic", durable=True)
    channel.exchange_declare("dead", "fanout", durable=True)
    for name, arguments in (
        ("orders", {"x-dead-letter-exchange": "dead"}),
        ("orders.dead", {}),
        ("parcels", {}),
        ("hung", {}),
        ("short-lived", {"x-message-ttl": 1, "x-dead-letter-exchange": "dead"}),
        ("calm", {}),
    ):
        channel.queue_declare(name, durable=True, arguments=arguments)
    channel.queue_bind("orders", "shop", "order.*")
    channel.queue_bind("orders.dead", "dead")
    for number in range(12):
        body = json.dumps({"order": number}).encode()
        channel.basic_publish("shop", "order.new", body, pika.BasicProperties(headers={"customer": number % 3}))
        channel.basic_publish("", "parcels", b"a parcel")
        channel.basic_publish("", "hung", b"work")
    channel.basic_publish("", "short-lived", b"gone")
    later = pika.BasicProperties(headers={"x-delay": 3_600_000})
    channel.basic_publish("", "calm", b"tomorrow", later)
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("hung", lambda *_: None, consumer_tag="idler")
    channel.queue_declare("calm", passive=True)


@pytest.fixture
def ask(shop: ManagedServer) -> Iterator[Http]:
    """The API of the shop's broker, without a browser."""
    with Http(shop.http_port) as client:
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    executable = chromium()
    if executable is None:
        pytest.skip("there is no chromium")
    with Chromium(executable) as started:
        yield started


@pytest.fixture
def stranger(browser: Chromium, shop: ManagedServer) -> Iterator[Watched]:
    """A new session of the browser, before the log-in. What the page complains of fails the case."""
    opened = browser.run(lambda: browser.open(address_of(shop)))
    yield opened
    browser.run(opened.close)
    assert opened.complaints == []


@pytest.fixture(scope="session")
def logged_in(browser: Chromium, shop: ManagedServer) -> StorageState:
    """What a browser knows after the log-in."""

    def log_in() -> StorageState:
        opened = browser.open(address_of(shop))
        opened.log_in()
        opened.await_content()
        known = opened.page.context.storage_state()
        opened.close()
        return known

    return browser.run(log_in)


@pytest.fixture
def watched(browser: Chromium, shop: ManagedServer, logged_in: StorageState) -> Iterator[Watched]:
    """The page that all cases share, in which guest has logged in: it is at no place in particular."""
    opened = browser.run(lambda: browser.open_kept(address_of(shop), logged_in))
    yield opened
    complaints = list(opened.complaints)
    if not browser.run(opened.page.is_closed):
        browser.run(opened.clear)
    assert complaints == []


@pytest.fixture
def alone(browser: Chromium, shop: ManagedServer, logged_in: StorageState) -> Iterator[Watched]:
    """A page in a session of the case's own, where guest has logged in, for what changes more than the page."""
    opened = browser.run(lambda: browser.open(address_of(shop), logged_in))
    yield opened
    browser.run(opened.close)
    assert opened.complaints == []


@pytest.fixture
def page(watched: Watched) -> Page:
    """The page that all cases share."""
    return watched.page


def address_of(server: ManagedServer) -> str:
    return f"http://127.0.0.1:{server.http_port}/"


@pytest.fixture
def queue(ask: Http, request: pytest.FixtureRequest) -> str:
    """A queue of the case's own, whose name is the case's."""
    name: str = request.node.name
    assert ask("PUT", f"/api/queues/%2F/{name}", {"durable": True}).status in (201, 204)
    return name


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A case of the browser runs in the browser's thread."""
    browser = pyfuncitem.funcargs.get("browser")
    if isinstance(browser, Chromium) and not NEEDS_BROWSER.isdisjoint(pyfuncitem.fixturenames):
        names = pyfuncitem._fixtureinfo.argnames
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        try:
            browser.run(lambda: pyfuncitem.obj(**arguments))
        except BaseException:
            browser.run(browser.discard_kept)
            raise
        return True
    return None
