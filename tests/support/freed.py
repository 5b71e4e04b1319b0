"""What is left of something that has ended, without the collector of circles, which seldom looks at old objects.

Objects are told apart by themselves, not counted: one that goes would otherwise hide one that stays.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Remains", "without_collector"]


class Remains:
    """Called, it tells what is there that was not when it was made, by the names of types."""

    def __init__(self, made_of: tuple[str, ...], shared: tuple[str, ...]) -> None:
        """``made_of``: how the names of the modules begin whose objects count; ``shared``: how the names of types end
        that do not.
        """
        self._made_of = made_of
        self._shared = shared
        gc.collect()
        # Kept, so that nothing new can be taken for it.
        self._before = self._there()
        self._known = set(map(id, self._before))

    def _there(self) -> list[object]:
        objects = gc.get_objects()
        kinds = {
            kind
            for kind in set(map(type, objects))
            # Some types of the interpreter's have a descriptor there.
            if str(kind.__module__).startswith(self._made_of)
            and kind is not type
            and not kind.__name__.endswith(self._shared)
        }
        return [each for each in objects if type(each) in kinds]

    def __call__(self) -> Counter[str]:
        return Counter(type(each).__name__ for each in self._there() if id(each) not in self._known)


@contextmanager
def without_collector() -> Iterator[None]:
    """What is a circle stays until the end of this."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
