"""What can be called has the same name, parameters, defaults, types and description in both faces."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator

import pytest
from scripts.unasync import translate

import batonmq
from batonmq import aio

PAIRS = [(getattr(batonmq, name), getattr(aio, name)) for name in ("Connection", "Receiver", "Delivery", "Transaction")]
# Of blocks and loops: the protocols of Python say what they are.
PROTOCOLS = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__", "__anext__": "__next__"}
# These return something that is entered, or iterated over, or do no more than note something down.
NOT_AWAITED = {"receiver", "transaction", "outbox", "Transaction.send", "Transaction.accept"}
ENTERED = {"__aenter__", "__aexit__", "__anext__"}


def public(kind: type) -> dict[str, object]:
    """Methods and properties, by their name in the synchronous face."""
    names = [name for name in dir(kind) if not name.startswith("_") or name in {*PROTOCOLS, *PROTOCOLS.values()}]
    return {PROTOCOLS.get(name, name): inspect.getattr_static(kind, name) for name in names}


def pairs() -> Iterator[tuple[str, object, object]]:
    for synchronous, asynchronous in PAIRS:
        others = public(asynchronous)
        for name, one in public(synchronous).items():
            yield f"{synchronous.__name__}.{name}", one, others.get(name)


def of(member: object) -> Callable[..., object] | None:
    """The function that it is, or that a property calls; None: an attribute."""
    found = member.fget if isinstance(member, property) else member
    return found if inspect.isfunction(found) else None


def as_synchronous(text: str) -> str:
    """Annotations and docstrings, in the words of the synchronous face."""
    return re.sub(r"\basyncio\.Event\b", "threading.Event", translate(text))


def test_both_have_the_same_classes_and_members() -> None:
    assert set(aio.__all__) <= set(batonmq.__all__)
    for synchronous, asynchronous in PAIRS:
        assert public(synchronous).keys() == public(asynchronous).keys(), synchronous.__name__


@pytest.mark.parametrize(("name", "one", "other"), [pytest.param(*pair, id=pair[0]) for pair in pairs()])
def test_each_member_is_called_and_described_alike(name: str, one: object, other: object) -> None:
    assert type(one) is type(other), name
    synchronous, asynchronous = of(one), of(other)
    if synchronous is None or asynchronous is None:
        return
    there = {
        parameter.name: (parameter.kind, parameter.default, as_synchronous(str(parameter.annotation)))
        for parameter in inspect.signature(asynchronous).parameters.values()
    }
    here = {
        parameter.name: (parameter.kind, parameter.default, str(parameter.annotation))
        for parameter in inspect.signature(synchronous).parameters.values()
    }
    assert here == there
    returned = [str(inspect.signature(function).return_annotation) for function in (synchronous, asynchronous)]
    assert returned[0] == as_synchronous(returned[1])
    described = inspect.getdoc(asynchronous)
    assert inspect.getdoc(synchronous) == (None if described is None else as_synchronous(described))


@pytest.mark.parametrize(("name", "one", "other"), [pytest.param(*pair, id=pair[0]) for pair in pairs()])
def test_what_waits_is_awaited(name: str, one: object, other: object) -> None:
    function = of(other)
    if function is None or isinstance(other, property) or {name, name.partition(".")[2]} & NOT_AWAITED:
        return
    is_awaited = inspect.iscoroutinefunction(function)
    assert is_awaited == (not function.__name__.startswith("__") or function.__name__ in ENTERED)


def test_a_connection_is_opened_alike() -> None:
    synchronous, asynchronous = inspect.signature(batonmq.connect), inspect.signature(aio.connect)
    assert synchronous.parameters == asynchronous.parameters
    for name in ("ValueError", "batonmq.connect"):
        assert name in (aio.connect.__doc__ or "")


def test_the_two_can_be_told_apart() -> None:
    """Else all of this would compare one class with itself."""
    for synchronous, asynchronous in PAIRS:
        assert synchronous is not asynchronous
    assert inspect.iscoroutinefunction(aio.Connection.send)
    assert not inspect.iscoroutinefunction(batonmq.Connection.send)
