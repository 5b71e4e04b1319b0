"""The contents of scrapes, and how one is created: in slices, yielding to the loop in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from batonmq.management.metrics.channels import CHANNELS
from batonmq.management.metrics.connections import CONNECTIONS
from batonmq.management.metrics.families import Figure, Scope, Source
from batonmq.management.metrics.node import (
    BUILD,
    IDENTITY,
    NODE,
    OWN_BUILD,
    TOTALS,
    build_labels,
    identity_labels,
    own_build_labels,
)
from batonmq.management.metrics.own import BREAKDOWN, OWN, histograms
from batonmq.management.metrics.page import Page
from batonmq.management.metrics.protocols import LOG_INS, PROTOCOLS
from batonmq.management.metrics.queues import BINDINGS, EXCHANGES, QUEUES, ROUTED, VHOSTS
from batonmq.management.metrics.shovels import SHOVELS
from batonmq.management.slices import Slices, sliced

__all__ = ["GROUPS", "aggregated", "detailed", "memory_breakdown", "per_object", "pieces"]

# The sources with many objects. Sources of a single object, and of protocols, are the same everywhere.
OBJECTS: Final[tuple[Source[Any], ...]] = (QUEUES, *CHANNELS, CONNECTIONS, EXCHANGES, ROUTED)
ALWAYS: Final[tuple[Source[Any], ...]] = (NODE, TOTALS, OWN, LOG_INS, *PROTOCOLS, *SHOVELS)
ONLY_DETAILED: Final[tuple[Source[Any], ...]] = (BINDINGS, VHOSTS)

GROUPS: Final = frozenset(
    group for source in (*OBJECTS, *ALWAYS, *ONLY_DETAILED) for family in source.families for group in family.groups
)
"""The families of /metrics/detailed, in RabbitMQ's sense of the word."""

# This many lines are written at once, which takes 0.1 ms.
LINES: Final = 400
# The minimum size of a sent piece in characters, except the last.
PIECE: Final = 32 * 1024

List = Callable[[Scope, Page], AsyncIterator[str]]


async def aggregated(scope: Scope, page: Page) -> AsyncIterator[str]:
    """/metrics: sums over all objects."""
    for text in _node(scope, page, "aggregated"):
        yield text
    for source in OBJECTS:
        async for text in _sums(source, scope, page):
            yield text
    async for text in _everywhere(scope, page):
        yield text


async def per_object(scope: Scope, page: Page) -> AsyncIterator[str]:
    """/metrics/per-object: each object separately."""
    for text in _node(scope, page, "per-object"):
        yield text
    for source in OBJECTS:
        async for text in _each(source, scope, page, None):
            yield text
    async for text in _everywhere(scope, page):
        yield text


def detailed(groups: frozenset[str]) -> List:
    """/metrics/detailed: each object separately, but only the requested families."""

    async def made(scope: Scope, page: Page) -> AsyncIterator[str]:
        for text in _node(scope, page, "detailed"):
            yield text
        for source in (*OBJECTS, *ALWAYS, *ONLY_DETAILED):
            async for text in _each(source, scope, page, groups):
                yield text

    return made


async def memory_breakdown(scope: Scope, page: Page) -> AsyncIterator[str]:
    """/metrics/memory-breakdown: the use of memory, as far as known."""
    for text in _node(scope, page, "memory-breakdown"):
        yield text
    async for text in _each(BREAKDOWN, scope, page, None):
        yield text


async def pieces(made: List, scope: Scope, page: Page) -> AsyncIterator[bytes]:
    """The text of a scrape, in pieces."""
    collected: list[str] = []
    size = 0
    async for text in made(scope, page):
        collected.append(text)
        size += len(text)
        if size >= PIECE:
            yield "".join(collected).encode()
            collected.clear()
            size = 0
    yield ("".join(collected) + page.end).encode()


def _node(scope: Scope, page: Page, endpoint: str) -> list[str]:
    return [
        page.sample(BUILD, 1, build_labels()),
        page.sample(IDENTITY, 1, identity_labels(scope, endpoint)),
        page.sample(OWN_BUILD, 1, own_build_labels()),
    ]


async def _everywhere(scope: Scope, page: Page) -> AsyncIterator[str]:
    slices = Slices()
    for source in ALWAYS:
        async for text in _each(source, scope, page, None):
            yield text
    for text in histograms(scope, page):
        if slices.is_over:
            await slices.rest()
        yield text


async def _sums(source: Source[Any], scope: Scope, page: Page) -> AsyncIterator[str]:
    name = source.families[0].name
    sums = scope.sums.find(name)
    if sums is None:
        sums, count = await _added(source, scope)
        scope.sums.keep(name, sums, count)
    slices = Slices()
    for family, value in zip(source.families, sums, strict=True):
        if slices.is_over:
            await slices.rest()
        yield page.sample(family, value)


async def _added(source: Source[Any], scope: Scope) -> tuple[Sequence[int | float], int]:
    """The sums, and over how many objects."""
    if source.total is not None:
        return [value or 0 for value in await source.total(scope)], len(scope.broker.clients)
    # At once: objects deleted after this are in the list.
    gone = await source.gone(scope) if source.gone is not None else ()
    sums = [value or 0 for value in gone] or [0] * len(source.families)
    objects = await source.objects(scope)
    async for found in sliced(objects):
        for one in source.split(found):
            sums = [total + (value or 0) for total, value in zip(sums, source.read(one), strict=True)]
    return sums, len(objects)


async def _each(source: Source[Any], scope: Scope, page: Page, groups: frozenset[str] | None) -> AsyncIterator[str]:
    columns = source.columns(groups)
    if not columns:
        return
    # Read once for all families, so that they belong to nearly the same moment.
    rows: list[tuple[str, Sequence[Figure]]] = []
    async for found in sliced(await source.objects(scope)):
        rows += [(page.labels(source.labels, source.name(one)), source.read(one)) for one in source.split(found)]
    slices = Slices()
    for at, family in columns:
        yield page.header(family)
        for first in range(0, len(rows), LINES):
            if slices.is_over:
                await slices.rest()
            yield page.lines(family, [(labels, values[at]) for labels, values in rows[first : first + LINES]])
