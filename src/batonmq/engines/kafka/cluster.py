"""Requests to the cluster over sockets of our own, about topics and share groups.

Every call waits, for no longer than the patience for each broker. Any thread may call; they take turns.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final, TypeVar

from batonmq.engines.kafka.conversation import Conversation
from batonmq.engines.kafka.failures import UNKNOWN_TOPIC, text_of_code, told_by_code
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.kafka.protocol import (
    HEARTBEAT,
    OFFSETS,
    Features,
    Lag,
    ask_coordinator,
    ask_delete_group,
    ask_heartbeat,
    ask_offsets,
    ask_topic,
    ask_topics,
    read_coordinator,
    read_deleted_group,
    read_heartbeat,
    read_offsets,
    read_topic,
    read_topics,
)
from batonmq.errors import BatonError, Closed, ConnectionLost, NotFound, UnsupportedFeature

__all__ = ["Cluster"]

T = TypeVar("T")

# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: ask again, later.
NOT_YET: Final = frozenset({14, 15, 16})
GROUP_ID_NOT_FOUND: Final = 69
PAUSE: Final = 0.05
# The epoch with which a member leaves.
LEAVE: Final = -1
# How long a group may take to give its first member partitions. Kafka 4.4 takes up to 1 s
# (share.assignment.interval.ms).
WARM: Final = 5.0
WITH_DEAD_LETTERS: Final = 2


class _NotYet(Exception):
    """The coordinator of a group is still loading it, or has moved."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text or text_of_code(code))
        self.code = code


class Cluster:
    """The brokers that a URL names, and others that they report."""

    def __init__(self, parameters: KafkaParameters, patience: float) -> None:
        """Connect. Raises ConnectionLost, AccessRefused, and UnsupportedFeature if there are no share groups."""
        self._parameters = parameters
        self._patience = patience
        self._lock = threading.Lock()
        self._first: Conversation | None = None
        self._coordinators: dict[tuple[str, int], Conversation] = {}
        self._is_closed = False
        self.has_dead_letters = False
        """Do share groups have dead letters? From level 2 of ``share.version`` on."""
        with self._lock:
            self._require_share_groups(self._open().features)

    def close(self) -> None:
        """Close the connections, even while an answer is awaited."""
        self._is_closed = True
        for one in self._conversations():
            one.interrupt()
        with self._lock:
            self._drop()

    def forked(self) -> None:
        """In a forked child: drop the sockets, which the parent goes on using."""
        self._lock = threading.Lock()
        self._drop()

    # ------------------------------------------------------------------ topics

    def partitions(self, topic: str) -> list[int]:
        """The numbers of its partitions. Raises NotFound, AccessRefused, ConnectionLost."""

        def ask() -> list[int]:
            found = read_topic(self._open().ask(ask_topic(topic)))
            if found.error == UNKNOWN_TOPIC:
                raise NotFound(f"there is no topic '{topic}'")
            if found.error and not found.partitions:
                raise told_by_code(found.error, f"topic '{topic}': {text_of_code(found.error)}")
            return found.partitions

        return self._again(ask)

    def topics(self) -> list[str]:
        """The names of visible topics, except the brokers' own. Raises ConnectionLost."""

        def ask() -> list[str]:
            found = read_topics(self._open().ask(ask_topics()))
            return sorted(topic.name for topic in found if not topic.is_internal and not topic.error)

        return self._again(ask)

    def has(self, topic: str) -> bool:
        """Is there a topic of this name?"""
        try:
            self.partitions(topic)
        except NotFound:
            return False
        return True

    # ------------------------------------------------------------------ share groups

    def lags(self, group: str, topic: str, partitions: list[int]) -> list[Lag]:
        """The progress of a group; empty if there is no such group yet."""

        def ask(coordinator: Conversation) -> tuple[int, str, list[Lag]]:
            return read_offsets(coordinator.ask(ask_offsets(group, topic, partitions)))

        error, text, lags = self._of_group(group, ask)
        if error == GROUP_ID_NOT_FOUND:
            return []
        for code, said in ((error, text), *((lag.error, lag.text) for lag in lags)):
            if code and code != UNKNOWN_TOPIC:
                raise told_by_code(code, f"share group '{group}': {said or text_of_code(code)}")
        return lags

    def warm_up(self, group: str, topic: str) -> None:
        """Have a group assign its partitions, so that the next member gets them at once.

        The first answer to the first member of a new group names none, and the client asks again only after 5 s: so a
        member of our own joins, asks until it has some, and leaves.
        """
        # As Java's client names its members; the broker wants a UUID.
        member = str(uuid.uuid4())
        until = time.monotonic() + min(WARM, self._patience)
        epoch = given = 0

        def beat(epoch: int) -> tuple[int, str, tuple[int, int]]:
            def ask(coordinator: Conversation) -> tuple[int, str, tuple[int, int]]:
                answer = coordinator.ask(ask_heartbeat(group, member, epoch, topic))
                error, text, following, given = read_heartbeat(answer)
                return error, text, (following, given)

            return self._of_group(group, ask)

        try:
            while True:
                error, text, (epoch, given) = beat(epoch)
                if error:
                    raise told_by_code(error, f"share group '{group}': {text or text_of_code(error)}")
                if given or time.monotonic() > until:
                    return
                self._pause()
        finally:
            # If that fails, the broker finds out by itself.
            if epoch > 0:
                with contextlib.suppress(BatonError):
                    beat(LEAVE)

    def _of_group(self, group: str, ask: Callable[[Conversation], tuple[int, str, T]]) -> tuple[int, str, T]:
        """Ask the coordinator of a group, retrying while it is loading, as long as patience lasts.

        An answer is an error code, the broker's text, and further data. Others may ask meanwhile.
        """
        until = time.monotonic() + self._patience
        while True:
            try:
                return self._again(lambda: self._ask_coordinator(group, ask))
            except _NotYet as error:
                if time.monotonic() > until:
                    raise told_by_code(error.code, f"share group '{group}': {error}") from None
            self._pause()

    def _ask_coordinator(self, group: str, ask: Callable[[Conversation], tuple[int, str, T]]) -> tuple[int, str, T]:
        """With the lock."""
        server = self._find_coordinator(group)
        self._require_open()
        found = self._coordinators.get(server)
        if found is None:
            found = self._coordinators[server] = Conversation(self._parameters, server, self._patience)
        answer = ask(found)
        if answer[0] in NOT_YET:
            raise _NotYet(answer[0], answer[1])
        return answer

    def delete_group(self, group: str, patience: float) -> int:
        """Delete a group; returns the broker's error code, 0: done. Raises ConnectionLost without an answer in time.

        Kafka 4.4 may look for a deleted topic for more than 10 s, and answers nothing else on that connection
        meanwhile: so this uses a connection of its own.
        """
        with self._lock:
            try:
                server = self._find_coordinator(group)
            except _NotYet as error:
                return error.code
        conversation = Conversation(self._parameters, server, patience)
        try:
            return read_deleted_group(conversation.ask(ask_delete_group(group)))
        finally:
            conversation.close()

    def _find_coordinator(self, group: str) -> tuple[str, int]:
        """With the lock."""
        error, text, host, port = read_coordinator(self._open().ask(ask_coordinator(group)))
        if error in NOT_YET:
            raise _NotYet(error, text)
        if error:
            raise told_by_code(error, f"share group '{group}': {text or text_of_code(error)}")
        return host, port

    # ------------------------------------------------------------------ connections

    def _open(self) -> Conversation:
        """With the lock. The connection in use, or one to the first broker that answers."""
        if self._first is None:
            last: ConnectionLost | None = None
            for server in self._parameters.servers:
                self._require_open()
                try:
                    self._first = Conversation(self._parameters, server, self._patience)
                    break
                except ConnectionLost as error:
                    last = error
            else:
                assert last is not None
                raise last
        return self._first

    def _again(self, ask: Callable[[], T]) -> T:
        """Ask, and once more on new connections if an old one turns out to be lost."""
        with self._lock:
            was_open = self._first is not None
            try:
                return ask()
            except ConnectionLost as error:
                self._drop()
                self._require_open()
                if not was_open or "no answer within" in str(error):
                    raise
            try:
                return ask()
            except ConnectionLost:
                self._drop()
                raise

    def _pause(self) -> None:
        self._require_open()
        time.sleep(PAUSE)

    def _require_open(self) -> None:
        if self._is_closed:
            raise Closed("the connection was closed")

    def _conversations(self) -> list[Conversation]:
        return [one for one in (self._first, *list(self._coordinators.values())) if one is not None]

    def _drop(self) -> None:
        gone = self._conversations()
        self._first, self._coordinators = None, {}
        for one in gone:
            one.close()

    def _require_share_groups(self, features: Features) -> None:
        if features.has(HEARTBEAT) and features.has(OFFSETS) and features.share_version:
            self.has_dead_letters = features.share_version >= WITH_DEAD_LETTERS
            return
        self._drop()
        where = self._parameters.where
        if not features.has(HEARTBEAT) or not features.has(OFFSETS):
            raise UnsupportedFeature(f"kafka: the broker at {where} has no share groups: Kafka 4.2 and later have them")
        raise UnsupportedFeature(
            f"kafka: share groups are switched off at {where} (share.version is {features.share_version or 0}); "
            "kafka-features.sh upgrade --feature share.version=1 switches them on, 2 has dead letters, too"
        )
