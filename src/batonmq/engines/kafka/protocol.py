"""The few requests of Kafka's protocol that confluent-kafka has no call for, and their answers. Sans-I/O.

A request is a length of four octets, a header (version 2, or 1 for the older ones) and a body; an answer is a length, a
header and a body. Numbers of the requests and fields: Kafka's protocol guide.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from batonmq.engines.kafka.primitives import Reader, Writer

__all__ = [
    "API_VERSIONS",
    "AUTHENTICATE",
    "COORDINATOR",
    "DELETE_GROUPS",
    "HANDSHAKE",
    "HEARTBEAT",
    "METADATA",
    "OFFSETS",
    "Api",
    "Features",
    "Lag",
    "Request",
    "Topic",
]

CLIENT: Final = "batonmq"


@dataclass(frozen=True, slots=True)
class Api:
    """A kind of request in one version of it."""

    key: int
    version: int
    name: str
    is_flexible: bool = True
    has_plain_answer: bool = False
    """Is the header of the answer without tagged fields? So it is where the broker may not know the version."""


API_VERSIONS: Final = Api(18, 3, "ApiVersions", has_plain_answer=True)
HANDSHAKE: Final = Api(17, 1, "SaslHandshake", is_flexible=False)
AUTHENTICATE: Final = Api(36, 2, "SaslAuthenticate")
METADATA: Final = Api(3, 12, "Metadata")
COORDINATOR: Final = Api(10, 4, "FindCoordinator")
HEARTBEAT: Final = Api(76, 1, "ShareGroupHeartbeat")
DELETE_GROUPS: Final = Api(42, 2, "DeleteGroups")
OFFSETS: Final = Api(90, 1, "DescribeShareGroupOffsets")


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its number."""

    api: Api
    body: bytes

    def octets(self, number: int) -> bytes:
        """The request as sent. ``number`` is repeated in its answer."""
        header = Writer().int16(self.api.key).int16(self.api.version).int32(number).string(CLIENT)
        if self.api.is_flexible:
            header.no_tags()
        octets = header.octets() + self.body
        return struct.pack(">i", len(octets)) + octets

    def answer(self, octets: bytes) -> tuple[int, Reader]:
        """The number and the body of an answer that came without its length."""
        reader = Reader(octets)
        number = reader.int32()
        if self.api.is_flexible and not self.api.has_plain_answer:
            reader.tags()
        return number, reader


# ---------------------------------------------------------------------- the broker


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a broker."""

    versions: dict[int, tuple[int, int]]
    """The first and the last version of each request."""
    share_version: int | None
    """The level of ``share.version`` that the cluster has finalized; None: the broker names none."""

    def has(self, api: Api) -> bool:
        """Does it answer this?"""
        least, most = self.versions.get(api.key, (0, -1))
        return least <= api.version <= most


def ask_features(version: str) -> Request:
    """ApiVersions. ``version`` is ours."""
    return Request(API_VERSIONS, Writer().compact(CLIENT).compact(version).no_tags().octets())


def read_features(reader: Reader) -> tuple[int, Features]:
    """The error code, and the broker's features."""
    error = reader.int16()
    if error:
        return error, Features({}, None)
    versions: dict[int, tuple[int, int]] = {}
    for _ in range(reader.count()):
        key = reader.int16()
        versions[key] = (reader.int16(), reader.int16())
        reader.tags()
    reader.int32()
    return 0, Features(versions, _share_version(reader.tags()))


def _share_version(tags: dict[int, bytes]) -> int | None:
    # 2: FinalizedFeatures, of name, the highest and the lowest level.
    if 2 not in tags:
        return None
    reader = Reader(tags[2])
    found: int | None = None
    for _ in range(reader.count()):
        name = reader.compact()
        most, _least = reader.int16(), reader.int16()
        reader.tags()
        if name == "share.version":
            found = most
    return found


# ---------------------------------------------------------------------- who we are


def ask_handshake(mechanism: str) -> Request:
    """SaslHandshake: announces the mechanism."""
    return Request(HANDSHAKE, Writer().string(mechanism).octets())


def read_handshake(reader: Reader) -> tuple[int, list[str]]:
    """The error code, and the mechanisms that the broker offers."""
    error = reader.int16()
    return error, [reader.string() or "" for _ in range(reader.int32())]


def ask_authenticate(token: bytes) -> Request:
    """SaslAuthenticate: one step of the mechanism."""
    return Request(AUTHENTICATE, Writer().compact_octets(token).no_tags().octets())


def read_authenticate(reader: Reader) -> tuple[int, str, bytes]:
    """The error code, the broker's text, and its step of the mechanism."""
    error, text = reader.int16(), reader.compact() or ""
    return error, text, reader.compact_octets()


# ---------------------------------------------------------------------- what there is


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of the cluster."""

    error: int
    """The error code; 0: the topic exists."""
    partitions: list[int]
    name: str = ""
    is_internal: bool = False
    """Is it one of the brokers' own?"""


def ask_topic(name: str) -> Request:
    """Metadata of one topic; this does not create it."""
    body = Writer().count(1).raw(bytes(16)).compact(name).no_tags()
    # allow_auto_topic_creation, include_topic_authorized_operations
    return Request(METADATA, body.int8(0).int8(0).no_tags().octets())


def ask_topics() -> Request:
    """Metadata of all topics that may be seen."""
    # No list of topics, which is a count of 0 (compact nullable array).
    return Request(METADATA, Writer().int8(0).int8(0).int8(0).no_tags().octets())


def read_topic(reader: Reader) -> Topic:
    """The topic that was asked for."""
    found = read_topics(reader)
    return found[-1] if found else Topic(0, [])


def read_topics(reader: Reader) -> list[Topic]:
    """The topics in a metadata answer."""
    reader.int32()
    for _ in range(reader.count()):
        reader.int32(), reader.compact(), reader.int32(), reader.compact(), reader.tags()
    reader.compact(), reader.int32()
    return [_read_topic(reader) for _ in range(reader.count())]


def _read_topic(reader: Reader) -> Topic:
    error, name = reader.int16(), reader.compact() or ""
    reader.raw(16)
    is_internal = bool(reader.int8())
    partitions = []
    for _ in range(reader.count()):
        reader.int16()
        partitions.append(reader.int32())
        reader.int32(), reader.int32()
        for _ in range(3):
            for _ in range(reader.count()):
                reader.int32()
        reader.tags()
    reader.int32(), reader.tags()
    return Topic(error, sorted(partitions), name, is_internal)


def ask_coordinator(group: str) -> Request:
    """FindCoordinator of a group."""
    return Request(COORDINATOR, Writer().int8(0).count(1).compact(group).no_tags().octets())


def read_coordinator(reader: Reader) -> tuple[int, str, str, int]:
    """The error code with the broker's text, the host and the port."""
    reader.int32()
    found = (0, "", "", 0)
    for _ in range(reader.count()):
        reader.compact(), reader.int32()
        host, port = reader.compact() or "", reader.int32()
        error, text = reader.int16(), reader.compact() or ""
        reader.tags()
        found = (error, text, host, port)
    return found


def ask_delete_group(group: str) -> Request:
    """DeleteGroups, of one."""
    return Request(DELETE_GROUPS, Writer().count(1).compact(group).no_tags().octets())


def read_deleted_group(reader: Reader) -> int:
    """The error code."""
    reader.int32()
    error = 0
    for _ in range(reader.count()):
        reader.compact()
        error = reader.int16()
        reader.tags()
    return error


# ---------------------------------------------------------------------- share groups


@dataclass(frozen=True, slots=True)
class Lag:
    """The progress of a share group in a partition."""

    partition: int
    start: int
    """The first offset that is not settled; -1: the group has not begun."""
    lag: int
    """How many messages are unsettled; -1: the broker does not know yet."""
    error: int
    text: str


def ask_offsets(group: str, topic: str, partitions: Sequence[int]) -> Request:
    """DescribeShareGroupOffsets of one group and one topic."""
    body = Writer().count(1).compact(group).count(1).compact(topic).count(len(partitions))
    for partition in partitions:
        body.int32(partition)
    return Request(OFFSETS, body.no_tags().no_tags().no_tags().octets())


def read_offsets(reader: Reader) -> tuple[int, str, list[Lag]]:
    """The error code of the group with the broker's text, and its partitions."""
    reader.int32()
    lags: list[Lag] = []
    error, text = 0, ""
    for _ in range(reader.count()):
        reader.compact()
        for _ in range(reader.count()):
            reader.compact(), reader.raw(16)
            for _ in range(reader.count()):
                partition, start, _epoch = reader.int32(), reader.int64(), reader.int32()
                lag = reader.int64()
                lags.append(Lag(partition, start, lag, reader.int16(), reader.compact() or ""))
                reader.tags()
            reader.tags()
        error, text = reader.int16(), reader.compact() or ""
        reader.tags()
    return error, text, lags


def ask_heartbeat(group: str, member: str, epoch: int, topic: str) -> Request:
    """ShareGroupHeartbeat: join with epoch 0, leave with -1."""
    body = Writer().compact(group).compact(member).int32(epoch).compact(None).count(1).compact(topic)
    return Request(HEARTBEAT, body.no_tags().octets())


def read_heartbeat(reader: Reader) -> tuple[int, str, int, int]:
    """The error code with the broker's text, the member's epoch, and how many partitions it is given."""
    reader.int32()
    error, text = reader.int16(), reader.compact() or ""
    reader.compact()
    epoch, _interval = reader.int32(), reader.int32()
    given = 0
    if reader.int8() >= 0:
        for _ in range(reader.count()):
            reader.raw(16)
            for _ in range(reader.count()):
                reader.int32()
                given += 1
            reader.tags()
    return error, text, epoch, given
