"""The parameters of a handler, and what each asks for: the delivery, the message, the body as a value."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any, Literal, get_type_hints

from batonmq.api import asynchronous, synchronous
from batonmq.api.handlers.bodies import BodyType
from batonmq.engines.messages import Message

__all__ = ["NOTHING", "Asked", "Signature", "read_signature"]

Asked = Literal["delivery", "message", "body"]

NOTHING: Any = inspect.Parameter.empty
NAMED_ONLY = inspect.Parameter.KEYWORD_ONLY
TAKES_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments that a handler is called with, and its declared result."""

    positional: tuple[Asked, ...]
    """The positional arguments."""
    named: tuple[tuple[str, Asked], ...]
    """The keyword arguments."""
    body: BodyType | None
    """The type of the body; None: the handler does not ask for it."""
    returns: Any
    """The annotation of its result; NOTHING: there is none."""


def read_signature(handler: Callable[..., object], *, is_async: bool, names: Mapping[str, object]) -> Signature:
    """Read a handler's parameters.

    ``names``: names that annotations may use beside the globals of its module. Raises TypeError for a parameter that
    does not say what it takes.
    """
    try:
        signature = _signature(handler)
    except (ValueError, TypeError):
        # Written in C, without a signature.
        return Signature(("delivery",), (), None, NOTHING)
    reading = _Reading(handler, is_async, names)
    wanted = [one for one in signature.parameters.values() if one.kind not in TAKES_ANY]
    positional: list[Asked] = []
    named: list[tuple[str, Asked]] = []
    skipped = False
    for parameter in wanted:
        asked = reading.asked(parameter, is_first=parameter is wanted[0])
        if asked is None:
            skipped = True
        elif parameter.kind is NAMED_ONLY or (skipped and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY):
            named.append((parameter.name, asked))
        else:
            positional.append(asked)
    if not wanted and any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in signature.parameters.values()):
        positional.append("delivery")
    returns = signature.return_annotation
    if returns is not NOTHING:
        returns = reading.resolved("return", returns)
        # A reply is encoded by its own type. An annotation that cannot be read only says that there may be a reply.
        returns = object if returns is NOTHING else returns
    return Signature(tuple(positional), tuple(named), reading.body, returns)


def _signature(handler: Callable[..., object]) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        import annotationlib

        # Names that are imported for type checkers only stay names.
        return inspect.signature(handler, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(handler)


class _Reading:
    """One handler's parameters, read one after another."""

    def __init__(self, handler: Callable[..., object], is_async: bool, names: Mapping[str, object]) -> None:
        self._name = getattr(handler, "__qualname__", type(handler).__qualname__)
        self._is_async = is_async
        function = _function(handler)
        self._globals: dict[str, Any] = {} if function is None else function.__globals__
        self._names = {**names, **_enclosed(function)}
        self._seen: dict[Asked, str] = {}
        self.body: BodyType | None = None

    def asked(self, parameter: inspect.Parameter, *, is_first: bool) -> Asked | None:
        """The argument for a parameter; None: its default. Raises TypeError."""
        found = self._kind(parameter, is_first=is_first)
        if found is not None:
            if found in self._seen:
                both = f"{self._seen[found]!r} and {parameter.name!r}"
                raise TypeError(f"handler {self._name}: {both} both ask for the {found}")
            self._seen[found] = parameter.name
        return found

    def _kind(self, parameter: inspect.Parameter, *, is_first: bool) -> Asked | None:
        annotation = parameter.annotation
        has_default = parameter.default is not NOTHING
        if annotation is NOTHING:
            if has_default and not is_first:
                return None
            if is_first:
                return "delivery"
            raise TypeError(
                f"handler {self._name}: parameter {parameter.name!r} needs an annotation: batonmq.Delivery, "
                "batonmq.Message, or the type of the body"
            )
        resolved = self.resolved(parameter.name, annotation)
        if resolved is NOTHING:
            return self._by_text(parameter, str(getattr(annotation, "__forward_arg__", annotation)))
        if isinstance(resolved, type):
            if issubclass(resolved, Message):
                return "message"
            if issubclass(resolved, synchronous.Delivery | asynchronous.Delivery):
                self._check_face(parameter.name, resolved)
                return "delivery"
        if has_default:
            return None
        try:
            self.body = BodyType(resolved)
        except TypeError as error:
            raise TypeError(f"handler {self._name}: parameter {parameter.name!r}: {error}") from None
        return "body"

    def _check_face(self, name: str, kind: type) -> None:
        if issubclass(kind, asynchronous.Delivery) != self._is_async:
            gets = "batonmq.aio.Delivery" if self._is_async else "batonmq.Delivery"
            which = "an async def handler" if self._is_async else "a plain handler"
            raise TypeError(f"handler {self._name}: parameter {name!r}: {which} gets a {gets}")

    def _by_text(self, parameter: inspect.Parameter, text: str) -> Asked:
        """A type that is imported for type checkers only is known by its name."""
        last = text.strip("'\" ").rpartition(".")[2]
        if last == "Delivery":
            return "delivery"
        if last == "Message":
            return "message"
        raise TypeError(
            f"handler {self._name}: parameter {parameter.name!r}: there is no {text!r} when the program runs: define "
            "it before the handler, and import it outside of TYPE_CHECKING"
        )

    def resolved(self, name: str, annotation: object) -> Any:  # noqa: ANN401
        """The type that an annotation, which may be a string, refers to; NOTHING: no such type can be found."""
        holder = SimpleNamespace(__annotations__={name: annotation})
        try:
            return get_type_hints(holder, self._globals, self._names, include_extras=True)[name]
        except (NameError, AttributeError):
            return NOTHING
        except (SyntaxError, TypeError) as error:
            raise TypeError(f"handler {self._name}: {name!r}: the annotation cannot be read: {error}") from None


def _function(handler: Callable[..., object]) -> FunctionType | None:
    """The underlying function; None: it is not written in Python."""
    found: object = inspect.unwrap(handler)
    while isinstance(found, functools.partial):
        found = inspect.unwrap(found.func)
    if not isinstance(found, FunctionType | MethodType):
        # A callable object.
        found = type(found).__call__
    if isinstance(found, MethodType):
        found = found.__func__
    return found if isinstance(found, FunctionType) else None


def _enclosed(function: FunctionType | None) -> dict[str, object]:
    """The names that it uses from enclosing functions."""
    found: dict[str, object] = {}
    if function is not None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            # A name that is assigned further down has no value yet.
            with contextlib.suppress(ValueError):
                found[name] = cell.cell_contents
    return found
