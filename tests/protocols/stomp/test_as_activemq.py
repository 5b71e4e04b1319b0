"""Dialect activemq, conversation by conversation, as ActiveMQ Classic 6.3 has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from batonmq.broker import Permission, User
from batonmq.errors import PreconditionFailed
from batonmq.message import Message
from batonmq.properties import Properties
from batonmq.protocols.sessions.topics import virtual_topic
from batonmq.protocols.stomp.composites import matches, parts_of, with_options
from tests.support.driven import Driven
from tests.support.stomp import Client, bodies, settings
from tests.support.stomp_script import Script, play

CONVERSATIONS = {
    "a nack makes a dead letter": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/q ack:client-individual
        a> SEND destination:/queue/q persistent:true foo:bar correlation-id:c | m
        a< MESSAGE | m
        a> NACK id:$1 receipt:n
        a< RECEIPT
        a> SUBSCRIBE id:d destination:/queue/ActiveMQ.DLQ ack:client-individual
        a< MESSAGE destination:/queue/ActiveMQ.DLQ original-destination:/queue/q foo:bar -redelivered | m
        a> NACK id:$2 receipt:n
        a< RECEIPT
        """,
    "so does one that goes to a subscription of a topic": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/topic/t ack:client-individual
        a> SEND destination:/topic/t | m
        a< MESSAGE | m
        a> NACK id:$1
        a> SUBSCRIBE id:d destination:/queue/ActiveMQ.DLQ
        a< MESSAGE destination:/queue/ActiveMQ.DLQ original-destination:/topic/t | m
        """,
    "what expires is a dead letter": """
        a 1.2 activemq
        a> SEND destination:/queue/q expires:1700000001500 foo:bar | m
        a. 2
        a> SUBSCRIBE id:d destination:/queue/ActiveMQ.DLQ
        a< MESSAGE original-destination:/queue/q dlqDeliveryFailureCause:"Message Expired" expires:0 foo:bar | m
        """,
    "dead letters that a queue names itself": """
        a 1.2 activemq
        a> SUBSCRIBE id:d destination:/queue/own
        a> SUBSCRIBE id:1 destination:/queue/q ack:client x-dead-letter-exchange: x-dead-letter-routing-key:own
        a> SEND destination:/queue/q | m
        a< MESSAGE subscription:1 | m
        a> NACK id:$1
        a< MESSAGE subscription:d original-destination:/queue/q | m
        """,
    "text has no content-length, octets have": """
        a 1.2 activemq
        b 1.0 activemq
        c 1.2 rabbitmq
        a> SEND destination:/topic/t receipt:r | nobody is there
        a< RECEIPT
        a> SUBSCRIBE id:1 destination:/topic/t
        b> SUBSCRIBE id:1 destination:/topic/t
        c> SUBSCRIBE id:1 destination:/topic/t
        a> SEND destination:/topic/t foo:bar | text
        a< MESSAGE -content-length foo:bar -x-opt-jms-msg-type | text
        b< MESSAGE -content-length foo:bar | text
        c< MESSAGE content-length:4 timestamp:1700001000 -x-opt-jms-msg-type -timestamp_in_ms | text
        a> SEND destination:/topic/t content-length:2 | \\x00o
        a< MESSAGE content-length:2 | \\x00o
        b< MESSAGE content-length:2 | \\x00o
        c< MESSAGE content-length:2 | \\x00o
        a> SEND destination:/topic/t amq-msg-type:bytes | bytes
        a< MESSAGE content-length:5 | bytes
        b< MESSAGE content-length:5 | bytes
        c< MESSAGE content-length:5 | bytes
        a> SEND destination:/topic/t |
        a< MESSAGE -content-length |
        b< MESSAGE -content-length |
        c< MESSAGE content-length:0 |
        """,
    "text that comes again or ends is text": """
        a 1.2 activemq
        a> SEND destination:/queue/q expires:1800000000000 | text
        a> SUBSCRIBE id:1 destination:/queue/q ack:client
        a< MESSAGE -content-length expires:1800000000000 -expiration -redelivered | text
        a> NACK id:$1 requeue:true
        a< MESSAGE -content-length redelivered:true | text
        a> SUBSCRIBE id:2 destination:/queue/r browser:true
        a< MESSAGE browser:end
        a> SEND destination:/queue/r | seen
        a> SUBSCRIBE id:3 destination:/queue/r browser:true
        a< MESSAGE -content-length expires:0 -redelivered timestamp:1700001000000 | seen
        a< MESSAGE browser:end
        """,
    "every message has a timestamp": """
        a 1.2 activemq
        b 1.2 spec
        a> SUBSCRIBE id:1 destination:/topic/t
        b> SUBSCRIBE id:1 destination:/topic/t
        a> SEND destination:/topic/t | now
        a< MESSAGE timestamp:1700001000000 -timestamp_in_ms | now
        b< MESSAGE timestamp:1700001000 | now
        a. 0.25
        b> SEND destination:/topic/t timestamp:1600000000 | of a client of seconds
        a< MESSAGE timestamp:1600000000000
        b< MESSAGE timestamp:1600000000
        b> SEND destination:/topic/t | of nobody knows when
        a< MESSAGE timestamp:0
        b< MESSAGE -timestamp
        a> SEND destination:/topic/t | later
        a< MESSAGE timestamp:1700001000250 | later
        b< MESSAGE timestamp:1700001000 | later
        a> SEND destination:/topic/t timestamp:123456 | own
        a< MESSAGE timestamp:123456 | own
        b< MESSAGE timestamp:123 | own
        """,
    "user-id is a header as any other": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/q
        a> SEND destination:/queue/q user-id:somebody | m
        a< MESSAGE user-id:somebody | m
        """,
    "a send to several": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/a
        a> SUBSCRIBE id:2 destination:/queue/b
        a> SUBSCRIBE id:3 destination:/topic/c
        a> SEND destination:/queue/a,/topic/c,b,/queue/a foo:bar receipt:r persistent:true | m
        a< MESSAGE subscription:1 destination:/queue/a original-destination:/queue/a,/topic/c,b,/queue/a foo:bar | m
        a< MESSAGE subscription:3 destination:/topic/c original-destination:* foo:bar | m
        a< MESSAGE subscription:2 destination:/queue/b original-destination:* foo:bar | m
        a< RECEIPT receipt-id:r
        """,
    "a send to several in a transaction": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/a
        a> SUBSCRIBE id:2 destination:/queue/b
        a> BEGIN transaction:t
        a> SEND destination:/queue/a,/queue/b transaction:t receipt:s | gone
        a< RECEIPT receipt-id:s
        a> ABORT transaction:t
        a> BEGIN transaction:t
        a> SEND destination:/queue/a,/queue/b transaction:t | m
        a> COMMIT transaction:t
        a< MESSAGE subscription:1 | m
        a< MESSAGE subscription:2 | m
        """,
    "a subscription to several": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/a,/topic/b ack:client receipt:s
        a< RECEIPT receipt-id:s
        a> SEND destination:/queue/a | 1
        a< MESSAGE subscription:1 destination:/queue/a | 1
        a> SEND destination:/topic/b | 2
        a< MESSAGE subscription:1 destination:/topic/b | 2
        a> SEND destination:/queue/a | 3
        a< MESSAGE | 3
        a> ACK id:$2 receipt:k
        a< RECEIPT
        a> UNSUBSCRIBE id:1 receipt:u
        a< RECEIPT receipt-id:u
        a> SEND destination:/topic/b | 4
        a> SUBSCRIBE id:1 destination:/queue/a
        a< MESSAGE redelivered:true | 3
        """,
    "a pattern of queues": """
        a 1.2 activemq
        a> SEND destination:/queue/x.a | 1
        a> SEND destination:/queue/x.a.b | 2
        a> SUBSCRIBE id:1 destination:/queue/x.> receipt:s ack:client
        a< RECEIPT receipt-id:s
        a< MESSAGE subscription:1 destination:/queue/x.a | 1
        a< MESSAGE subscription:1 destination:/queue/x.a.b | 2
        b 1.2 spec
        b> SEND destination:/queue/x.later | 3
        a< MESSAGE subscription:1 destination:/queue/x.later | 3
        b> SEND destination:/queue/y.later | not this one
        a> ACK id:$3 receipt:k
        a< RECEIPT
        a> UNSUBSCRIBE id:1
        b> SEND destination:/queue/x.after | 4
        b> SUBSCRIBE id:1 destination:/queue/x.a.b
        """,
    "a pattern of one word": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/x.*.z
        a> SEND destination:/queue/x.y.z | 1
        a< MESSAGE destination:/queue/x.y.z | 1
        a> SEND destination:/queue/x.y | 2
        a> SEND destination:/queue/x.y.z.a | 3
        """,
    "a virtual topic": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/Consumer.A.VirtualTopic.t
        a> SUBSCRIBE id:2 destination:/queue/Consumer.B.VirtualTopic.t
        a> SUBSCRIBE id:3 destination:/queue/Consumer.B.VirtualTopic.t
        a> SUBSCRIBE id:4 destination:/topic/VirtualTopic.t
        a> SEND destination:/topic/VirtualTopic.t | 1
        a< MESSAGE destination:/queue/Consumer.A.VirtualTopic.t original-destination:/topic/VirtualTopic.t | 1
        a< MESSAGE subscription:2 destination:/queue/Consumer.B.VirtualTopic.t | 1
        a< MESSAGE subscription:4 destination:/topic/VirtualTopic.t -original-destination | 1
        a> SEND destination:/topic/VirtualTopic.t | 2
        a< MESSAGE subscription:1 | 2
        a< MESSAGE subscription:3 | 2
        a< MESSAGE subscription:4 | 2
        """,
    "a virtual topic of which the consumer is away": """
        a 1.2 activemq
        a> SEND destination:/queue/Consumer.A.VirtualTopic.t | straight
        a> SEND destination:/topic/VirtualTopic.t persistent:true | by the topic
        b 1.2 activemq
        b> SUBSCRIBE id:1 destination:/queue/Consumer.A.VirtualTopic.t ack:client
        b< MESSAGE | straight
        b< MESSAGE original-destination:/topic/VirtualTopic.t | by the topic
        b> NACK id:$2
        b> SUBSCRIBE id:2 destination:/queue/ActiveMQ.DLQ
        b< MESSAGE original-destination:/topic/VirtualTopic.t | by the topic
        """,
    "virtual topics by a pattern": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/Consumer.A.VirtualTopic.t.>
        a!
        b 1.2 activemq
        b> SEND destination:/topic/VirtualTopic.t | 0
        b> SEND destination:/topic/VirtualTopic.t.x.y | 1
        b> SEND destination:/topic/VirtualTopic.u | not this one
        b> SUBSCRIBE id:1 destination:/queue/Consumer.A.VirtualTopic.t.>
        b< MESSAGE destination:/queue/Consumer.A.VirtualTopic.t.> original-destination:/topic/VirtualTopic.t | 0
        b< MESSAGE destination:/queue/Consumer.A.VirtualTopic.t.> original-destination:/topic/VirtualTopic.t.x.y | 1
        """,
    "options are no part of a name": """
        a 1.2 activemq
        a> SEND destination:/queue/q?some.option=1 | 1
        a> SEND destination:/queue/q | 2
        a> SUBSCRIBE id:1 destination:/queue/q?consumer.prefetchSize=1&what=ever ack:client
        a< MESSAGE destination:/queue/q | 1
        a> ACK id:$1
        a< MESSAGE destination:/queue/q | 2
        """,
    "an option that selects": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/q?consumer.selector=a%3D1
        a> SEND destination:/queue/q a:2 | 2
        a> SEND destination:/queue/q a:1 | 1
        a< MESSAGE | 1
        """,
    "an option for those that come first": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/q
        a> SUBSCRIBE id:2 destination:/queue/q?consumer.priority=5
        a> SEND destination:/queue/q | 1
        a< MESSAGE subscription:2 | 1
        a> SEND destination:/queue/q | 2
        a< MESSAGE subscription:2 | 2
        """,
    "an exclusive consumer of a queue that was there before": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/q
        a> SUBSCRIBE id:2 destination:/queue/q activemq.exclusive:true
        a> SEND destination:/queue/q | 1
        a< MESSAGE subscription:2 | 1
        a> SEND destination:/queue/q | 2
        a< MESSAGE subscription:2 | 2
        a> UNSUBSCRIBE id:2
        a> SEND destination:/queue/q | 3
        a< MESSAGE subscription:1 | 3
        """,
    "an exclusive consumer of a new queue": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/q?consumer.exclusive=true
        a> SUBSCRIBE id:2 destination:/queue/q
        a> SEND destination:/queue/q | 1
        a< MESSAGE subscription:1 | 1
        a> SEND destination:/queue/q | 2
        a< MESSAGE subscription:1 | 2
        """,
    "not what the connection itself sends to a topic": """
        a 1.2 activemq
        b 1.2 activemq
        a> SUBSCRIBE id:1 destination:/topic/t activemq.noLocal:true
        a> SEND destination:/topic/t | own
        b> SEND destination:/topic/t | other
        a< MESSAGE | other
        a> UNSUBSCRIBE id:1
        a> SUBSCRIBE id:1 destination:/topic/t
        a> SEND destination:/topic/t | own
        a< MESSAGE | own
        """,
    "a durable subscription to a queue is none": """
        a 1.2 activemq client-id:c
        a> SUBSCRIBE id:1 destination:/queue/q activemq.subscriptionName:s
        a< ERROR | Invalid Subscription: cannot durably subscribe to a Queue destination!\\n
        """,
    "a pattern with a header that is wrong": """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/x.> activemq.prefetchSize:many
        a< ERROR message:"Invalid header"
        a> SEND destination:/queue/x.y receipt:r
        a< RECEIPT
        """,
    "a comma alone": """
        a 1.2 activemq
        a> SEND destination:,
        a< ERROR message:"Invalid destination"
        a> SUBSCRIBE id:1 destination:,
        a< ERROR message:"Invalid destination"
        """,
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(driven: Driven, name: str) -> None:
    play(driven, CONVERSATIONS[name])


def test_what_a_restart_leaves(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    play(
        driven,
        """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/Consumer.A.VirtualTopic.t ack:client
        a> SEND destination:/topic/VirtualTopic.t,/queue/q persistent:true receipt:r | text
        a< MESSAGE
        a< RECEIPT
        a> NACK id:$1 receipt:n
        a< RECEIPT
        """,
    )
    driven.crash()
    play(
        driven,
        """
        b 1.2 activemq
        b> SUBSCRIBE id:q destination:/queue/q
        b< MESSAGE -content-length timestamp:1700001000000 original-destination:/topic/VirtualTopic.t,/queue/q | text
        b> SUBSCRIBE id:d destination:/queue/ActiveMQ.DLQ
        b< MESSAGE -content-length | text
        b> SEND destination:/topic/VirtualTopic.t | to the queue that is still bound
        b> SUBSCRIBE id:1 destination:/queue/Consumer.A.VirtualTopic.t
        b< MESSAGE | to the queue that is still bound
        """,
    )


def test_a_send_to_several_goes_to_all_or_none(driven: Driven) -> None:
    driven.queue("full", x_max_length=1, x_overflow="reject-publish")
    driven.publish("first", queue="full")
    play(
        driven,
        """
        a 1.2 activemq
        a> SUBSCRIBE id:1 destination:/queue/a
        a> SEND destination:/queue/a,/queue/full receipt:r | m
        a< ERROR message:"Message refused" receipt-id:r
        a> SEND destination:/queue/a,/exchange/none/k receipt:s | m
        a< ERROR message:not_found receipt-id:s
        a$
        """,
    )
    assert driven.bodies("full") == ["first"]


def test_a_text_of_another_protocol_that_has_a_nul_keeps_its_length(driven: Driven) -> None:
    driven.queue("q")
    script = Script(driven)
    script.play("a 1.2 activemq\n a> SUBSCRIBE id:1 destination:/queue/q")
    properties = Properties.make(headers={"x-opt-jms-msg-type": 5})
    for body in (b"a\0b", b"ab"):
        driven.operations.vhost.router.publish(
            Message("", "q", properties, body), driven.operations.resolve("", "q").targets
        )
    found = script.clients["a"].read()
    assert [frame.get("content-length") for frame in found] == ["3", None]
    assert bodies(found) == ["a\0b", "ab"]


def test_queues_of_one_dialect_are_those_of_the_others(driven: Driven) -> None:
    # Whoever declares it again need not know of the dead letters that it was given.
    play(
        driven,
        """
        a 1.2 activemq client-id:c
        a> SUBSCRIBE id:1 destination:/topic/t activemq.subscriptionName:s
        a> UNSUBSCRIBE id:1
        a> SUBSCRIBE id:1 destination:/topic/t activemq.subscriptionName:s
        a> SEND destination:/queue/q receipt:r
        a< RECEIPT
        b 1.2 rabbitmq
        b> SEND destination:/queue/q receipt:r
        b< RECEIPT
        """,
    )


@pytest.mark.parametrize("name", ["activemq", "artemis"])
def test_a_client_of_another_protocol_declares_the_same_queue_without_them(tmp_path: Path, name: str) -> None:
    driven = Driven(tmp_path / "store.db")
    play(driven, f"a 1.2 {name}\n a> SEND destination:/queue/q receipt:r\n a< RECEIPT")
    for _ in range(2):
        queue = driven.operations.declare_queue("q", durable=True)
        assert queue.settings.dead_letter_exchange is not None
        with pytest.raises(PreconditionFailed, match="x-dead-letter-exchange"):
            driven.operations.declare_queue("q", durable=True, arguments={"x-dead-letter-exchange": "other"})
        with pytest.raises(PreconditionFailed, match="x-max-length"):
            driven.operations.declare_queue("q", durable=True, arguments={"x-max-length": 1})
        driven.crash()


def test_dead_letters_need_no_permission(driven: Driven) -> None:
    reader = User("reader", frozenset(), {"/": Permission(configure="^q$", write="^$", read="^q$")})
    client = Client(driven, settings("activemq"), users={"reader": ("", reader)})
    client.login(login="reader", passcode="")
    client.subscribe("/queue/q", ack="client")
    driven.publish("m")
    (message,) = client.read()
    assert client.nack(message, receipt="r")[0].command == "RECEIPT"
    assert driven.bodies("ActiveMQ.DLQ") == ["m"]


def test_a_pattern_leaves_out_what_the_user_may_not_read(driven: Driven) -> None:
    reader = User("reader", frozenset(), {"/": Permission(configure="", write="", read="^x[.]a$")})
    client = Client(driven, settings("activemq"), users={"reader": ("", reader)})
    client.login(login="reader", passcode="")
    driven.queue("x.b")
    driven.publish("not this", queue="x.b")
    assert client.subscribe("/queue/x.>") == []
    driven.queue("x.a")
    driven.publish("this", queue="x.a")
    assert bodies(client.read()) == ["this"]
    driven.queue("x.c")
    driven.publish("not that", queue="x.c")
    assert client.read() == []


def test_a_queue_that_goes_leaves_the_others_of_a_pattern(driven: Driven) -> None:
    driven.queue("x.a")
    driven.queue("x.b")
    script = Script(driven)
    script.play("a 1.2 activemq\n a> SUBSCRIBE id:1 destination:/queue/x.>")
    driven.operations.delete_queue("x.a")
    driven.publish("m", queue="x.b")
    assert bodies(script.clients["a"].read()) == ["m"]
    script.clients["a"].lose()
    assert not driven.broker.vhosts["/"]._queue_watchers


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("a.>", "a.b.c", True),
        ("a.>", "a", True),
        ("a.>", "ab", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*", "a.b.c", False),
        ("*.b", "a.b", True),
        (">", "a.b", True),
        ("*", "a", True),
        ("*", "a.b", False),
    ],
)
def test_patterns(pattern: str, name: str, *, does: bool) -> None:
    assert matches(pattern, name) is does


def test_parts_and_options() -> None:
    assert parts_of("/queue/a") == ["/queue/a"]
    assert parts_of("/queue/a, b,topic://c,?d=/queue/e,f") == ["/queue/a", "/queue/b", "topic://c"]
    headers = {"activemq.priority": "1"}
    assert with_options("/queue/a", headers) is headers
    assert with_options("/queue/a?consumer.priority=2&consumer.exclusive=true&x=y", headers) == {
        "activemq.priority": "1",
        "activemq.exclusive": "true",
    }


@pytest.mark.parametrize(
    ("queue", "topic"),
    [
        ("Consumer.A.VirtualTopic.t", "VirtualTopic.t"),
        ("Consumer.A.VirtualTopic.t.*.>", "VirtualTopic.t.*.#"),
        ("Consumer.*.VirtualTopic.t", None),
        ("Consumer.A.B.VirtualTopic.t", None),
        ("Consumer.A.VirtualTopic.", None),
        ("Consumer.A.Topic.t", None),
    ],
)
def test_virtual_topics_by_name(queue: str, topic: str | None) -> None:
    assert virtual_topic(queue) == topic
