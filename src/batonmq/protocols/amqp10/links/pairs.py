"""Pairs of links with one name, by which a client sends requests and gets answers (linkpair-v1.0)."""

from __future__ import annotations

from typing import Protocol


class Answering(Protocol):
    """The half of a pair over which the client receives."""

    def push(self, payload: bytes) -> bool:
        """Send a message as it is on the wire, or keep it until the client takes it; False: too many wait already."""


class LinkPairs:
    """The answering halves of one session's pairs, by name."""

    __slots__ = ("_answering",)

    def __init__(self) -> None:
        self._answering: dict[str, Answering] = {}

    def add(self, name: str, link: Answering) -> None:
        """The half over which the client receives is attached."""
        self._answering[name] = link

    def drop(self, name: str) -> None:
        """It has ended."""
        self._answering.pop(name, None)

    def find(self, name: str) -> Answering | None:
        """The half over which the answers to requests of that link go."""
        return self._answering.get(name)
