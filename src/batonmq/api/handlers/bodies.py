"""Converts a message's body to the type that a handler asks for, or says why it cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from batonmq.engines.messages import Message
from batonmq.engines.models import into_model
from batonmq.errors import InvalidMessage

__all__ = ["MSGPACK", "BodyType", "is_pydantic", "type_name"]

MSGPACK = frozenset({"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})
# Constraints in ``Annotated`` that pydantic checks and msgspec does not.
CONSTRAINTS = ("pydantic", "annotated_types")


class BodyType:
    """A type for bodies: ``read`` makes a value of it, or raises InvalidMessage."""

    __slots__ = ("annotation", "name", "read")

    def __init__(self, annotation: object) -> None:
        """Raises TypeError for a type that no body can be converted to."""
        self.annotation = annotation
        self.name = type_name(annotation)
        self.read: Callable[[Message], object] = _reader(annotation, self.name)


def type_name(annotation: object) -> str:
    """A type as it is written in code: ``Order``, ``list[Order]``."""
    if annotation is None or annotation is type(None):
        return "None"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return getattr(annotation, "__name__", str(annotation)).replace("typing.", "")
    if origin is Annotated:
        return type_name(parts[0])
    if origin in (Union, UnionType):
        return " | ".join(map(type_name, parts))
    return f"{type_name(origin)}[{', '.join('...' if part is ... else type_name(part) for part in parts)}]"


def is_pydantic(annotation: object) -> bool:
    """Does pydantic have to validate the type, or a part of it? This does not import pydantic."""
    return any(_is_model(part) for part in _parts(annotation))


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _is_model(part: object) -> bool:
    if isinstance(part, type):
        # Models, and dataclasses of pydantic's.
        return hasattr(part, "model_validate_json") or hasattr(part, "__pydantic_validator__")
    return type(part).__module__.partition(".")[0] in CONSTRAINTS


def _reader(annotation: object, name: str) -> Callable[[Message], object]:
    if annotation is bytes:
        return lambda message: message.body
    if annotation is str:
        return _text
    if is_pydantic(annotation):
        return _by_pydantic(annotation, name)
    return _by_msgspec(annotation, name)


def _text(message: Message) -> str:
    try:
        return message.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidMessage(f"the body is no text in UTF-8: {error.reason} at byte {error.start}") from None


def _by_msgspec(annotation: Any, name: str) -> Callable[[Message], object]:  # noqa: ANN401
    _check_known(annotation, name)
    from_json = msgspec.json.Decoder(annotation, dec_hook=into_model).decode
    from_msgpack = msgspec.msgpack.Decoder(annotation, dec_hook=into_model).decode

    def read(message: Message) -> object:
        packed = message.content_type in MSGPACK
        try:
            value: object = from_msgpack(message.body) if packed else from_json(message.body)
        except msgspec.ValidationError as error:
            raise _unfit(name, str(error)) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidMessage(f"the body is no {'MessagePack' if packed else 'JSON'}: {error}") from None
        return value

    return read


def _check_known(annotation: object, name: str) -> None:
    """Raises TypeError for a type that msgspec would take for a custom one, and fail on only when a message comes."""
    try:
        kinds = [msgspec.inspect.type_info(annotation)]
        seen: set[int] = set()
        while kinds:
            kind = kinds.pop()
            if id(kind) in seen:
                continue
            seen.add(id(kind))
            if isinstance(kind, msgspec.inspect.CustomType) and not hasattr(kind.cls, "model_validate"):
                if kind.cls is object:
                    continue
                raise TypeError(f"{kind.cls.__module__}.{kind.cls.__qualname__} is none of these")
            kinds += _kinds_within(kind)
    except (TypeError, NameError) as error:
        raise TypeError(
            f"no body becomes {name}: a body's type is bytes, str, a dataclass, a TypedDict, a msgspec.Struct, "
            f"a model of pydantic, or made of built-in types ({error})"
        ) from None


def _kinds_within(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    for field in kind.__struct_fields__:
        value = getattr(kind, field)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, msgspec.inspect.Type):
                yield one
            elif isinstance(one, msgspec.inspect.Field):
                yield one.type


def _by_pydantic(annotation: object, name: str) -> Callable[[Message], object]:
    """Validate with pydantic, which is imported by now: there is a model."""
    pydantic: Any = sys.modules["pydantic"]
    try:
        adapter = pydantic.TypeAdapter(annotation)
    except pydantic.errors.PydanticUserError as error:
        raise TypeError(f"no body becomes {name}: {error}") from None

    def read(message: Message) -> object:
        try:
            if message.content_type in MSGPACK:
                value: object = adapter.validate_python(msgspec.msgpack.decode(message.body))
            else:
                value = adapter.validate_json(message.body)
        except pydantic.ValidationError as error:
            raise _unfit(name, _what_is_wrong(error)) from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidMessage(f"the body is no MessagePack: {error}") from None
        return value

    return read


def _what_is_wrong(error: Any) -> str:  # noqa: ANN401  (pydantic's, which is not imported here)
    """Each fault with its path, worded as msgspec words it."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{fault['msg']} - at `{_path(fault['loc'])}`" for fault in faults)


def _path(location: tuple[int | str, ...]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)


def _unfit(name: str, what: str) -> InvalidMessage:
    return InvalidMessage(f"the body does not fit {name}: {what}")
