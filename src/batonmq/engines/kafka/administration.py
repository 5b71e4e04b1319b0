"""Requests to the cluster through confluent-kafka's admin client. Every call waits, for a bounded time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future as Admitted, wait
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from batonmq.engines.kafka.failures import error_of
from batonmq.errors import Closed, ConnectionLost, NotFound

__all__ = ["Administration"]

PAUSE: Final = 0.05
# How long the client waits beyond its own timeout, in seconds.
SLACK: Final = 5.0
# The sources of a topic's or group's own settings, as opposed to the broker's, which apply to all.
# As numbers: the client returns those, although its types promise members of the enumeration.
OF_ITS_OWN: Final[frozenset[object]] = frozenset(
    {ConfigSource.DYNAMIC_TOPIC_CONFIG.value, ConfigSource.GROUP_CONFIG.value}
)


class Administration:
    """The admin client of one connection. Any thread may call. Errors are our own, with the broker's text."""

    def __init__(self, admin: AdminClient, patience: float, closing: Admitted[None]) -> None:
        """``closing`` is done when waiting has to end: waiting calls then raise Closed."""
        self._admin = admin
        self._patience = patience
        self._closing = closing

    # ------------------------------------------------------------------ settings

    def settings_of_brokers(self) -> dict[str, str]:
        """The settings of one broker: all are assumed to be alike."""
        nodes = self._result(self._admin.describe_cluster(**self._request_time()), "brokers").nodes
        return self._all_settings(ResourceType.BROKER, str(nodes[0].id))

    def settings_of_topic(self, topic: str) -> dict[str, str]:
        """The settings made for this topic; defaults and those of the brokers are left out."""
        return self._own_settings(ResourceType.TOPIC, topic)

    def settings_of_group(self, group: str) -> dict[str, str]:
        """The settings made for this group; defaults and those of the brokers are left out."""
        return self._own_settings(ResourceType.GROUP, group)

    def all_settings_of_group(self, group: str) -> dict[str, str]:
        """All settings in effect for a group, wherever they come from."""
        return self._all_settings(ResourceType.GROUP, group)

    def set_group(self, group: str, settings: Mapping[str, str | None]) -> None:
        """Change settings of a group, which need not exist yet; None: back to the default."""
        set_, unset = AlterConfigOpType.SET, AlterConfigOpType.DELETE
        entries = [
            ConfigEntry(setting, value, incremental_operation=unset if value is None else set_)
            for setting, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=entries)
        self._await(self._admin.incremental_alter_configs([resource], **self._request_time()), f"settings of '{group}'")

    def _own_settings(self, kind: ResourceType, name: str) -> dict[str, str]:
        return {entry.name: entry.value or "" for entry in self._entries(kind, name) if entry.source in OF_ITS_OWN}

    def _all_settings(self, kind: ResourceType, name: str) -> dict[str, str]:
        return {entry.name: entry.value or "" for entry in self._entries(kind, name)}

    def _entries(self, kind: ResourceType, name: str) -> list[ConfigEntry]:
        resource = ConfigResource(kind, name)
        found = self._await(self._admin.describe_configs([resource], **self._request_time()), f"settings of '{name}'")
        return list(found.values())

    # ------------------------------------------------------------------ topics

    def create_topic(self, topic: str, partitions: int, replication: int, settings: Mapping[str, str]) -> None:
        """Create a topic. Raises PreconditionFailed, also if it exists already."""
        new = NewTopic(topic, partitions, replication, config=dict(settings))
        self._await(self._admin.create_topics([new], **self._times()), f"topic '{topic}'")

    def delete_topic(self, topic: str) -> None:
        """Delete a topic. A missing one counts as deleted."""
        with contextlib.suppress(NotFound):
            self._await(self._admin.delete_topics([topic], **self._times()), f"topic '{topic}'")

    def ends(self, topic: str, partitions: list[int]) -> tuple[dict[int, int], dict[int, int]]:
        """By partition: the offset of the first existing record, and that of the next one to come."""
        found = []
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):  # type: ignore[no-untyped-call]
            asked = {TopicPartition(topic, partition): spec for partition in partitions}
            futures = self._admin.list_offsets(asked, **self._request_time())
            offsets: dict[int, int] = {}
            for partition, future in futures.items():
                offsets[partition.partition] = self._result(future, f"offsets of '{topic}'").offset
            found.append(offsets)
        return found[0], found[1]

    def delete_records(self, topic: str, partitions: list[int]) -> None:
        """Delete all records that exist now in these partitions."""
        _, most = self.ends(topic, partitions)
        records = [TopicPartition(topic, partition, most[partition]) for partition in partitions]
        for future in self._admin.delete_records(records, **self._times()).values():
            self._result(future, f"records of '{topic}'")

    # ------------------------------------------------------------------ waiting

    def pause(self) -> None:
        """Wait before asking again. Raises Closed."""
        wait({self._closing}, PAUSE)
        self._require_open()

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

    def _require_open(self) -> None:
        if self._closing.done():
            raise Closed("the connection was closed")
