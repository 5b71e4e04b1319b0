"""Each error of the Python API names the queue, or the place, and what to do; both faces raise the same."""

from __future__ import annotations

import ast
import asyncio
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import pytest

import batonmq
from batonmq.api.options import require
from batonmq.api.telling import OF_A_PLACE, REMEDIES, told
from tests.api.faces import connect_asynchronously
from tests.contract.places import batonmq_server, file_of_another
from tests.support.markdown import ROOT

Connect = Callable[[str], batonmq.Connection]
SOURCES = Path(batonmq.__file__).parent


class Kind(NamedTuple):
    """One way to get an error."""

    cause: Callable[[batonmq.Connection, str], object]
    """What is done, with a connection and a queue that is there and empty."""
    raises: type[Exception]
    text: str
    """What the error says, as a pattern: {queue} and {place} are what they are."""


def held(mq: batonmq.Connection, queue: str) -> tuple[batonmq.Receiver, batonmq.Delivery]:
    mq.send(queue, b"17")
    receiver = mq.receiver(queue)
    (delivery,) = receiver.receive(wait=30)
    return receiver, delivery


def settled(mq: batonmq.Connection, queue: str) -> batonmq.Delivery:
    receiver, delivery = held(mq, queue)
    delivery.accept()
    receiver.close()
    return delivery


def lost(mq: batonmq.Connection, queue: str) -> batonmq.Delivery:
    receiver, delivery = held(mq, queue)
    receiver.close()
    return delivery


def full(mq: batonmq.Connection, queue: str) -> str:
    mq.declare(f"{queue}-full", max_length=0, overflow="refuse")
    return f"{queue}-full"


def accept_together(mq: batonmq.Connection, delivery: batonmq.Delivery) -> None:
    with mq.transaction() as transaction:
        transaction.accept(delivery)


def send_together(mq: batonmq.Connection, queue: str) -> None:
    with mq.transaction() as transaction:
        transaction.send(queue, b"17")


def closed_receiver(mq: batonmq.Connection, queue: str) -> object:
    receiver = mq.receiver(queue)
    receiver.close()
    return receiver.receive()


def replay_into_full(mq: batonmq.Connection, queue: str) -> object:
    mq.send(queue, b"17")
    try:
        return mq.replay(queue, full(mq, queue))
    finally:
        mq.purge(queue)


def after_close(use: Callable[[batonmq.Connection, str], object]) -> Callable[[batonmq.Connection, str], object]:
    def cause(mq: batonmq.Connection, queue: str) -> object:
        mq.close()
        return use(mq, queue)

    return cause


MISSING = r"no queue '{queue}-no'.*; declare it first$"
FULL = r"queue '{queue}-full'.*; send again when there is room$"
SETTLED = r"<Message b'17'> of queue '{queue}' was settled before; settle each delivery once$"
LOST = r"queue '{queue}': .*; it is delivered again, if its queue is there$"
CLOSED = r"^{place}: the .* closed; open another one$"

KINDS = {
    "count of none": Kind(lambda mq, q: mq.count(f"{q}-no"), batonmq.NotFound, MISSING),
    "stats of none": Kind(lambda mq, q: mq.stats(f"{q}-no"), batonmq.NotFound, MISSING),
    "peek into none": Kind(lambda mq, q: mq.peek(f"{q}-no"), batonmq.NotFound, MISSING),
    "purge of none": Kind(lambda mq, q: mq.purge(f"{q}-no"), batonmq.NotFound, MISSING),
    "replay from none": Kind(lambda mq, q: mq.replay(f"{q}-no"), batonmq.NotFound, MISSING),
    "send to none": Kind(lambda mq, q: mq.send(f"{q}-no", b"17"), batonmq.NotFound, MISSING),
    "send many to none": Kind(lambda mq, q: mq.send_many(f"{q}-no", [b"1", b"2"]), batonmq.NotFound, MISSING),
    "request to none": Kind(lambda mq, q: mq.request(f"{q}-no", b"17"), batonmq.NotFound, MISSING),
    "receive from none": Kind(lambda mq, q: mq.receiver(f"{q}-no").receive(), batonmq.NotFound, MISSING),
    "transaction to none": Kind(lambda mq, q: send_together(mq, f"{q}-no"), batonmq.NotFound, MISSING),
    "send to full": Kind(lambda mq, q: mq.send(full(mq, q), b"17"), batonmq.ResourceError, FULL),
    "send many to full": Kind(lambda mq, q: mq.send_many(full(mq, q), [b"1", b"2"]), batonmq.ResourceError, FULL),
    "transaction to full": Kind(lambda mq, q: send_together(mq, full(mq, q)), batonmq.ResourceError, FULL),
    "replay into full": Kind(replay_into_full, batonmq.ResourceError, FULL),
    "accept twice": Kind(lambda mq, q: settled(mq, q).accept(), batonmq.AlreadySettled, SETTLED),
    "release twice": Kind(lambda mq, q: settled(mq, q).release(), batonmq.AlreadySettled, SETTLED),
    "reject twice": Kind(lambda mq, q: settled(mq, q).reject(), batonmq.AlreadySettled, SETTLED),
    "renew what is settled": Kind(lambda mq, q: settled(mq, q).renew(9), batonmq.AlreadySettled, SETTLED),
    "progress of settled": Kind(lambda mq, q: settled(mq, q).progress(0.5), batonmq.AlreadySettled, SETTLED),
    "together twice": Kind(lambda mq, q: accept_together(mq, settled(mq, q)), batonmq.AlreadySettled, SETTLED),
    "accept what is lost": Kind(lambda mq, q: lost(mq, q).accept(), batonmq.LeaseLost, LOST),
    "release what is lost": Kind(lambda mq, q: lost(mq, q).release(), batonmq.LeaseLost, LOST),
    "reject what is lost": Kind(lambda mq, q: lost(mq, q).reject(), batonmq.LeaseLost, LOST),
    "renew what is lost": Kind(lambda mq, q: lost(mq, q).renew(9), batonmq.LeaseLost, LOST),
    "together what is lost": Kind(lambda mq, q: accept_together(mq, lost(mq, q)), batonmq.LeaseLost, LOST),
    "renew without a lease": Kind(
        lambda mq, q: held(mq, q)[1].renew(), ValueError, r"the receiver of queue '{queue}' has no lease: say for how"
    ),
    "declare otherwise": Kind(
        lambda mq, q: mq.declare(q, ttl=3), batonmq.PreconditionFailed, r"queue '{queue}' is there, declared otherwise"
    ),
    "declare with dead letters": Kind(
        lambda mq, q: mq.declare(q, dead_letter="dead"),
        batonmq.PreconditionFailed,
        r"queue '{queue}' is there, declared otherwise: dead_letter is none there, and a queue was asked for",
    ),
    "declare a reserved name": Kind(
        lambda mq, _: mq.declare("amq.mine"), batonmq.AccessRefused, r"queue name 'amq.mine' contains reserved prefix"
    ),
    "dead letters to itself": Kind(
        lambda mq, q: mq.declare(q, dead_letter=q), ValueError, r"queue '{queue}' cannot take its own .*: name another"
    ),
    "replay to itself": Kind(
        lambda mq, q: mq.replay(q, q), ValueError, r"queue '{queue}' cannot be replayed into itself: name another"
    ),
    "no reply": Kind(
        lambda mq, q: mq.request(q, b"17", timeout=0.01),
        TimeoutError,
        r"no reply from queue '{queue}' within 0.01 s: does anybody receive from it\?$",
    ),
    "reply to nobody": Kind(
        lambda mq, _: mq.reply(batonmq.Message(b"17"), b""), ValueError, r"it has no reply_to: send it with request"
    ),
    "line end": Kind(lambda mq, _: mq.declare("or\nders"), ValueError, r"a queue's name has no line ends: 'or\\nders'"),
    "empty name": Kind(lambda mq, _: mq.send("", b"17"), ValueError, r"a queue's name is empty: a queue has a name"),
    "name of another type": Kind(
        lambda mq, _: mq.count(cast("str", 17)), TypeError, r"a queue's name is a str, not (an? )?int"
    ),
    "text as a body": Kind(
        lambda mq, q: mq.send(q, cast("bytes", "text")), TypeError, r"a body is bytes, not str: encode text"
    ),
    "options twice": Kind(
        lambda mq, q: mq.send(q, batonmq.Message(b""), ttl=3),
        TypeError,
        r"said about a Message is said when it is made",
    ),
    "until empty, with a lease": Kind(
        lambda mq, q: mq.receiver(q, until_empty=True, wait=3), ValueError, r"queue '{queue}': until_empty .*leave out"
    ),
    "receiver is closed": Kind(
        closed_receiver, batonmq.Closed, r"^the receiver of queue '{queue}' was closed; open another one$"
    ),
    "declare after close": Kind(after_close(lambda mq, q: mq.declare(q)), batonmq.Closed, CLOSED),
    "delete after close": Kind(after_close(lambda mq, q: mq.delete(q)), batonmq.Closed, CLOSED),
    "count after close": Kind(after_close(lambda mq, q: mq.count(q)), batonmq.Closed, CLOSED),
    "queues after close": Kind(after_close(lambda mq, _: mq.queues()), batonmq.Closed, CLOSED),
    "stats after close": Kind(after_close(lambda mq, q: mq.stats(q)), batonmq.Closed, CLOSED),
    "peek after close": Kind(after_close(lambda mq, q: mq.peek(q)), batonmq.Closed, CLOSED),
    "purge after close": Kind(after_close(lambda mq, q: mq.purge(q)), batonmq.Closed, CLOSED),
    "replay after close": Kind(after_close(lambda mq, q: mq.replay(q, "other", 1)), batonmq.Closed, CLOSED),
    "send after close": Kind(after_close(lambda mq, q: mq.send(q, b"17")), batonmq.Closed, CLOSED),
    "receive after close": Kind(after_close(lambda mq, q: mq.receiver(q).receive()), batonmq.Closed, CLOSED),
    "request after close": Kind(after_close(lambda mq, q: mq.request(q, b"17")), batonmq.Closed, CLOSED),
    "transaction after close": Kind(after_close(send_together), batonmq.Closed, CLOSED),
    "outbox after close": Kind(after_close(lambda mq, _: mq.outbox(17)), batonmq.Closed, CLOSED),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with batonmq_server(tmp_path_factory.mktemp("served")) as url:
        yield url


@pytest.fixture(scope="module")
def served10(served: str) -> str:
    return served.replace("amqp:", "amqp10:", 1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with file_of_another(tmp_path_factory.mktemp("shared")) as url:
        yield url


@pytest.fixture(params=["file", "shared", "served", "served10"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "queues.db") if request.param == "file" else str(request.getfixturevalue(request.param))


@pytest.fixture(params=["synchronous", "asynchronous"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    if request.param == "synchronous":
        yield batonmq.connect
        return
    loop = asyncio.new_event_loop()
    yield connect_asynchronously(loop)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def place_of(url: str) -> str:
    return re.sub(r"//.*@", "//", url).rstrip("/")


def test_each_error_says_what_it_is_about_and_what_to_do(connect: Connect, url: str) -> None:
    otherwise = []
    for number, (name, kind) in enumerate(KINDS.items()):
        queue = f"errors-{connect.__name__}-{number}"
        mq = connect(url)
        mq.declare(queue)
        try:
            kind.cause(mq, queue)
        except Exception as error:  # noqa: BLE001  (any: that is what is looked at)
            expected = kind.text.replace("{queue}", queue).replace("{place}", re.escape(place_of(url)))
            if type(error) is not kind.raises or not re.search(expected, str(error)):
                otherwise.append(f"{name}: {type(error).__name__}: {error}")
        else:
            otherwise.append(f"{name}: no error")
        finally:
            mq.close()
    assert otherwise == []


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        ("redis://localhost", ValueError, "no engine for 'redis': expected a path, or one of file:, memory:, amqp:"),
        ("amqp://", ValueError, "names no host"),
        ("amqp://user:secret@127.0.0.1:1/", batonmq.ConnectionLost, "cannot connect to 127.0.0.1:1: is the broker run"),
        ("amqp10://127.0.0.1:1/", batonmq.ConnectionLost, "cannot connect to 127.0.0.1:1: is the broker running?"),
        ("/no/such/folder/queues.db", batonmq.StoreError, "cannot use /no/such/folder/queues.db: No such file"),
        ("{folder}/a.txt", batonmq.StoreCorrupt, "{folder}/a.txt is not a BatonMQ store"),
    ],
)
def test_what_cannot_be_opened_is_named(
    connect: Connect, tmp_path: Path, url: str, error: type[Exception], text: str
) -> None:
    (tmp_path / "a.txt").write_text("no store\n")
    with pytest.raises(error, match=re.escape(text.replace("{folder}", str(tmp_path)))) as caught:
        connect(url.replace("{folder}", str(tmp_path)))
    assert type(caught.value) is error
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_told_with_the_place_and_the_user(connect: Connect, served: str) -> None:
    with pytest.raises(batonmq.AccessRefused, match=r"the broker at 127\.0\.0\.1:\d+ refused to log in user 'guest'"):
        connect(served.replace("guest:guest", "guest:wrong"))


def test_what_an_engine_lacks_is_named_with_the_engine() -> None:
    with batonmq.connect("memory:") as mq:
        can = replace(mq.capabilities, engine="carrier", delay=False)
    with pytest.raises(batonmq.UnsupportedFeature, match=r"^carrier: delay; capabilities tells what this engine has$"):
        require(can, batonmq.Message(b"17", delay=3))


@pytest.mark.parametrize("target", ["memory:", "orders.db"])
def test_without_virtual_hosts_no_error_speaks_of_one(tmp_path: Path, target: str) -> None:
    with batonmq.connect(target if ":" in target else tmp_path / target) as mq:
        for ask in (mq.count, mq.purge, mq.peek, mq.stats, lambda queue: mq.send(queue, b"17")):
            with pytest.raises(batonmq.NotFound, match=r"^no queue 'no'; declare it first$"):
                ask("no")


def test_an_error_that_says_all_stays_as_it_is() -> None:
    error = batonmq.NotFound("no queue 'orders'; declare it first")
    assert told(error, "memory:", "orders") is error
    of_a_disk = batonmq.StoreError("/var/lib/shop.db: the disk is full", "the disk is full")
    assert told(of_a_disk, "/var/lib/shop.db", "orders") is of_a_disk


def test_a_password_is_no_part_of_a_place(connect: Connect, served: str) -> None:
    mq = connect(served)
    mq.close()
    with pytest.raises(batonmq.Closed) as caught:
        mq.count("orders")
    assert "guest" not in str(caught.value)


# ---------------------------------------------------------------------- what is to be said of what is added

# Classes that never reach a program: they are caught, or translated, within the package that has them.
INNER = {
    "batonmq.engines.amqp10.client.failures.PeerFault",
    "batonmq.engines.embedded.ownership.Ending",
    "batonmq.engines.embedded.ownership.InUse",
    "batonmq.engines.embedded.ownership.Inherited",
    "batonmq.engines.kafka.cluster._NotYet",
}
# Subclasses of documented ones that say by themselves what to do: ValueError for certificates.
DERIVED = {"batonmq.engines.tls.UnusableTls"}
# Only a server or a broker's own operations raise them; the API passes on what a broker said.
OF_SERVERS = {"NotAllowed", "Unsupported"}


def classes_below(kind: type) -> Iterator[type]:
    below: list[type] = type.__subclasses__(kind)
    for found in below:
        yield found
        yield from classes_below(found)


def test_each_class_of_errors_is_documented_and_can_be_named() -> None:
    for part in ("api", "engines"):
        for module in pkgutil.walk_packages([str(SOURCES / part)], f"batonmq.{part}."):
            importlib.import_module(module.name)
    found = {
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in classes_below(BaseException)
        if kind.__module__.startswith(("batonmq.api.", "batonmq.engines.", "batonmq.testing."))
    }
    assert found - INNER - DERIVED == set(), "a class of errors that no page of the documentation has"
    raised = {kind.__name__ for kind in (batonmq.BatonError, *classes_below(batonmq.BatonError))}
    raised = {name for name in raised if hasattr(importlib.import_module("batonmq.errors"), name)} - OF_SERVERS
    assert raised <= set(batonmq.__all__)
    page = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", page.partition("## Errors")[2], re.MULTILINE))
    assert raised <= listed, "docs/python-api.md, Errors"


def test_each_kind_of_a_brokers_refusal_has_a_remedy_or_needs_none() -> None:
    refusals = {batonmq.BrokerError, *classes_below(batonmq.BrokerError)}
    own = {kind for kind in refusals if kind.__module__ == "batonmq.errors" and kind.__name__ not in OF_SERVERS}
    assert own <= set(REMEDIES)
    assert set(REMEDIES) > OF_A_PLACE


# Texts that name neither a queue nor a place, as they are about what the program says itself.
CONSTANT = {
    (
        "a connection of asyncpg does not tell how it was opened: give relay=False and run `batonmq outbox relay`, "
        "or use asyncpg through SQLAlchemy"
    ),
    "a connection of our own is opened by what opened this one",
    'a schedule is made by batonmq.cron, as in cron("*/5 * * * *")',
    "an outbox takes messages in its block: with mq.outbox(connection) as outbox: ...",
    "either retry=, or backoff= and backoff_max=",
    "handlers=, url= and drain= are for a batonmq.Worker",
    "the connection is closed",
    "the connection is asynchronous: async with mq.outbox(connection) as outbox: ...",
    "the connection is synchronous: with mq.outbox(connection) as outbox: ...",
    "the message asks for no reply: it has no reply_to: send it with request",
    "the worker does not run: it has no connection",
    'the worker has no handlers: @worker.handler("orders") makes one of a function',
    "the worker runs already",
    'the worker was given no URL: batonmq.Worker("shop.db") has one',
    "there is no connection: the application needs lifespan=batonmq.contrib.starlette.lifespan(...)",
    "what is in the outbox is relayed when it is committed: the connection is in a transaction",
    "what is said about a Message is said when it is made, not when it is sent",
}


def sources(*parts: str) -> Iterator[Path]:
    for part in parts:
        for path in sorted((SOURCES / part).rglob("*.py")):
            # Made of the asynchronous ones.
            if "/synchronous" not in path.as_posix():
                yield path


def test_an_error_without_a_name_in_its_text_is_none_of_a_queue() -> None:
    found: set[object] = set()
    for path in sources("api", "contrib", "testing"):
        if path.relative_to(SOURCES).as_posix().startswith("testing/contract"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call) or not node.exc.args:
                continue
            kind, text = ast.unparse(node.exc.func), node.exc.args[0]
            # By the name of a class: a function of ours makes the rest of its text.
            if isinstance(text, ast.Constant) and (kind[0].isupper() or "." in kind) and kind != "ImportError":
                found.add(text.value)
    assert found - CONSTANT == set(), "a raise whose text names nothing"
    assert CONSTANT - found == set()


# About the whole worker.
CONSTANT_LINES = {"told to stop again: what handlers hold goes back now"}


def test_a_line_of_the_log_names_what_it_is_about() -> None:
    found: set[object] = set()
    for path in sources("api", "contrib"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not re.fullmatch(r"log(ger)?\.\w+", ast.unparse(node.func)):
                continue
            match node.args:
                case [ast.Constant(value=str(text))]:
                    found.add(text)
    assert found == CONSTANT_LINES, "a line that names nothing"


# Nobody is told what they raise.
UNTOLD = {"capabilities", "close", "fate", "forget", "is_traced", "native", "place", "report", "spans", "withdraw"}


def engine_calls(tree: ast.AST, *, is_told: bool = False) -> Iterator[tuple[str, bool]]:
    """What is asked of an engine or a subscription, and whether errors go through ``told``."""
    for node in ast.iter_child_nodes(tree):
        inside = is_told
        if isinstance(node, ast.With | ast.AsyncWith):
            inside = inside or any(ast.unparse(item.context_expr).startswith("Telling(") for item in node.items)
        if isinstance(node, ast.Try):
            inside = inside or "told(" in "".join(map(ast.unparse, node.handlers))
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr in ("_engine", "_subscription")
            and node.attr not in UNTOLD
        ):
            yield node.attr, inside
        yield from engine_calls(node, is_told=inside)


def test_whatever_an_engine_raises_is_told() -> None:
    asked = [
        (f"{path.relative_to(SOURCES)}: {name}", is_told)
        for path in sources("api/asynchronous", "api/connections")
        for name, is_told in engine_calls(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(asked) > 15
    assert [what for what, is_told in asked if not is_told] == []
