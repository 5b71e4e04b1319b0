"""What the conformance and interoperability tests share: the broker under test, and connections that clean up."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import settings
from pamqp import commands as spec

import batonmq
from batonmq.purity import told, why_pure
from batonmq.server import passwords
from batonmq.testing.contract.fixtures import quiet_worker
from tests.support.broker import Broker, identified
from tests.support.costs import FULL_COST, make_passwords_cheap
from tests.support.driven import let_go_of_all
from tests.support.ordering import long_first
from tests.support.wire import WAIT, Address, Channel, Closed, Dropped, Wire

__all__ = ["quiet_worker"]

FOREIGN = "BATONMQ_TEST_AMQP"

# The suite tries the same cases each time: what passes once passes ten times. `make fuzz` looks for others.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

make_passwords_cheap()

Connect = Callable[..., Wire]
# The broker of all cases, once there is one.
BROKER = pytest.StashKey[Broker]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "differs_from(broker, why): where the named broker does otherwise, and rightly may"
    )
    if os.environ.get("BATONMQ_COMPILED") and not batonmq.compiled:
        raise pytest.UsageError(f"the tests are to run with compiled modules, and the pure ones run: {why_pure()}")
    # A shell has what it starts in the background ignore Ctrl-C, and the tests' own processes would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Which modules are tested."""
    return f"batonmq: {told()}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        items[:] = long_first([(item.nodeid, item) for item in items], processes)


def pytest_collection_finish() -> None:
    """The tests themselves, a million objects and more, are not what the collector of circles need look at."""
    gc.collect()
    gc.freeze()
    # It counts anew what there is, and comes by sooner.
    gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a case that waited in vain, what the broker was about."""
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(TimeoutError) and BROKER in item.config.stash:
        report.sections.append(("The broker", item.config.stash[BROKER].stands()))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, dict[str, object], dict[str, object]]:
    """What a test logged need not be UTF-8; what one process of the tests tells another must be."""
    report = yield
    return {key: _encodable(value) for key, value in report.items()}


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list | tuple):
        return type(value)(map(_encodable, value))
    if isinstance(value, dict):
        return {_encodable(key): _encodable(found) for key, found in value.items()}
    return value


@pytest.fixture(scope="session")
def batonmq_process(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Broker]:
    """BatonMQ in a process of its own."""
    broker = pytestconfig.stash[BROKER] = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.terminate()


@pytest.fixture(scope="session")
def amqp(request: pytest.FixtureRequest) -> Address:
    """Where the broker under test listens: BatonMQ in a process of its own, or the one that BATONMQ_TEST_AMQP names."""
    if url := os.environ.get(FOREIGN):
        parts = urlsplit(url)
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        return identified(Address(parts.hostname or "127.0.0.1", parts.port or 5672, user, password, foreign=True))
    broker: Broker = request.getfixturevalue("batonmq_process")
    return identified(broker.address)


@pytest.fixture(scope="module")
def at_full_cost() -> Iterator[None]:
    """For all cases of a file a password costs what it costs users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "N", FULL_COST)
        yield


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that the test may kill and start again on the same data."""
    if os.environ.get(FOREIGN):
        pytest.skip("only a broker that the tests start can be killed by them")
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(autouse=True)
def _differs_from(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("differs_from")
    if marker is not None and request.getfixturevalue("amqp").announces(marker.args[0]):
        pytest.skip(f"{marker.args[0]} differs: {marker.kwargs['why']}")


@pytest.fixture(autouse=True)
def _no_store_stays_open() -> Iterator[None]:
    yield
    let_go_of_all()


@pytest.fixture
def name() -> str:
    """A name that nothing else uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect(amqp: Address) -> Iterator[Connect]:
    """Opens connections to the broker under test; closes them in the end and deletes what was declared over them."""
    wires: list[Wire] = []

    def connect(*, opened: bool = True, to: Address = amqp, timeout: float = WAIT, **options: object) -> Wire:
        wire = Wire(to, timeout=timeout)
        wires.append(wire)
        return wire.open(**options) if opened else wire  # type: ignore[arg-type]

    yield connect
    for wire in wires:
        wire.close()
    declared = {entry for wire in wires for entry in wire.declared}
    if declared:
        sweep(amqp, declared)


def sweep(amqp: Address, declared: set[tuple[str, str]]) -> None:
    """Deletes these queues and exchanges, those of other users and of nobody alike."""
    wire = Wire(amqp).open()
    number = 1
    channel = wire.channel(number)
    for kind, name in declared:
        if name.startswith("amq.") or not name:
            continue
        try:
            channel.call(spec.Queue.Delete(0, name) if kind == "queue" else spec.Exchange.Delete(0, name))
        except Closed:
            number += 1
            channel = wire.channel(number)
    with contextlib.suppress(Closed, Dropped):
        wire.close()


@pytest.fixture
def wire(connect: Connect) -> Wire:
    return connect()


@pytest.fixture
def ch(wire: Wire) -> Channel:
    return wire.channel()


@pytest.fixture
def other(connect: Connect) -> Channel:
    """A channel of a second connection."""
    return connect().channel()
