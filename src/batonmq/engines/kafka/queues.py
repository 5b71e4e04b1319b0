"""Queues as topics and share groups: declared, deleted, counted, purged. Every call waits, for a bounded time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from batonmq.engines.kafka.cluster import Cluster
from batonmq.engines.kafka.failures import error_of
from batonmq.engines.kafka.parameters import KafkaParameters
from batonmq.engines.kafka.settings import (
    AT_ONCE,
    DEAD_LETTER,
    LIMIT,
    LIMIT_MAX,
    LOCK,
    MAY_TAKE_DEAD_LETTERS,
    OWN,
    check_group,
    group_settings,
    is_declared,
)
from batonmq.engines.values import Fate, QueueOptions
from batonmq.errors import AccessRefused, BatonError, ConnectionLost, NotFound, PreconditionFailed

__all__ = ["Queues"]

# How long members that have just left may still be counted as such.
LEAVING: Final = 3.0
PAUSE: Final = 0.05
# Who keeps the groups has just begun to, or has changed: the client asks again by itself, but not for this.
NOT_YET: Final = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
# What the client waits for beyond what it was told to.
SLACK: Final = 5.0
LOCK_DEFAULT: Final = 30_000
DEAD_LETTER_PREFIX: Final = "errors.deadletterqueue.topic.name.prefix"
# Its default.
PREFIX: Final = "dlq."


class Queues:
    """Of one connection. Any thread may call."""

    def __init__(self, admin: AdminClient, cluster: Cluster, parameters: KafkaParameters, patience: float) -> None:
        self._admin = admin
        self._cluster = cluster
        self._parameters = parameters
        self._patience = patience
        self._prefix = PREFIX
        # The highest limit of deliveries that the brokers allow.
        self._most: str | None = None
        self._is_known = False

    # ------------------------------------------------------------------ declare

    def topic(self, queue: str) -> str:
        """The topic of a queue. Raises NotFound.

        Kafka takes no dead letters into a topic whose name does not begin with a prefix: so a queue for dead letters
        may have a topic of its name behind that.
        """
        try:
            self._cluster.partitions(queue)
        except NotFound:
            if not self._cluster.has(self._prefix + queue):
                raise
            return self._prefix + queue
        return queue

    def topic_or_name(self, queue: str) -> str:
        """The topic of a queue, or of one that is not there yet."""
        try:
            return self.topic(queue)
        except NotFound:
            return queue

    def declare(self, queue: str, options: QueueOptions) -> None:
        """Raises PreconditionFailed, AccessRefused, ConnectionLost."""
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
        if queue.startswith(self._prefix):
            return queue
        if self._cluster.has(queue):
            raise PreconditionFailed(
                f"topic '{queue}' cannot take dead letters: Kafka would lose them, since its name does not begin with "
                f"'{self._prefix}' ({DEAD_LETTER_PREFIX} of the brokers)"
            )
        return self._prefix + queue

    def _wanted(self, options: QueueOptions, dead: str | None) -> dict[str, str | None]:
        with contextlib.suppress(AccessRefused):
            self._require_known()
        return group_settings(options, self._parameters, dead, self._most)

    def _require_known(self) -> None:
        """What the brokers are set to. Raises AccessRefused where that is not for us."""
        if self._is_known:
            return
        nodes = self._result(self._admin.describe_cluster(**self._request_time()), "brokers").nodes
        found = self._all_settings(ResourceType.BROKER, str(nodes[0].id))
        self._prefix = found.get(DEAD_LETTER_PREFIX, PREFIX)
        self._most = found.get(LIMIT_MAX)
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
            time.sleep(PAUSE)

    # ------------------------------------------------------------------ settings

    def _set_group(self, group: str, wanted: Mapping[str, str | None]) -> None:
        self._set(ResourceType.GROUP, group, wanted)
        with contextlib.suppress(PreconditionFailed):
            self._set(ResourceType.GROUP, group, AT_ONCE)

    def fate(self, topic: str) -> Fate:
        """What becomes of what is given up there, by the settings of its group."""
        found = self._all_settings(ResourceType.GROUP, topic)
        # A queue of that name is found behind the prefix.
        dead = found.get(DEAD_LETTER, "").removeprefix(self._prefix)
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

    # ------------------------------------------------------------------ delete, count, purge

    def delete(self, topic: str, then: Callable[[], None] = lambda: None) -> None:
        """The topic, the group and the group's settings; what is not there is deleted already.

        ``then`` is called when the topic is gone, and sends the group's members away.
        """
        with contextlib.suppress(NotFound):
            self._await(self._admin.delete_topics([topic], **self._times()), f"topic '{topic}'")
        then()
        until = time.monotonic() + LEAVING
        while True:
            futures = self._admin.delete_consumer_groups([topic], **self._request_time())
            try:
                next(iter(futures.values())).result(self._patience + SLACK)
                break
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError.NON_EMPTY_GROUP:
                    # Receivers of others, whose topic is gone: the group goes with the last of them.
                    if time.monotonic() > until:
                        break
                    time.sleep(PAUSE)
                elif code == KafkaError.GROUP_ID_NOT_FOUND:
                    break
                elif code in NOT_YET and time.monotonic() < until:
                    time.sleep(PAUSE)
                else:
                    raise error_of(error, f"share group '{topic}'") from None
        self._set(ResourceType.GROUP, topic, dict.fromkeys(OWN))
        until = time.monotonic() + self._patience
        while self._cluster.has(topic) and time.monotonic() < until:
            time.sleep(PAUSE)

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

    def _result(self, future: Any, doing: str) -> Any:  # noqa: ANN401
        try:
            return future.result(self._patience + SLACK)
        except KafkaException as error:
            raise error_of(error, doing) from None
        except TimeoutError:
            raise ConnectionLost(f"{doing}: no answer within {self._patience:g} s") from None


# Not those of the broker, which hold for every group and topic.
# The client gives the numbers of its enumeration, and says that it gives the members.
OF_ITS_OWN: Final[frozenset[object]] = frozenset(
    {ConfigSource.DYNAMIC_TOPIC_CONFIG.value, ConfigSource.GROUP_CONFIG.value}
)
