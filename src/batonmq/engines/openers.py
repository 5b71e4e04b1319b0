"""Finds the engine for a URL: one of this package, or of another installed package.

A distribution adds an engine with an entry point of the group ``batonmq.engines``. Its name is the scheme of the URLs,
its value an `Opener`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from batonmq.engines.interface import Engine
from batonmq.engines.urls import GROUP, Target
from batonmq.errors import UnsupportedFeature

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Opener", "check_context", "check_target", "open_target"]


class Opener(Protocol):
    """Opens the engine of a scheme; mostly its class."""

    def __call__(self, url: str, ssl_context: ssl.SSLContext | None, /) -> Engine:
        """Connect to the queues at a URL. ``ssl_context`` is used for TLS, if the program gave one.

        Raises ValueError for a URL that cannot be read, ConnectionLost and AccessRefused.
        """


# An engine's libraries are imported only when it is used.
def _file(path: str, _context: ssl.SSLContext | None, _patience: float | None) -> Engine:
    from batonmq.engines.shared.engine import open_file

    return open_file(path)


def _memory(name: str, _context: ssl.SSLContext | None, _patience: float | None) -> Engine:
    from batonmq.engines.shared.registry import open_memory

    return open_memory(name)


def _amqp(url: str, context: ssl.SSLContext | None, patience: float | None) -> Engine:
    from batonmq.engines.amqp.engine import AmqpEngine

    return AmqpEngine(url, context, patience)


def _amqp10(url: str, context: ssl.SSLContext | None, patience: float | None) -> Engine:
    from batonmq.engines.amqp10.engine import Amqp10Engine

    return Amqp10Engine(url, context, patience)


def _kafka(url: str, context: ssl.SSLContext | None, patience: float | None) -> Engine:
    from batonmq.engines.kafka.engine import KafkaEngine

    return KafkaEngine(url, context, patience)


OWN: Mapping[str, Callable[[str, ssl.SSLContext | None, float | None], Engine]] = MappingProxyType(
    {"file": _file, "memory": _memory, "amqp": _amqp, "amqp10": _amqp10, "kafka": _kafka}
)
WITHOUT_TLS = frozenset({"file", "memory"})


def check_context(target: Target, ssl_context: ssl.SSLContext | None) -> None:
    """Raises ValueError for an ``ssl_context`` that the engine cannot use."""
    if ssl_context is not None and target.engine in WITHOUT_TLS:
        raise ValueError("ssl_context is for brokers that are reached over TLS, such as amqps://")


def open_target(target: Target, ssl_context: ssl.SSLContext | None = None, *, patience: float | None = None) -> Engine:
    """Open the engine of a URL.

    Raises the engine's errors, and UnsupportedFeature if it cannot be loaded. ``patience``: how many seconds a broker
    has to accept the log-in, for the engines of this package; None: the default.
    """
    own = OWN.get(target.engine)
    if own is not None:
        return own(target.location, ssl_context, patience)
    return _installed(target.engine)(target.location, ssl_context)


def check_target(target: Target) -> None:
    """Read the URL of a broker without connecting. Raises ValueError, UnusableTls."""
    if target.engine == "amqp":
        from batonmq.engines.amqp.parameters import amqp_parameters

        amqp_parameters(target.location)
    elif target.engine == "amqp10":
        from batonmq.engines.amqp10.parameters import amqp10_parameters

        amqp10_parameters(target.location)
    elif target.engine == "kafka":
        from batonmq.engines.kafka.parameters import kafka_parameters

        kafka_parameters(target.location)


def _installed(scheme: str) -> Opener:
    """The opener of another installed package for a scheme."""
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP, name=scheme)
    if len({point.value for point in found}) > 1:
        rivals = " and ".join(sorted(map(_where, found)))
        raise UnsupportedFeature(f"more than one engine is installed for {scheme}: {rivals}")
    point = next(iter(found))
    try:
        opener = point.load()
    except Exception as error:
        raise UnsupportedFeature(f"the engine for {scheme}: cannot be loaded ({_where(point)}): {error}") from error

    def open_engine(url: str, ssl_context: ssl.SSLContext | None, /) -> Engine:
        engine = opener(url, ssl_context)
        if not isinstance(engine, Engine):
            kind = type(engine).__name__
            raise UnsupportedFeature(f"the engine for {scheme}: is no Engine ({_where(point)}) but a {kind}")
        return engine

    return open_engine


def _where(point: EntryPoint) -> str:
    return f"{point.value} of {point.dist.name}" if point.dist is not None else point.value
