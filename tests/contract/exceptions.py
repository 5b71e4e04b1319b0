"""Where an engine does otherwise than the contract, and nothing of ours can mend it: each with what was measured."""

from __future__ import annotations

from collections.abc import Mapping

from batonmq.testing.contract import Otherwise

__all__ = ["EXCEPTIONS", "exceptions_of"]

_COUNTS = (
    "Artemis 2.56 counts a lost connection as a delivery only now and then: 12 in a row were counted as "
    "0,0,0,0,1,1,2,3,4,4,4,4, and 12 ended by FIN as 0,0,1,1,2,2,2,2,2,3,4,4"
)

_BEHIND = (
    "over AMQP Classic 6.3 keeps a released message on the link that had it, and loses its count with that, so that "
    "release() sends a copy, which is behind all others: b'1' came before the b'0' that was released"
)

_TWICE = "Kafka 4.4 hands a message out at least twice: it refuses a share.delivery.count.limit below 2"

# By the engine and the name of the test.
EXCEPTIONS = {
    ("artemis", "test_what_a_killed_process_held_comes_back_redelivered"): Otherwise(_COUNTS, always=False),
    ("artemis", "test_what_ends_its_process_too_often_is_a_dead_letter"): Otherwise(_COUNTS, always=False),
    ("artemis", "test_a_full_queue_takes_what_waits_for_its_time"): Otherwise(
        "Artemis 2.56 counts what is delayed or held as well, when it refuses what is too much for an address"
    ),
    ("artemis", "test_in_a_full_queue_the_oldest_gives_way"): Otherwise(
        "a ring queue of Artemis 2.56 drops what it pushes out: none of 2 came to the dead letters, so that declare() "
        "refuses the two together"
    ),
    ("artemis", "test_a_group_is_in_one_pair_of_hands_at_a_time_and_in_order"): Otherwise(
        "Artemis 2.56 gives nothing to others while the next message is one of a group whose owner has no room: for "
        "30 s b0 was not delivered behind a1",
        always=False,  # and it takes those 30 s to see
    ),
    ("activemq", "test_a_released_message_comes_next"): Otherwise(_BEHIND),
    ("activemq", "test_a_group_is_in_one_pair_of_hands_at_a_time_and_in_order"): Otherwise(_BEHIND),
    ("activemq", "test_a_message_arrives_as_it_was_sent"): Otherwise(
        "Classic 6.3 ends the connection for a message whose headers have a table in them, or bytes in a list "
        "(amqp:decode-error: Could not process AMQP commands), so that send() refuses it"
    ),
    ("activemq", "test_a_time_to_live_ends"): Otherwise(
        "in Classic 6.3 what expires goes where a policy of its configuration has it, ActiveMQ.DLQ at first: 0 of 1 "
        "came to the dead letters that were declared"
    ),
    ("activemq", "test_a_queues_time_to_live_ends"): Otherwise(
        "Classic 6.3 has no time to live of a queue, so that declare() refuses it"
    ),
    ("qpid", "test_in_a_full_queue_the_oldest_gives_way"): Otherwise(
        "a ring queue of Broker-J 9.2 drops what it pushes out: 0 of 2 came to the dead letters, so that declare() "
        "refuses the two together"
    ),
    ("rabbitmq10", "test_a_full_queue_refuses"): Otherwise(
        "a quorum queue of RabbitMQ 4.3 takes one message more than its limit before it refuses: 2 of 5 where 1 was "
        "the limit",
        always=False,
    ),
    ("kafka", "test_a_rejected_message_goes_to_the_dead_letters_and_nowhere_else"): Otherwise(
        "Kafka 4.4 copies the value of a record to the dead letters, and none of its headers"
    ),
    ("kafka", "test_what_nobody_has_seen_is_neither_counted_nor_redelivered"): Otherwise(
        "Kafka 4.4 counts when it hands messages out, whether anybody looks at them or not",
        always=False,
    ),
    ("kafka", "test_what_ends_its_process_too_often_is_a_dead_letter"): Otherwise(_TWICE),
    ("kafka", "test_dead_letters_are_replayed_in_order_and_can_die_again"): Otherwise(_TWICE),
    ("kafka", "test_a_purge_drops_what_is_ready_and_leaves_what_is_held"): Otherwise(
        "Kafka 4.4 drops records up to an offset, whoever holds them: what is held does not come again"
    ),
}


def exceptions_of(engine: str) -> Mapping[str, Otherwise]:
    """By the name of the test."""
    return {test: otherwise for (name, test), otherwise in EXCEPTIONS.items() if name == engine}
