"""What is asked of the cluster over sockets of our own: which topics there are, and about share groups.

Every call waits, for no longer than the patience for each broker. Any thread may call; they take turns.
"""

from __future__ import annotations

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
    ask_heartbeat,
    ask_offsets,
    ask_topic,
    read_coordinator,
    read_heartbeat,
    read_offsets,
    read_topic,
)
from batonmq.errors import ConnectionLost, NotFound, UnsupportedFeature

__all__ = ["Cluster"]

T = TypeVar("T")

# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: ask again, later.
NOT_YET: Final = frozenset({14, 15, 16})
GROUP_ID_NOT_FOUND: Final = 69
PAUSE: Final = 0.05
# How long a group may take to give its first member partitions. Kafka 4.4 takes up to 1 s
# (share.assignment.interval.ms).
WARM: Final = 5.0
WITH_DEAD_LETTERS: Final = 2


class Cluster:
    """The brokers that a URL names, and those that they tell of."""

    def __init__(self, parameters: KafkaParameters, patience: float) -> None:
        """Connect. Raises ConnectionLost, AccessRefused, and UnsupportedFeature where there are no share groups."""
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
        """Hang up."""
        self._is_closed = True
        with self._lock:
            self._drop()

    def forked(self) -> None:
        """In a child: the sockets are the parent's, who goes on with them."""
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

    def has(self, topic: str) -> bool:
        """Is there a topic of this name?"""
        try:
            self.partitions(topic)
        except NotFound:
            return False
        return True

    # ------------------------------------------------------------------ share groups

    def lags(self, group: str, topic: str, partitions: list[int]) -> list[Lag]:
        """How far a group has come; nothing where there is no such group yet."""

        def ask() -> list[Lag]:
            while True:
                error, text, lags = read_offsets(self._coordinator(group).ask(ask_offsets(group, topic, partitions)))
                if error not in NOT_YET:
                    break
                self._pause(error)
            if error == GROUP_ID_NOT_FOUND:
                return []
            for code, said in ((error, text), *((lag.error, lag.text) for lag in lags)):
                if code and code != UNKNOWN_TOPIC:
                    raise told_by_code(code, f"share group '{group}': {said or text_of_code(code)}")
            return lags

        return self._again(ask)

    def warm_up(self, group: str, topic: str) -> None:
        """Let a group have its partitions ready, so that whoever joins next has them at once.

        The first answer to the first member of a new group names none, and the client below asks again only after
        5 s: so a member of our own joins, asks until it has some, and leaves.
        """

        def ask() -> None:
            # As Java's client names its members; the broker wants a UUID.
            member = str(uuid.uuid4())
            until = time.monotonic() + min(WARM, self._patience)
            epoch = 0
            try:
                while True:
                    answer = self._coordinator(group).ask(ask_heartbeat(group, member, epoch, topic))
                    error, text, following, given = read_heartbeat(answer)
                    if error in NOT_YET:
                        self._pause(error)
                    elif error:
                        raise told_by_code(error, f"share group '{group}': {text or text_of_code(error)}")
                    else:
                        epoch = following
                    if given or time.monotonic() > until:
                        return
                    time.sleep(PAUSE)
            finally:
                if epoch > 0 and not self._is_closed:
                    self._coordinator(group).ask(ask_heartbeat(group, member, -1, topic))

        self._again(ask)

    # ------------------------------------------------------------------ connections

    def _open(self) -> Conversation:
        """With the lock. The broker that is talked to, or the first that answers."""
        if self._first is None:
            last: ConnectionLost | None = None
            for server in self._parameters.servers:
                try:
                    self._first = Conversation(self._parameters, server, self._patience)
                    break
                except ConnectionLost as error:
                    last = error
            else:
                assert last is not None
                raise last
        return self._first

    def _coordinator(self, group: str) -> Conversation:
        """With the lock. The broker that has the group."""
        until = time.monotonic() + self._patience
        while True:
            error, text, host, port = read_coordinator(self._open().ask(ask_coordinator(group)))
            if not error:
                break
            if error not in NOT_YET or time.monotonic() > until:
                raise told_by_code(error, f"share group '{group}': {text or text_of_code(error)}")
            self._pause(error)
        server = (host, port)
        found = self._coordinators.get(server)
        if found is None:
            found = self._coordinators[server] = Conversation(self._parameters, server, self._patience)
        return found

    def _again(self, ask: Callable[[], T]) -> T:
        """Once more on new connections, where an old one turns out to be lost."""
        with self._lock:
            was_open = self._first is not None
            try:
                return ask()
            except ConnectionLost as error:
                self._drop()
                if not was_open or self._is_closed or "no answer within" in str(error):
                    raise
            try:
                return ask()
            except ConnectionLost:
                self._drop()
                raise

    def _pause(self, error: int) -> None:
        if self._is_closed:
            raise ConnectionLost(text_of_code(error))
        time.sleep(PAUSE)

    def _drop(self) -> None:
        first, self._first = self._first, None
        coordinators, self._coordinators = self._coordinators, {}
        for one in (first, *coordinators.values()):
            if one is not None:
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
