"""Pydantic models in bodies, recognized by their methods, so that pydantic is needed only by its users."""

from __future__ import annotations

__all__ = ["from_model", "into_model"]


def from_model(value: object) -> object:
    """Convert a value that msgspec cannot encode to one that it can. Raises TypeError."""
    dump = getattr(value, "model_dump", None)
    if dump is None or isinstance(value, type):
        raise TypeError(f"a body cannot hold a value of type {type(value).__name__}")
    plain: object = dump(mode="json")
    return plain


def into_model(kind: type, plain: object) -> object:
    """Convert to a type that msgspec does not know. Raises TypeError, and the type's own errors."""
    if kind is object:
        return plain
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        name = getattr(kind, "__name__", kind)
        raise TypeError(f"a body is made into a dataclass, a Struct, a model of pydantic or a plain type, not {name}")
    made: object = validate(plain)
    return made
