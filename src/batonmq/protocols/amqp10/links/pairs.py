"""Pairs of links with one name, for a client's requests and their answers (linkpair-v1.0)."""

from __future__ import annotations

from typing import Protocol


class Answering(Protocol):
    """The half of a pair over which the client receives."""

    def push(self, payload: bytes) -> bool:
        """Send an encoded message, or keep it until the client takes it; False: too many wait already."""


class LinkPairs:
    """The answering halves of one session's pairs, by name."""

    __slots__ = ("_answering",)

    def __init__(self) -> None:
        self._answering: dict[str, Answering] = {}

    def add(self, name: str, link: Answering) -> None:
        """Add a half over which the client receives."""
        self._answering[name] = link

    def drop(self, name: str) -> None:
        """Remove a half that has ended."""
        self._answering.pop(name, None)

    def find(self, name: str) -> Answering | None:
        """The half for the answers to requests of that link."""
        return self._answering.get(name)
