"""A family of metrics, and where its samples come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from batonmq.broker import Broker
from batonmq.broker.vhosts.vhost import VirtualHost
from batonmq.management.http.context import Context
from batonmq.management.metrics.departed import Departed
from batonmq.management.metrics.sums import Sums

__all__ = ["Family", "Figure", "Kind", "Scope", "Source", "single"]

Kind = Literal["counter", "gauge", "unknown"]
Figure = int | float | None
"""The value of a sample; None: there is none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name."""

    name: str
    """The name in /metrics; that of a counter ends with _total."""
    kind: Kind
    about: str
    """The help text."""
    groups: tuple[str, ...] = ()
    """The families of /metrics/detailed that it belongs to, in RabbitMQ's sense; none: it is not included."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a scrape."""

    context: Context
    departed: Departed
    sums: Sums
    vhosts: frozenset[str] | None = None
    """Only objects of these virtual hosts; None: all."""

    @property
    def broker(self) -> Broker:
        """The broker."""
        return self.context.parts.broker

    def find_vhosts(self) -> list[VirtualHost]:
        """The virtual hosts in scope."""
        every = self.broker.vhosts.values()
        return [vhost for vhost in every if self.vhosts is None or vhost.name in self.vhosts]


@dataclass(frozen=True, kw_only=True)
class Source(Generic[T]):
    """Families whose samples are read together, one per family and object."""

    families: tuple[Family, ...]
    labels: tuple[str, ...]
    """The names of the labels; without any there is one object."""
    objects: Callable[[Scope], Awaitable[Sequence[Any]]]
    """The objects, found in slices."""
    split: Callable[[Any], Sequence[T]] = field(default=lambda one: (one,))
    """Maps each of these to one object, several, or none."""
    name: Callable[[T], Sequence[str]]
    """The values of the labels."""
    read: Callable[[T], Sequence[Figure]]
    """A value for each family. Called also for an object that was deleted meanwhile."""
    gone: Callable[[Scope], Awaitable[Sequence[Figure]]] | None = None
    """The counts of deleted objects, for the sums; None: not included."""
    total: Callable[[Scope], Awaitable[Sequence[Figure]]] | None = None
    """The sums, if they are not found by adding up objects."""

    def columns(self, groups: frozenset[str] | None) -> list[tuple[int, Family]]:
        """The families of these groups, each with the place of its value; None: all families."""
        chosen = enumerate(self.families)
        return [(at, family) for at, family in chosen if groups is None or not groups.isdisjoint(family.groups)]


def single(
    families: tuple[Family, ...], read: Callable[[Scope], Awaitable[Sequence[Figure]]]
) -> Source[Sequence[Figure]]:
    """A source with one sample of each family, without labels."""

    async def objects(scope: Scope) -> Sequence[Sequence[Figure]]:
        return [await read(scope)]

    return Source[Sequence[Figure]](
        families=families, labels=(), objects=objects, name=lambda _: (), read=lambda values: values
    )
