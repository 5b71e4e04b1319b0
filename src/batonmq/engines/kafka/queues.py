"""Queues as topics and share groups: declared, deleted, counted, purged. Every call waits, for a bounded time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future as Admitted, wait
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from batonmq.engines.kafka.cluster import Cluster
from batonmq.engines.kafka.failures import UNKNOWN_TOPIC, error_of, text_of_code, told_by_code
from batonmq.engines.kafka.names import PREFIX, Names
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
from batonmq.errors import AccessRefused, BatonError, Closed, ConnectionLost, NotFound, PreconditionFailed

__all__ = ["Queues"]

# How long a group may take to be deleted; members that have just left may still be counted as such.
LEAVING: Final = 3.0
PAUSE: Final = 0.05
# Why a group is not deleted, and what is no fault: somebody is in it, and it goes with the last of them; who keeps it
# has changed; or Kafka 4.4 looks for the topic that is gone, as it does for 10 s in one of some fifty deletions.
LATER: Final = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.REQUEST_TIMED_OUT,
    UNKNOWN_TOPIC,
)
# What the client waits for beyond what it was told to.
SLACK: Final = 5.0
LOCK_DEFAULT: Final = 30_000
# Topics in which brokers keep what is theirs; not all of them say so of themselves (__share_group_state).
BROKERS_OWN: Final = "__"
DEAD_LETTER_PREFIX: Final = "errors.deadletterqueue.topic.name.prefix"


class Queues:
    """Of one connection. Any thread may call."""

    def __init__(
        self,
        admin: AdminClient,
        cluster: Cluster,
        parameters: KafkaParameters,
        patience: float,
        closing: Admitted[None],
    ) -> None:
        """``closing`` is done when nobody wants to wait any longer: what waits then raises Closed."""
        self._admin = admin
        self._cluster = cluster
        self._parameters = parameters
        self._patience = patience
        self._closing = closing
        self._names = Names()
        # The lowest and the highest limit of deliveries that the brokers allow.
        self._limits: tuple[int, int] | None = None
        # Have the brokers said what they are set to? Or is that not for us?
        self._is_known = self._is_refused = False

    # ------------------------------------------------------------------ declare

    def topic(self, queue: str) -> str:
        """The topic of a queue. Raises NotFound, and PreconditionFailed where two topics could be it."""
        names = self._known_names()
        names.check(queue)
        other = names.other(queue)
        try:
            self._cluster.partitions(queue)
        except NotFound:
            if other is None or not self._may_see(other):
                raise
            return other
        if other is not None and self._may_see(other):
            raise PreconditionFailed(
                f"queue '{queue}' may be topic '{queue}' or topic '{other}', and both are there: delete one of them "
                "with Kafka's own tools"
            )
        return queue

    def _may_see(self, topic: str) -> bool:
        # Who has no access to a topic is not told whether there is one.
        with contextlib.suppress(AccessRefused):
            return self._cluster.has(topic)
        return False

    def topic_or_name(self, queue: str) -> str:
        """The topic of a queue, or of one that is not there yet."""
        try:
            return self.topic(queue)
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
        found = self._settings(ResourceType.GROUP, queue)
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
                # It was made for nothing.
                with contextlib.suppress(BatonError):
                    self.delete(dead)
            raise

    def _topic_of_dead_letters(self, queue: str) -> str:
        """What takes the dead letters of others. Raises PreconditionFailed."""
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
        """By what the brokers say, or by the default where that is not for us."""
        if not self._is_refused:
            try:
                self._require_known()
            except AccessRefused:
                self._is_refused = True
        return self._names

    def _require_known(self) -> None:
        """What the brokers are set to. Raises AccessRefused where that is not for us."""
        if self._is_known:
            return
        nodes = self._result(self._admin.describe_cluster(**self._request_time()), "brokers").nodes
        found = self._all_settings(ResourceType.BROKER, str(nodes[0].id))
        self._names = Names(found.get(DEAD_LETTER_PREFIX, PREFIX))
        if (least := found.get(LIMIT_MIN)) is not None and (most := found.get(LIMIT_MAX)) is not None:
            self._limits = int(least), int(most)
        self._is_known = True

    def _declare_dead_letters(self, queue: str) -> bool:
        """A queue that may take dead letters; tells whether it was made."""
        if self._cluster.has(queue):
            topic = self._settings(ResourceType.TOPIC, queue)
            if topic.get(MAY_TAKE_DEAD_LETTERS) != "true":
                raise PreconditionFailed(
                    f"topic '{queue}' cannot take dead letters: Kafka would lose them. "
                    f"Set {MAY_TAKE_DEAD_LETTERS}=true on it, or name one that is not there yet"
                )
            if not is_declared(self._settings(ResourceType.GROUP, queue)):
                # Somebody else's topic: what is in it already is to be received, too.
                self._set_group(queue, self._wanted(QueueOptions(), None))
            return False
        self._set_group(queue, self._wanted(QueueOptions(), None))
        self._create(queue, {MAY_TAKE_DEAD_LETTERS: "true"})
        return True

    def _create(self, queue: str, settings: Mapping[str, str]) -> None:
        replication = self._parameters.replication or -1
        topic = NewTopic(queue, self._parameters.partitions, replication, config=dict(settings))
        try:
            self._await(self._admin.create_topics([topic], **self._times()), f"topic '{queue}'")
        except PreconditionFailed:
            # Somebody else may have made it meanwhile.
            if not self._cluster.has(queue):
                raise
        until = time.monotonic() + self._patience
        while not self._cluster.has(queue):
            # Made, and not yet known to every broker.
            if time.monotonic() > until:
                raise ConnectionLost(f"topic '{queue}' was made, and is still unknown after {self._patience:g} s")
            self._pause()

    # ------------------------------------------------------------------ settings

    def _set_group(self, group: str, wanted: Mapping[str, str | None]) -> None:
        self._set(ResourceType.GROUP, group, wanted)
        with contextlib.suppress(PreconditionFailed):
            self._set(ResourceType.GROUP, group, AT_ONCE)

    def fate(self, topic: str) -> Fate:
        """What becomes of what is given up there, by the settings of its group."""
        found = self._all_settings(ResourceType.GROUP, topic)
        dead = self._known_names().queue(found.get(DEAD_LETTER, ""))
        return Fate(dead or None, int(found.get(LIMIT, "5")))

    def lock(self, topic: str) -> float:
        """For how many seconds the group lets a message be held."""
        return int(self._all_settings(ResourceType.GROUP, topic).get(LOCK, LOCK_DEFAULT)) / 1000

    def _settings(self, kind: ResourceType, name: str) -> dict[str, str]:
        """What was set for this one."""
        return {entry.name: entry.value or "" for entry in self._entries(kind, name) if entry.source in OF_ITS_OWN}

    def _all_settings(self, kind: ResourceType, name: str) -> dict[str, str]:
        return {entry.name: entry.value or "" for entry in self._entries(kind, name)}

    def _entries(self, kind: ResourceType, name: str) -> list[ConfigEntry]:
        resource = ConfigResource(kind, name)
        found = self._await(self._admin.describe_configs([resource], **self._request_time()), f"settings of '{name}'")
        return list(found.values())

    def _set(self, kind: ResourceType, name: str, settings: Mapping[str, str | None]) -> None:
        set_, unset = AlterConfigOpType.SET, AlterConfigOpType.DELETE
        entries = [
            ConfigEntry(setting, value, incremental_operation=unset if value is None else set_)
            for setting, value in settings.items()
        ]
        resource = ConfigResource(kind, name, incremental_configs=entries)
        self._await(self._admin.incremental_alter_configs([resource], **self._request_time()), f"settings of '{name}'")

    # ------------------------------------------------------------------ list, delete, count, purge

    def names(self) -> list[str]:
        """All queues: each topic that is not the brokers' own is one. Raises ConnectionLost."""
        names = self._known_names()
        return sorted({names.queue(topic) for topic in self._cluster.topics() if not topic.startswith(BROKERS_OWN)})

    def delete(self, topic: str, then: Callable[[], None] = lambda: None) -> None:
        """The topic, the group and the group's settings; what is not there is deleted already.

        ``then`` is called when the topic is gone, and sends the group's members away.
        """
        with contextlib.suppress(NotFound):
            self._await(self._admin.delete_topics([topic], **self._times()), f"topic '{topic}'")
        then()
        self._set(ResourceType.GROUP, topic, dict.fromkeys(OWN))
        self._delete_group(topic)
        until = time.monotonic() + self._patience
        while self._cluster.has(topic) and time.monotonic() < until:
            self._pause()

    def _delete_group(self, group: str) -> None:
        """What is not there is deleted already; nothing that stays behind is of any effect, as its topic is gone."""
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
            self._pause()

    def count(self, queue: str) -> int:
        """How many messages are not settled. Raises NotFound, AccessRefused, ConnectionLost."""
        queue = self.topic(queue)
        partitions = self._cluster.partitions(queue)
        least, most = self._ends(queue, partitions)
        lags = {lag.partition: lag.lag for lag in self._cluster.lags(queue, queue, partitions) if lag.start >= 0}
        count = 0
        for partition in partitions:
            there = most[partition] - least[partition]
            lag = lags.get(partition, -1)
            # Where the group has not begun, or does not know yet: all that is there. It knows late of a purge.
            count += there if lag < 0 else min(lag, there)
        return count

    def _ends(self, queue: str, partitions: list[int]) -> tuple[dict[int, int], dict[int, int]]:
        found = []
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):  # type: ignore[no-untyped-call]
            asked = {TopicPartition(queue, partition): spec for partition in partitions}
            futures = self._admin.list_offsets(asked, **self._request_time())
            offsets: dict[int, int] = {}
            for partition, future in futures.items():
                offsets[partition.partition] = self._result(future, f"offsets of '{queue}'").offset
            found.append(offsets)
        return found[0], found[1]

    def purge(self, queue: str) -> int:
        """Everything that is there now; tells how many messages were not settled."""
        count = self.count(queue)
        queue = self.topic(queue)
        partitions = self._cluster.partitions(queue)
        _, most = self._ends(queue, partitions)
        records = [TopicPartition(queue, partition, most[partition]) for partition in partitions]
        for future in self._admin.delete_records(records, **self._times()).values():
            self._result(future, f"records of '{queue}'")
        return count

    # ------------------------------------------------------------------ waiting

    def _times(self) -> dict[str, float]:
        return {"request_timeout": self._patience, "operation_timeout": self._patience}

    def _request_time(self) -> dict[str, float]:
        return {"request_timeout": self._patience}

    def _await(self, futures: Mapping[Any, Any], doing: str) -> Any:  # noqa: ANN401
        """The outcome of the only one."""
        return self._result(next(iter(futures.values())), doing)

    def _result(self, future: Admitted[Any], doing: str) -> Any:  # noqa: ANN401
        try:
            return self._outcome(future, doing)
        except KafkaException as error:
            raise error_of(error, doing) from None

    def _outcome(self, future: Admitted[Any], doing: str) -> Any:  # noqa: ANN401
        """Raises KafkaException as well."""
        wait({future, self._closing}, self._patience + SLACK, FIRST_COMPLETED)
        if future.done():
            return future.result()
        self._require_open()
        raise ConnectionLost(f"{doing}: no answer within {self._patience:g} s")

    def _pause(self) -> None:
        wait({self._closing}, PAUSE)
        self._require_open()

    def _require_open(self) -> None:
        if self._closing.done():
            raise Closed("the connection was closed")


# Not those of the broker, which hold for every group and topic.
# The client gives the numbers of its enumeration, and says that it gives the members.
OF_ITS_OWN: Final[frozenset[object]] = frozenset(
    {ConfigSource.DYNAMIC_TOPIC_CONFIG.value, ConfigSource.GROUP_CONFIG.value}
)
