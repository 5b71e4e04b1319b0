"""Dialect artemis, conversation by conversation, as Artemis 2.56 has them with the settings that it is created with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.driven import Driven
from tests.support.stomp_script import Script, play

CONVERSATIONS = {
    "a name is a queue, for the first and for those after": """
        a 1.2 artemis
        a> SEND destination:q | 1
        a> SEND destination:q destination-type:ANYCAST | 2
        a> SUBSCRIBE id:1 destination:q
        a< MESSAGE destination:q | 1
        a< MESSAGE destination:q destination-type:ANYCAST | 2
        """,
    "a name that has subscribers is a topic": """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:t subscription-type:MULTICAST
        a> SUBSCRIBE id:2 destination:t
        a> SEND destination:t | 1
        a< MESSAGE subscription:1 destination:t | 1
        a< MESSAGE subscription:2 destination:t | 1
        a> SEND destination:t destination-type:ANYCAST | 2
        a> SUBSCRIBE id:3 destination:t subscription-type:ANYCAST
        a< MESSAGE subscription:3 destination:t | 2
        a> SEND destination:t destination-type:MULTICAST | 3
        a< MESSAGE subscription:1 destination:t destination-type:MULTICAST | 3
        a< MESSAGE subscription:2 | 3
        """,
    "it is one while somebody is there": """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:t subscription-type:MULTICAST
        a> SEND destination:t | 1
        a< MESSAGE | 1
        a> UNSUBSCRIBE id:1
        a> SEND destination:t | 2
        a> SUBSCRIBE id:2 destination:t
        a< MESSAGE subscription:2 | 2
        """,
    "wildcards are of topics": """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:n.#
        a> SUBSCRIBE id:2 destination:n.*
        a> SEND destination:n.a | 1
        a< MESSAGE subscription:2 destination:n.a | 1
        a< MESSAGE subscription:1 destination:n.a | 1
        a> SEND destination:n.a.b | 2
        a< MESSAGE subscription:1 destination:n.a.b | 2
        a> SEND destination:n | 3
        a< MESSAGE subscription:1 destination:n | 3
        """,
    "a queue of an address": """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:addr::q
        a> SUBSCRIBE id:2 destination:addr::other
        a> SEND destination:addr | 1
        a< MESSAGE subscription:1 destination:addr | 1
        a< MESSAGE subscription:2 destination:addr | 1
        a> SEND destination:addr::q | 2
        a< MESSAGE subscription:1 destination:addr::q | 2
        a!
        b 1.2 artemis
        b> SEND destination:addr | 3
        b> SUBSCRIBE id:1 destination:addr::q
        b< MESSAGE destination:addr | 3
        b> SUBSCRIBE id:2 destination:addr::
        b< ERROR message:"Invalid destination"
        """,
    "what expires goes to ExpiryQueue": """
        a 1.2 artemis
        a> SEND destination:q expires:1700000001500 foo:bar | m
        a. 2
        a> SUBSCRIBE id:d destination:ExpiryQueue
        a< MESSAGE _AMQ_ORIG_ADDRESS:q _AMQ_ORIG_QUEUE:q _AMQ_ACTUAL_EXPIRY:* foo:bar -dlqDeliveryFailureCause | m
        a> SUBSCRIBE id:e destination:DLQ
        """,
    "a nack counts as an ack, unless it says otherwise": """
        a 1.2 artemis
        a> SEND destination:q | 1
        a> SEND destination:q | 2
        a> SUBSCRIBE id:1 destination:q ack:client-individual
        a< MESSAGE | 1
        a< MESSAGE | 2
        a> NACK id:$1 receipt:n
        a< RECEIPT
        a> SUBSCRIBE id:d destination:DLQ
        a> NACK id:$2 requeue:false
        a< MESSAGE subscription:d destination:DLQ _AMQ_ORIG_ADDRESS:q _AMQ_ORIG_QUEUE:q -_AMQ_ACTUAL_EXPIRY | 2
        """,
    "text has no content-length in 1.0": """
        a 1.0 artemis
        b 1.2 artemis
        a> SUBSCRIBE destination:t id:1 subscription-type:MULTICAST
        b> SUBSCRIBE destination:t id:1 subscription-type:MULTICAST
        a> SEND destination:t | text
        a< MESSAGE -content-length | text
        b< MESSAGE content-length:4 -x-opt-jms-msg-type | text
        b> SEND destination:t content-length:5 | bytes
        a< MESSAGE content-length:5 | bytes
        b< MESSAGE content-length:5 | bytes
        """,
    "every message has a timestamp, and user-id is a header as any other": """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:q
        a> SEND destination:q user-id:somebody | m
        a< MESSAGE timestamp:1700001000000 user-id:somebody persistent:false priority:4 expires:0 redelivered:false | m
        a> SEND destination:q timestamp:123 | m
        a< MESSAGE timestamp:123 | m
        """,
    "not what the connection itself sends": """
        a 1.2 artemis
        b 1.2 artemis
        a> SUBSCRIBE id:1 destination:t subscription-type:MULTICAST no-local:true
        a> SEND destination:t | own
        b> SEND destination:t | other
        a< MESSAGE | other
        """,
    "names with a prefix are what they are elsewhere": """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:/topic/t
        a> SUBSCRIBE id:2 destination:/queue/q
        a> SUBSCRIBE id:3 destination:jms.queue.j
        a> SEND destination:/topic/t | 1
        a< MESSAGE destination:/topic/t | 1
        a> SEND destination:/queue/q | 2
        a< MESSAGE destination:/queue/q | 2
        a> SEND destination:jms.queue.j | 3
        a< MESSAGE destination:jms.queue.j | 3
        """,
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(driven: Driven, name: str) -> None:
    play(driven, CONVERSATIONS[name])


def test_what_was_delivered_ten_times_is_a_dead_letter(driven: Driven) -> None:
    script = Script(driven)
    script.play("z 1.2 artemis\n z> SEND destination:q foo:bar persistent:true | m")
    for name in "abcdefghij":
        script.play(
            f"{name} 1.2 artemis\n {name}> SUBSCRIBE id:1 destination:q ack:client\n {name}< MESSAGE | m\n {name}!"
        )
    script.play(
        """
        z> SUBSCRIBE id:1 destination:q
        z> SUBSCRIBE id:d destination:DLQ
        z< MESSAGE subscription:d _AMQ_ORIG_QUEUE:q foo:bar persistent:true | m
        """
    )


def test_what_a_restart_leaves(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store.db")
    play(
        driven,
        """
        a 1.2 artemis
        a> SUBSCRIBE id:1 destination:addr::q ack:client
        a> SEND destination:addr persistent:true receipt:r | 1
        a< MESSAGE | 1
        a< RECEIPT
        """,
    )
    driven.crash()
    play(
        driven,
        """
        b 1.2 artemis
        b> SEND destination:addr persistent:true receipt:r expires:1700001005000 | 2
        b< RECEIPT
        b> SUBSCRIBE id:1 destination:addr::q ack:client
        b< MESSAGE redelivered:true destination:addr | 1
        b< MESSAGE redelivered:false destination:addr | 2
        b> NACK id:$1 requeue:false
        b!
        c 1.2 artemis
        c. 10
        c> SUBSCRIBE id:d destination:DLQ
        c< MESSAGE _AMQ_ORIG_ADDRESS:addr _AMQ_ORIG_QUEUE:q | 1
        c> SUBSCRIBE id:e destination:ExpiryQueue
        c< MESSAGE _AMQ_ORIG_ADDRESS:addr _AMQ_ORIG_QUEUE:q | 2
        """,
    )
