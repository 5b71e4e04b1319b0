"""Kafka's errors as errors of the API: by the error codes of the protocol, and by those of librdkafka."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from batonmq.errors import (
    AccessRefused,
    BatonError,
    BrokerError,
    ConnectionLost,
    NotFound,
    PreconditionFailed,
    ResourceError,
)

__all__ = ["FATAL", "GONE", "PURGED", "UNANSWERED", "UNKNOWN_TOPIC", "error_of", "text_of_code", "told_by_code"]

UNKNOWN_TOPIC: Final = 3
# librdkafka's own codes, which Python's client has under names that begin with an underscore.
MSG_TIMED_OUT, TRANSPORT, TIMED_OUT, PURGED_IN_FLIGHT = -192, -195, -185, -151
LOCAL_UNKNOWN_TOPIC, UNKNOWN_PARTITION, AUTHENTICATION, QUEUE_FULL = -188, -190, -169, -184
PURGED: Final = -152
FATAL: Final = -150
"""A message was dropped before it was sent."""
GONE: Final = frozenset({UNKNOWN_TOPIC, LOCAL_UNKNOWN_TOPIC})
UNANSWERED: Final = frozenset(
    {
        MSG_TIMED_OUT,
        TIMED_OUT,
        TRANSPORT,
        PURGED_IN_FLIGHT,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    }
)
"""Whether it was done is unknown."""
BY_CODE: dict[int, type[BrokerError]] = {
    UNKNOWN_TOPIC: NotFound,
    LOCAL_UNKNOWN_TOPIC: NotFound,
    UNKNOWN_PARTITION: NotFound,
    KafkaError.GROUP_ID_NOT_FOUND: NotFound,
    100: NotFound,  # UNKNOWN_TOPIC_ID
    KafkaError.TOPIC_AUTHORIZATION_FAILED: AccessRefused,
    KafkaError.GROUP_AUTHORIZATION_FAILED: AccessRefused,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: AccessRefused,
    KafkaError.SASL_AUTHENTICATION_FAILED: AccessRefused,
    AUTHENTICATION: AccessRefused,
    KafkaError.MSG_SIZE_TOO_LARGE: PreconditionFailed,
    KafkaError.RECORD_LIST_TOO_LARGE: PreconditionFailed,
    KafkaError.TOPIC_EXCEPTION: PreconditionFailed,
    KafkaError.TOPIC_ALREADY_EXISTS: PreconditionFailed,
    KafkaError.INVALID_PARTITIONS: PreconditionFailed,
    KafkaError.INVALID_REPLICATION_FACTOR: PreconditionFailed,
    KafkaError.INVALID_CONFIG: PreconditionFailed,
    KafkaError.INVALID_REQUEST: PreconditionFailed,
    KafkaError.INVALID_GROUP_ID: PreconditionFailed,
    KafkaError.POLICY_VIOLATION: PreconditionFailed,
    KafkaError.TOPIC_DELETION_DISABLED: PreconditionFailed,
    KafkaError.GROUP_MAX_SIZE_REACHED: ResourceError,
    KafkaError.KAFKA_STORAGE_ERROR: ResourceError,
    KafkaError.NOT_ENOUGH_REPLICAS: ResourceError,
    KafkaError.THROTTLING_QUOTA_EXCEEDED: ResourceError,
    QUEUE_FULL: ResourceError,
}


def told_by_code(code: int, text: str) -> BatonError:
    """An error of the protocol, or of librdkafka, with the broker's own text."""
    kind = BY_CODE.get(code)
    if kind is not None:
        return kind(text)
    return ConnectionLost(text)


def text_of_code(code: int) -> str:
    """librdkafka's text for a code."""
    return KafkaError(code).str().removeprefix("Broker: ")


def error_of(error: object, doing: str) -> BatonError:
    """An error of confluent-kafka. ``doing``: the operation, for errors whose text is only a time."""
    if isinstance(error, BatonError):
        return error
    if isinstance(error, KafkaException):
        error = error.args[0]
    if isinstance(error, KafkaError):
        code, text = error.code(), error.str().removeprefix("Broker: ")
        if code in BY_CODE:
            return told_by_code(code, text)
        return ConnectionLost(f"{doing}: {text}")
    return ConnectionLost(f"{doing}: {error}")
