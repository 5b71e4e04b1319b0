"""The metadata of a virtual host, as in RabbitMQ: set by an operator, stored and shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from batonmq.broker.model.settings import CLASSIC, QUORUM
from batonmq.errors import PreconditionFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

# The most characters of a description, tags of a virtual host, and characters of a tag.
DESCRIPTION_MAX: Final = 4096
TAGS_MAX: Final = 64
TAG_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata of one virtual host."""

    description: str = ""
    tags: tuple[str, ...] = ()
    default_queue_type: str = CLASSIC
    """The type of durable queues that are declared without ``x-queue-type``: CLASSIC or QUORUM."""
    tracing: bool = False
    """Whether messages are to be traced: kept and shown, with no effect."""
    protected: bool = False
    """Whether it is protected from deletion."""

    def changed(
        self,
        *,
        description: str | None = None,
        tags: tuple[str, ...] | None = None,
        default_queue_type: str | None = None,
        tracing: bool | None = None,
        protected: bool | None = None,
    ) -> Metadata:
        """A copy with changes; None: unchanged. Raises PreconditionFailed for invalid values."""
        asked = {
            "description": description,
            "tags": tags,
            "default_queue_type": default_queue_type,
            "tracing": tracing,
            "protected": protected,
        }
        made = replace(self, **{name: value for name, value in asked.items() if value is not None})  # type: ignore[arg-type]
        if len(made.description) > DESCRIPTION_MAX:
            raise PreconditionFailed(f"a description has at most {DESCRIPTION_MAX} characters")
        if len(made.tags) > TAGS_MAX or any(len(tag) > TAG_MAX for tag in made.tags):
            raise PreconditionFailed(f"there are at most {TAGS_MAX} tags, of {TAG_MAX} characters each")
        if made.default_queue_type not in (CLASSIC, QUORUM):
            raise PreconditionFailed(f"{made.default_queue_type} is not a valid queue type")
        return made

    def stored(self) -> dict[str, object]:
        """The form in which the store keeps it."""
        return {
            "description": self.description,
            "tags": list(self.tags),
            "default_queue_type": self.default_queue_type,
            "tracing": self.tracing,
            "protected": self.protected,
        }


def restored(value: Mapping[str, object]) -> Metadata:
    """Read the store's form. Raises TypeError, KeyError."""
    tags = value["tags"]
    if not isinstance(tags, list):
        raise TypeError("its tags are no list")
    return Metadata(
        str(value["description"]),
        tuple(str(tag) for tag in tags),
        str(value["default_queue_type"]),
        bool(value["tracing"]),
        bool(value["protected"]),
    )
