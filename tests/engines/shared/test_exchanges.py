"""Exchanges and bindings of a file, in the process that has it and in others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batonmq import NotFound, PreconditionFailed
from batonmq.engines.embedded.engine import EmbeddedEngine
from batonmq.engines.exchanges import (
    Bind,
    DeclareExchange,
    DeclareQueue,
    DeleteExchange,
    DeleteQueue,
    Exchanges,
    LookUpExchange,
    LookUpQueue,
    Standing,
    Unbind,
    packed,
)
from batonmq.engines.interface import Engine
from batonmq.engines.messages import Message
from batonmq.engines.shared.engine import SharedEngine
from batonmq.engines.shared.opening import Reached, dial
from batonmq.engines.shared.registry import own_file


@pytest.fixture(params=["owner", "guest"])
def engine(request: pytest.FixtureRequest, path: str, owner: EmbeddedEngine) -> Iterator[Engine]:
    if request.param == "owner":
        yield owner
        return
    link = dial(f"{path}-socket")
    assert link is not None
    engine = SharedEngine(path, Reached(link, None))
    yield engine
    engine.close()


@pytest.fixture
def exchanges(engine: Engine) -> Exchanges:
    return engine.exchanges


def arrange(exchanges: Exchanges, *changes: object) -> Standing:
    standing = Standing()
    for change in changes:
        standing = exchanges.change(change, flushed=False).get()  # type: ignore[arg-type]
    return standing


def test_a_message_goes_to_every_queue_that_is_bound_by_its_key(engine: Engine, exchanges: Exchanges) -> None:
    arrange(
        exchanges,
        DeclareExchange("news", "topic"),
        DeclareQueue("all"),
        DeclareQueue("sport"),
        Bind("news", "all", "#"),
        Bind("news", "sport", "sport.*"),
    )
    publish = exchanges.publish
    assert publish("news", "sport.chess", Message(b"1"), flushed=True).get() == 2
    assert publish("news", "weather", Message(b"2"), flushed=False).get() == 1
    arrange(exchanges, Unbind("news", "sport", "sport.*"))
    assert publish("news", "sport.chess", Message(b"3"), flushed=False).get() == 1
    assert arrange(exchanges, LookUpQueue("all")).messages == 3
    received = engine.subscribe("sport", 10).get().receive(10).get()
    assert [(one.message.body, one.origin) for one in received] == [(b"1", ("news", "sport.chess"))]


def test_an_exchange_leads_to_another_and_headers_count(exchanges: Exchanges) -> None:
    arrange(
        exchanges,
        DeclareExchange("in", "fanout"),
        DeclareExchange("by-header", "headers"),
        DeclareQueue("q"),
        Bind("in", "by-header", "", to_exchange=True),
        Bind("by-header", "q", "", packed({"x-match": "all", "kind": "a"})),
    )
    assert exchanges.publish("in", "", Message(b"", headers={"kind": "a"}), flushed=False).get() == 1
    assert exchanges.publish("in", "", Message(b"", headers={"kind": "b"}), flushed=False).get() == 0


def test_what_is_not_there_or_different_is_refused(exchanges: Exchanges) -> None:
    with pytest.raises(NotFound, match="no exchange 'none'"):
        exchanges.publish("none", "k", Message(b""), flushed=False).get()
    for change in (LookUpExchange("none"), LookUpQueue("none"), Bind("none", "none", "k")):
        with pytest.raises(NotFound):
            arrange(exchanges, change)
    arrange(exchanges, DeclareExchange("e", "direct"), DeclareQueue("q"))
    with pytest.raises(PreconditionFailed, match="inequivalent arg 'type'"):
        arrange(exchanges, DeclareExchange("e", "fanout"))
    with pytest.raises(PreconditionFailed, match="x-max-length"):
        arrange(exchanges, DeclareQueue("q", packed({"x-max-length": 1})))
    exchanges.publish("", "q", Message(b""), flushed=False).get()
    with pytest.raises(PreconditionFailed, match="not empty"):
        arrange(exchanges, DeleteQueue("q", if_empty=True))
    assert arrange(exchanges, DeleteQueue("q")) == Standing(1, 0)
    arrange(exchanges, DeleteExchange("e"), DeleteExchange("e"))


def test_everything_outlives_every_process(path: str, owner: EmbeddedEngine) -> None:
    exchanges = owner.exchanges
    arrange(exchanges, DeclareExchange("e", "direct"), DeclareQueue("q"), Bind("e", "q", "k"))
    exchanges.publish("e", "k", Message(b"kept"), flushed=False).get()
    owner.close()
    again = own_file(path)
    try:
        assert again.exchanges.publish("e", "k", Message(b"new"), flushed=False).get() == 1
        received = again.subscribe("q", 10).get().receive(10).get()
        assert [(one.message.body, one.origin) for one in received] == [(b"kept", ("e", "k")), (b"new", ("e", "k"))]
    finally:
        again.close()
