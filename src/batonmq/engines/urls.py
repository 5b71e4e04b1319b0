"""Parses URLs: which engine, and where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, unquote_to_bytes, urlsplit

__all__ = ["ENGINES", "GROUP", "Target", "check_octets", "parse_url"]


# The entry points of engines from other distributions; each has the name of a scheme.
GROUP = "batonmq.engines"
# The engine of each scheme of our own that names a host.
ENGINES: Mapping[str, str] = MappingProxyType(
    {
        "amqp": "amqp",
        "amqps": "amqp",
        "amqp10": "amqp10",
        "amqp10s": "amqp10",
        "artemis": "amqp10",
        "artemiss": "amqp10",
        "activemq": "amqp10",
        "activemqs": "amqp10",
        "kafka": "kafka",
        "kafka+ssl": "kafka",
    }
)


@dataclass(frozen=True, slots=True)
class Target:
    """An engine and the location of its queues: a path, a name in memory, or a URL."""

    engine: str
    """'file', 'memory', 'amqp', 'amqp10', 'kafka'; or the scheme of an engine from another distribution."""
    location: str

    @property
    def place(self) -> str:
        """For people: a file, a name in memory, or the URL without log-in and options."""
        if self.engine == "file":
            return self.location
        if self.engine == "memory":
            return f"memory:{self.location}"
        parts = urlsplit(self.location)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def parse_url(url: str | os.PathLike[str]) -> Target:
    """Parse the URL or path given to ``connect``. Raises ValueError if it names no engine."""
    if not isinstance(url, str):
        return _file(str(Path(url)))
    scheme, colon, rest = url.partition(":")
    if url == ":memory:":
        return Target("memory", "")
    # A single letter before a colon is a drive of Windows.
    if not colon or len(scheme) == 1 or "/" in scheme or "\\" in scheme:
        return _file(url)
    scheme = scheme.lower()
    if scheme == "memory":
        return Target("memory", rest)
    if scheme == "file":
        check_octets(url)
        return _file(_path_of(url, rest))
    if scheme in ENGINES:
        check_octets(url)
        if not urlsplit(url).hostname:
            raise ValueError(f"{url!r} names no host")
        return Target(ENGINES[scheme], url)
    # Imported only here: it takes a tenth of the time of opening a file, and is hardly ever needed.
    from importlib.metadata import entry_points

    installed = entry_points(group=GROUP).names
    if scheme in installed:
        return Target(scheme, url)
    known = ", ".join(f"{name}:" for name in ("file", "memory", *ENGINES, *sorted(installed)))
    raise ValueError(f"no engine for {scheme!r}: expected a path, or one of {known}")


def check_octets(url: str) -> None:
    """Raises ValueError if it is not UTF-8, or its percent-encoded octets are not.

    Otherwise it would name something else, with U+FFFD in place of invalid octets.
    """
    try:
        unquote_to_bytes(url).decode()
    except UnicodeError:
        raise ValueError("the URL is not UTF-8, or what stands behind its percent signs is not") from None


def _path_of(url: str, rest: str) -> str:
    if not rest.startswith("//"):
        return unquote(rest)
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{url!r} names the host {parts.netloc!r}: a file is written file:///path")
    return unquote(parts.path)


def _file(path: str) -> Target:
    if not path:
        raise ValueError("an empty path names no file")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the path is not UTF-8, as SQLite needs it: {path!r}") from None
    return Target("file", str(Path(path).absolute()))
