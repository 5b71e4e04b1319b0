"""Queues as topics and share groups: declared, deleted, counted, purged. Every call waits, for a bounded time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaError

from batonmq.engines.kafka.administration import Administration
from batonmq.engines.kafka.cluster import Cluster
from batonmq.engines.kafka.failures import UNKNOWN_TOPIC, text_of_code, told_by_code
from batonmq.engines.kafka.names import PREFIX, Names, Topic
from batonmq.engines.kafka.notices import LOG
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.kafka.settings import (
    AT_ONCE,
    DEAD_LETTER,
    LIMIT,
    LIMIT_MAX,
    LIMIT_MIN,
    LOCK,
    MAY_TAKE_DEAD_LETTERS,
    OWN,
    check_group,
    check_options,
    group_settings,
    is_declared,
)
from batonmq.engines.values import Fate, QueueOptions
from batonmq.errors import AccessRefused, BatonError, ConnectionLost, NotFound, PreconditionFailed

__all__ = ["Queues"]

# How long deleting a group may take, in seconds; members that have just left may still count.
LEAVING: Final = 3.0
# Errors of deleting a group that are harmless: it has members, and ends with the last of them; its coordinator has
# changed; or Kafka 4.4 looks for the deleted topic, as it does for 10 s in about one of fifty deletions.
LATER: Final = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    UNKNOWN_TOPIC,
)
LOCK_DEFAULT: Final = 30_000
# The brokers' internal topics; not all are marked as internal (__share_group_state).
BROKERS_OWN: Final = "__"
DEAD_LETTER_PREFIX: Final = "errors.deadletterqueue.topic.name.prefix"


class Queues:
    """The queues of one connection. Any thread may call."""

    def __init__(
        self, administration: Administration, cluster: Cluster, parameters: KafkaParameters, patience: float
    ) -> None:
        self._administration = administration
        self._cluster = cluster
        self._parameters = parameters
        self._patience = patience
        self._names = Names()
        # The lowest and the highest limit of deliveries that the brokers allow.
        self._limits: tuple[int, int] | None = None
        # Were the brokers' settings read? Or may we not read them?
        self._is_known = self._is_refused = False

    # ------------------------------------------------------------------ declare

    def topic(self, queue: str) -> Topic:
        """The topic of a queue. Raises NotFound, and PreconditionFailed where two topics could be it."""
        names = self._known_names()
        names.check(queue)
        other = names.other(queue)
        try:
            partitions = self._cluster.partitions(queue)
        except NotFound:
            if other is None or (found := self._seen(other)) is None:
                raise
            return found
        if other is not None and self._seen(other) is not None:
            raise PreconditionFailed(
                f"queue '{queue}' may be topic '{queue}' or topic '{other}', and both are there: delete one of them "
                "with Kafka's own tools"
            )
        return Topic(queue, partitions)

    def _seen(self, topic: str) -> Topic | None:
        # Without access to a topic it is unknown whether it exists.
        with contextlib.suppress(AccessRefused, NotFound):
            return Topic(topic, self._cluster.partitions(topic))
        return None

    def topic_or_name(self, queue: str) -> str:
        """The name of a queue's topic, or of the one that it would have."""
        try:
            return self.topic(queue).name
        except NotFound:
            return queue

    def check(self, queue: str, options: QueueOptions) -> None:
        """Raises PreconditionFailed for what no queue here can be declared with."""
        check_options(queue, options, self._known_names(), self._limits)

    def declare(self, queue: str, options: QueueOptions) -> None:
        """Raises PreconditionFailed, AccessRefused, ConnectionLost."""
        self.check(queue, options)
        dead = None if options.dead_letter is None else self._topic_of_dead_letters(options.dead_letter)
        queue = self.topic_or_name(queue)
        wanted = self._wanted(options, dead)
        is_there = self._cluster.has(queue)
        found = self._administration.settings_of_group(queue)
        if is_there and is_declared(found):
            check_group(queue, found, wanted)
        made = dead is not None and self._declare_dead_letters(dead)
        try:
            if not (is_there and is_declared(found)):
                self._set_group(queue, wanted)
            if not is_there:
                self._create(queue, {})
        except BaseException:
            if made and dead is not None:
                # It was created for nothing.
                with contextlib.suppress(BatonError):
                    self.delete(dead)
            raise

    def _topic_of_dead_letters(self, queue: str) -> str:
        """The topic for a queue that takes dead letters. Raises PreconditionFailed if it could not take them."""
        self._require_known()
        self._names.check(queue)
        topic = self._names.for_dead_letters(queue)
        if topic != queue and self._cluster.has(queue):
            raise PreconditionFailed(
                f"topic '{queue}' cannot take dead letters: Kafka would lose them, since its name does not begin with "
                f"'{self._names.prefix}' ({DEAD_LETTER_PREFIX} of the brokers)"
            )
        return topic

    def _wanted(self, options: QueueOptions, dead: str | None) -> dict[str, str | None]:
        self._known_names()
        most = None if self._limits is None else str(self._limits[1])
        return group_settings(options, self._parameters, dead, most)

    def _known_names(self) -> Names:
        """From the brokers' settings, or the default if they may not be read."""
        if not self._is_refused:
            try:
                self._require_known()
            except AccessRefused:
                self._is_refused = True
        return self._names

    def _require_known(self) -> None:
        """Read the brokers' settings. Raises AccessRefused if that is not allowed."""
        if self._is_known:
            return
        found = self._administration.settings_of_brokers()
        self._names = Names(found.get(DEAD_LETTER_PREFIX, PREFIX))
        if (least := found.get(LIMIT_MIN)) is not None and (most := found.get(LIMIT_MAX)) is not None:
            self._limits = int(least), int(most)
        self._is_known = True

    def _declare_dead_letters(self, queue: str) -> bool:
        """Declare a queue that may take dead letters; returns whether it was created."""
        if self._cluster.has(queue):
            topic = self._administration.settings_of_topic(queue)
            if topic.get(MAY_TAKE_DEAD_LETTERS) != "true":
                raise PreconditionFailed(
                    f"topic '{queue}' cannot take dead letters: Kafka would lose them. "
                    f"Set {MAY_TAKE_DEAD_LETTERS}=true on it, or name one that is not there yet"
                )
            if not is_declared(self._administration.settings_of_group(queue)):
                # A foreign topic: its existing messages are to be received, too.
                self._set_group(queue, self._wanted(QueueOptions(), None))
            return False
        self._set_group(queue, self._wanted(QueueOptions(), None))
        self._create(queue, {MAY_TAKE_DEAD_LETTERS: "true"})
        return True

    def _create(self, queue: str, settings: Mapping[str, str]) -> None:
        replication = self._parameters.replication or -1
        try:
            self._administration.create_topic(queue, self._parameters.partitions, replication, settings)
        except PreconditionFailed:
            # Somebody else may have created it meanwhile.
            if not self._cluster.has(queue):
                raise
        until = time.monotonic() + self._patience
        while not self._cluster.has(queue):
            # Made, and not yet known to every broker.
            if time.monotonic() > until:
                raise ConnectionLost(f"topic '{queue}' was made, and is still unknown after {self._patience:g} s")
            self._administration.pause()

    # ------------------------------------------------------------------ settings

    def _set_group(self, group: str, wanted: Mapping[str, str | None]) -> None:
        self._administration.set_group(group, wanted)
        with contextlib.suppress(PreconditionFailed):
            self._administration.set_group(group, AT_ONCE)

    def fate(self, topic: str) -> Fate:
        """The dead letter rules, from the settings of its group."""
        found = self._administration.all_settings_of_group(topic)
        dead = self._known_names().queue(found.get(DEAD_LETTER, ""))
        return Fate(dead or None, int(found.get(LIMIT, "5")))

    def lock(self, topic: str) -> float:
        """How many seconds the group lets a message be held."""
        return int(self._administration.all_settings_of_group(topic).get(LOCK, LOCK_DEFAULT)) / 1000

    # ------------------------------------------------------------------ list, delete, count, purge

    def names(self) -> list[str]:
        """All queues: each topic that is not the brokers' own is one. Raises ConnectionLost."""
        names = self._known_names()
        return sorted({names.queue(topic) for topic in self._cluster.topics() if not topic.startswith(BROKERS_OWN)})

    def delete(self, topic: str, then: Callable[[], None] = lambda: None) -> None:
        """Delete the topic, the group and the group's settings. Missing ones count as deleted.

        ``then`` is called when the topic is gone, and sends the group's members away.
        """
        self._administration.delete_topic(topic)
        then()
        self._administration.set_group(topic, dict.fromkeys(OWN))
        self._delete_group(topic)
        until = time.monotonic() + self._patience
        while self._cluster.has(topic) and time.monotonic() < until:
            self._administration.pause()

    def _delete_group(self, group: str) -> None:
        """Missing parts count as deleted; leftovers have no effect, as the topic is gone."""
        until = time.monotonic() + LEAVING
        while True:
            try:
                code = self._cluster.delete_group(group, LEAVING)
            except ConnectionLost as error:
                LOG.info("share group '%s' may stay, without its topic: %s", group, error)
                return
            if code in (0, KafkaError.GROUP_ID_NOT_FOUND):
                return
            if code not in LATER:
                raise told_by_code(code, f"share group '{group}': {text_of_code(code)}")
            if code == UNKNOWN_TOPIC or time.monotonic() > until:
                LOG.info("share group '%s' stays, without its topic: %s", group, text_of_code(code))
                return
            self._administration.pause()

    def count(self, queue: str) -> int:
        """How many messages are unsettled. Raises NotFound, AccessRefused, ConnectionLost."""
        return self._count(self.topic(queue))

    def _count(self, topic: Topic) -> int:
        name, partitions = topic
        least, most = self._administration.ends(name, partitions)
        lags = {lag.partition: lag.lag for lag in self._cluster.lags(name, name, partitions) if lag.start >= 0}
        count = 0
        for partition in partitions:
            there = most[partition] - least[partition]
            lag = lags.get(partition, -1)
            # If the group has not begun, or does not know yet: all existing records. It learns late of a purge.
            count += there if lag < 0 else min(lag, there)
        return count

    def purge(self, queue: str) -> int:
        """Drop everything; returns how many messages were unsettled."""
        topic = self.topic(queue)
        count = self._count(topic)
        self._administration.delete_records(*topic)
        return count
