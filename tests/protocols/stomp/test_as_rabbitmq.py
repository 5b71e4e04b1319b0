"""Dialect rabbitmq, conversation by conversation, as RabbitMQ 4.3 has them."""

from __future__ import annotations

import pytest

from tests.support.driven import Driven
from tests.support.stomp import Client, settings
from tests.support.stomp_script import Script, play

TAKEN = """
    a {version} rabbitmq
    a> SEND destination:/queue/q | m
    a> SUBSCRIBE destination:/queue/q id:1 ack:client-individual
    a< MESSAGE redelivered:false | m
"""
UNKNOWN_TAG = "a< ERROR message:precondition_failed -subscription | PRECONDITION_FAILED - unknown delivery tag 1\n a$"


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("subscription", ["", "subscription:1", "subscription:2", "subscription:other"])
@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_the_id_of_the_message_alone_counts(driven: Driven, version: str, subscription: str, command: str) -> None:
    name = "id" if version == "1.2" else "message-id"
    play(
        driven,
        TAKEN.format(version=version)
        + f"""
        a> SUBSCRIBE destination:/queue/other id:2 ack:client
        a> {command} {name}:$1 {subscription} requeue:false receipt:r
        a< RECEIPT receipt-id:r
        a!
        b 1.2 rabbitmq
        b> SUBSCRIBE destination:/queue/q id:1
        """,
    )


@pytest.mark.parametrize(
    ("version", "sent", "answer"),
    [
        ("1.0", "ACK", 'message:"Missing header" | "ACK" must include the "message-id" header\\n'),
        ("1.1", "NACK subscription:1", 'message:"Missing header" | "NACK" must include the "message-id" header\\n'),
        ("1.1", "ACK id:$1", 'message:"Missing header" | "ACK" must include the "message-id" header\\n'),
        ("1.2", "ACK message-id:$1", 'message:"Missing header" | "ACK" must include the "id" header\\n'),
        ("1.2", "NACK id:what", 'message:"Invalid header" | "NACK" must include a valid "id" header\\n'),
        ("1.1", "ACK message-id:a.b.c", 'message:"Invalid header" | "ACK" must include a valid "message-id" header\\n'),
    ],
)
def test_an_ack_that_names_nothing(driven: Driven, version: str, sent: str, answer: str) -> None:
    play(
        driven,
        TAKEN.format(version=version)
        + f"a> {sent}\n a< ERROR {answer}\n a> ACK id:$1 message-id:$1 receipt:r\n a< RECEIPT",
    )


@pytest.mark.parametrize("command", ["ACK", "NACK"])
def test_what_is_settled_cannot_be_settled_again(driven: Driven, command: str) -> None:
    play(driven, TAKEN.format(version="1.2") + f"a> ACK id:$1\n a> {command} id:$1\n {UNKNOWN_TAG}")


def test_what_was_taken_without_acknowledgement_cannot_be_settled(driven: Driven) -> None:
    play(
        driven,
        f"""
        a 1.1 rabbitmq
        a> SEND destination:/queue/q | m
        a> SUBSCRIBE destination:/queue/q id:1
        a< MESSAGE | m
        a> ACK message-id:$1 subscription:1
        {UNKNOWN_TAG}
        """,
    )


@pytest.mark.parametrize("word", ["true", "TRUE", "maybe", ""])
def test_requeue_is_what_the_dialect_has_unless_it_is_true_or_false(driven: Driven, word: str) -> None:
    play(driven, TAKEN.format(version="1.2") + f"a> NACK id:$1 requeue:{word}\n a< MESSAGE redelivered:true | m")


VALID = "Valid destination types are: /temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue/.\\n"
DESTINATIONS = {
    **{
        prefix + rest: ("Invalid destination", f"'{rest}' is not a valid {kind} destination\\n")
        for prefix, kind in (
            ("/queue", "queue"),
            ("/topic", "topic"),
            ("/exchange", "exchange"),
            ("/amq/queue", "amqqueue"),
            ("/temp-queue", "temp_queue"),
        )
        for rest in ("", "/", "//x", "/a/b/c")
    },
    **{
        text: ("Unknown destination", f"'{text}' is not a valid destination.\\n{VALID}")
        for text in ("/", "//x", "/bogus/x", "/queues", "/amq", "/amq/", "/amq/queues/q", "/reply-queue", "a/b")
    },
    "": ("Invalid destination", "Destination cannot be blank"),
    "/reply-queue/": ("Invalid destination", "'/' is not a valid reply_queue destination\\n"),
}


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
@pytest.mark.parametrize("text", DESTINATIONS)
def test_destinations_that_are_none(driven: Driven, text: str, command: str) -> None:
    message, body = DESTINATIONS[text]
    play(
        driven,
        f"""
        a 1.2 rabbitmq
        a> {command} destination:{text} id:1
        a< ERROR message:"{message}" content-type:text/plain version:1.0,1.1,1.2 | {body}
        a> SEND destination:/queue/q receipt:r
        a< RECEIPT
        """,
    )


NO_SUBSCRIPTION = "UNSUBSCRIBE must refer to an existing subscription.\\nSubscription to"
ERRORS = [
    ("SEND", "Missing destination", "\"SEND\" must include a 'destination' header\\n", True),
    ("SUBSCRIBE id:1", "Missing destination", "\"SUBSCRIBE\" must include a 'destination' header\\n", True),
    ("SEND destination:/queue/q message-id:1", "Invalid header", "'message-id' is not allowed on 'SEND'.\\n", True),
    (
        "SEND destination:/temp-queue/x",
        "Invalid destination",
        "'/temp-queue/x' is not a valid destination for 'SEND'\\n",
        True,
    ),
    (
        "SUBSCRIBE destination:/temp-queue/x id:1",
        "Invalid destination",
        "'/temp-queue/x' is not a valid destination for 'SUBSCRIBE'\\n",
        True,
    ),
    ("SEND destination:/exchange/none/k", "not_found", "NOT_FOUND - no exchange 'none' in vhost '/'", False),
    ("SUBSCRIBE id:1 destination:/exchange/none", "not_found", "NOT_FOUND - no exchange 'none' in vhost '/'", False),
    ("SUBSCRIBE id:1 destination:/amq/queue/none", "not_found", "NOT_FOUND - no queue 'none' in vhost '/'", False),
    (
        "SEND destination:/queue/q user-id:other",
        "precondition_failed",
        "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'",
        False,
    ),
    (
        "SUBSCRIBE id:1 destination:/queue/taken",
        "Duplicated subscription identifier",
        "A subscription identified by 'T_1' already exists.",
        False,
    ),
    (
        "SUBSCRIBE destination:/topic/t durable:true",
        "Missing Header",
        "Header 'id' is required for durable subscriptions",
        True,
    ),
    ("WHAT", "Bad command", 'Could not interpret command "WHAT"\\n', True),
    ("BEGIN", "Missing transaction", "\"BEGIN\" must include a 'transaction' header\\n", True),
    ("COMMIT transaction:t", "Bad transaction", 'Invalid transaction identifier: "t"\\n', True),
    (
        "UNSUBSCRIBE",
        "Missing destination or id",
        "UNSUBSCRIBE must include a 'destination' or 'id' header",
        True,
    ),
    (
        "UNSUBSCRIBE id:9",
        "No subscription found",
        f"{NO_SUBSCRIPTION} \"id='9'\" not found.\\n",
        True,
    ),
    (
        "UNSUBSCRIBE destination:/queue/x",
        "No subscription found",
        f"{NO_SUBSCRIPTION} \"destination='/queue/x'\" not found.\\n",
        True,
    ),
    ("UNSUBSCRIBE id:/temp-queue/x", "Invalid id", "UNSUBSCRIBE 'id' may not start with /temp-queue/\\n", True),
]


@pytest.mark.parametrize(("sent", "message", "body", "stays"), ERRORS)
def test_errors_to_the_last_octet(driven: Driven, sent: str, message: str, body: str, *, stays: bool) -> None:
    play(
        driven,
        f"""
        a 1.2 rabbitmq
        a> SUBSCRIBE id:{"1" if "taken" in sent else "0"} destination:/queue/taken
        a> {sent}
        a< ERROR message:"{message}" content-type:text/plain version:1.0,1.1,1.2 | {body}
        """
        + ("a> SEND destination:/queue/q receipt:r\n a< RECEIPT" if stays else "a$"),
    )


REFUSED = [
    ({"host": "//"}, "Bad CONNECT", b"Virtual host '//' access denied"),
    ({"login": "gust"}, "Bad CONNECT", b"Access refused for user 'gust'"),
    ({"passcode": "wrong"}, "Bad CONNECT", b"Access refused for user 'guest'"),
    ({"accept-version": "9.9"}, "Version mismatch", b"Supported versions are 1.0,1.1,1.2\n"),
]


@pytest.mark.parametrize(("headers", "message", "body"), REFUSED)
def test_a_refused_connect_leaves_the_connection_for_another(
    driven: Driven, headers: dict[str, str], message: str, body: bytes
) -> None:
    client = Client(driven, settings("rabbitmq"))
    good = {"accept-version": "1.2", "host": "/", "login": "guest", "passcode": "guest"}
    # What was sent along with it is not taken for something else.
    client.put("CONNECT", good | headers)
    (error, second) = client.do("SEND", {"destination": "/queue/q"})
    assert (error["message"], error.body) == (message, body)
    assert (second["message"], second.body) == ("Illegal command", b"You must log in using CONNECT first")
    assert not client.has_ended()
    (connected,) = client.do("CONNECT", good)
    assert connected.command == "CONNECTED"
    assert [frame.command for frame in client.send("/queue/q", "m", receipt="r")] == ["RECEIPT"]


def test_whoever_is_refused_has_no_longer_than_others_to_log_in(driven: Driven) -> None:
    client = Client(driven, settings("rabbitmq"))
    client.login(passcode="wrong")
    assert client.wait(9) == []
    assert not client.has_ended()
    client.wait(2)
    assert client.has_ended()


def test_a_time_to_live_is_told_as_it_was_sent(driven: Driven) -> None:
    play(
        driven,
        """
        a 1.2 rabbitmq
        a> SUBSCRIBE destination:/queue/q id:1
        a> SEND destination:/queue/q expiration:60000 | m
        a< MESSAGE expiration:60000 -expires | m
        """,
    )


def test_a_subscription_whose_queue_goes(driven: Driven) -> None:
    driven.queue("q")
    script = Script(driven)
    script.play(
        """
        a 1.2 rabbitmq
        a> SUBSCRIBE destination:/queue/q
        b 1.2 rabbitmq
        b> SUBSCRIBE destination:/queue/q id:7
        """
    )
    driven.operations.delete_queue("q")
    gone = "The server has canceled a subscription.\\nNo more messages will be delivered for"
    script.play(
        f"""
        a> SEND destination:/queue/other
        a< ERROR message:"Server cancelled subscription" -subscription | {gone} "destination='/queue/q'".\\n
        b< ERROR message:"Server cancelled subscription" subscription:7 | {gone} "id='7'".\\n
        """
    )


@pytest.mark.parametrize("headers", ["", "durable:true auto-delete:false"], ids=["passing", "durable"])
def test_queues_of_subscriptions_have_a_prefix_that_rights_can_be_given_for(driven: Driven, headers: str) -> None:
    play(
        driven, f"a 1.2 rabbitmq\n a> SUBSCRIBE destination:/topic/x id:1 receipt:r {headers}\n a< RECEIPT receipt-id:r"
    )
    (name,) = driven.broker.vhosts["/"].queues
    assert name.startswith("stomp-subscription-")
