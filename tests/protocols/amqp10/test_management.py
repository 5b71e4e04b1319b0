"""Management over a link pair: statuses and bodies as RabbitMQ 4.3 answers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from batonmq.broker import Permission, User
from batonmq.fields import LongLong
from batonmq.protocols.amqp10.codec.performatives import (
    Attach,
    Detach,
    Disposition,
    MessageProperties,
    Source,
    Target,
)
from batonmq.protocols.amqp10.codec.sections import Sections
from batonmq.protocols.amqp10.codec.values import (
    Array,
    Described,
    Long,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    encode,
)
from tests.protocols.amqp10.client import Client, Delivery, condition_of, of, one
from tests.protocols.amqp10.paired import Pair, answers
from tests.support.driven import Driven


@pytest.fixture
def driven() -> Driven:
    return Driven()


@pytest.fixture
def client(driven: Driven) -> Client:
    return Client(driven).start()


@pytest.fixture
def pair(client: Client) -> Pair:
    return Pair(client)


def shown(answer: tuple[str, object]) -> dict[str, object]:
    status, body = answer
    assert status in ("200", "201"), answer
    assert isinstance(body, dict)
    return body


# ---------------------------------------------------------------------- requests and answers


def test_answer_is_a_message(pair: Pair) -> None:
    delivery = one(pair.client.feed(pair.send("GET", "/queues/q", request_id="my request")), Delivery)
    assert delivery.transfer.settled
    sections = Sections(delivery.payload)
    properties = sections.properties()
    assert properties is not None
    assert properties.correlation_id == "my request"
    assert properties.subject == "404"
    assert sections.application_properties() == {"http:response": "1.1"}
    assert sections.body_values() == ["queue 'q' in vhost '/' not found"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00\x53\x99",
        encode(Described(ULong(0x77), None)),
        MessageProperties(message_id="1", to="/queues/q", subject="GET").encoded(),
        MessageProperties(message_id="1", to="/queues/q", subject="GET", reply_to="elsewhere").encoded(),
        MessageProperties(message_id="1", to="/queues/q", reply_to="$me").encoded(),
        MessageProperties(message_id="1", subject="GET", reply_to="$me").encoded(),
    ],
)
def test_what_is_no_request_ends_the_link(pair: Pair, payload: bytes) -> None:
    assert condition_of(one(pair.client.feed(pair.raw(payload)), Detach)).startswith("amqp:")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", "404"),
        ("GET", "/queues", "404"),
        ("GET", "/queues/q/nothing", "404"),
        ("GET", "queues/q", "404"),
        ("GET", "", "404"),
        ("PATCH", "/queues/q", "405"),
        ("POST", "/queues/q", "405"),
        ("GET", "/exchanges/e", "405"),
        ("PUT", "/bindings", "405"),
        ("GET", "/queues/%", "400"),
        ("GET", "/queues/%zz", "400"),
        ("GET", "/queues/%ff", "404"),
        ("GET", "/bindings?src=e", "400"),
        ("GET", "/bindings?src=e&key=k", "400"),
        ("GET", "/bindings?" + "a=b&" * 200, "400"),
        ("DELETE", "/bindings/nonsense", "400"),
        ("PUT", "/auth/tokens", "400"),
        ("GET", "/auth/tokens", "405"),
    ],
)
def test_paths_and_methods(pair: Pair, method: str, path: str, status: str) -> None:
    got, body = pair.ask(method, path)
    assert got == status
    assert isinstance(body, str)
    assert body
    # The links are still there.
    assert pair.ask("GET", "/queues/q")[0] == "404"


def test_who_renews_a_token_stays_who_they_are(pair: Pair) -> None:
    assert pair.ask("PUT", "/auth/tokens", b"token") == ("204", None)
    assert pair.ask("PUT", "/queues/q", {})[0] == "201"


def test_answers_wait_for_credit(driven: Driven) -> None:
    pair = Pair(Client(driven).start(), credit=0)
    assert not answers(pair.client.feed(pair.send("DELETE", "/queues/none")))
    assert answers(pair.client.credit(101, 1)) == [("200", {"message_count": 0})]


def test_unsettled_requests_are_accepted(pair: Pair) -> None:
    properties = MessageProperties(message_id="1", to="/queues/q", subject="GET", reply_to="$me")
    came = pair.client.transfer(100, properties.encoded() + encode(Described(ULong(0x77), None)))
    assert one(came, Disposition).settled
    assert answers(came)[0][0] == "404"


def test_request_without_the_other_link(client: Client) -> None:
    client.sender("/management", name="alone")
    properties = MessageProperties(message_id="1", to="/queues/q", subject="PUT", reply_to="$me")
    came = client.transfer(0, properties.encoded() + encode(Described(ULong(0x77), {})), settled=True)
    assert condition_of(one(came, Detach)) == "amqp:precondition-failed"
    assert client.driven.operations.vhost.queues == {}


# ---------------------------------------------------------------------- queues


def test_declare_and_look_up(pair: Pair) -> None:
    status, body = pair.ask("PUT", "/queues/q", {})
    assert status == "201"
    assert body == {
        "leader": "batonmq",
        "replicas": Array(str, ["batonmq"]),
        "message_count": 0,
        "consumer_count": 0,
        "name": "q",
        "vhost": "/",
        "durable": True,
        "auto_delete": False,
        "exclusive": False,
        "type": "classic",
        "arguments": {"x-queue-type": "classic"},
    }
    assert isinstance(body, dict)
    assert isinstance(body["message_count"], ULong)
    assert isinstance(body["consumer_count"], UInt)
    assert pair.ask("PUT", "/queues/q", {}) == ("200", body)
    assert pair.ask("GET", "/queues/q") == ("200", body)


def test_counts(pair: Pair, driven: Driven) -> None:
    driven.queue("q")
    driven.consume("q", prefetch=1)
    for number in range(3):
        driven.publish(f"{number}")
    driven.settle()
    body = shown(pair.ask("GET", "/queues/q"))
    assert (body["message_count"], body["consumer_count"]) == (2, 1)


def test_declared_anew_with_other_properties(pair: Pair) -> None:
    pair.ask("PUT", "/queues/q", {"arguments": {"x-max-length": 5}})
    assert pair.ask("PUT", "/queues/q", {"arguments": {"x-max-length": UByte(5)}})[0] == "200"
    for body, text in (
        ({"durable": False, "arguments": {"x-max-length": 5}}, "inequivalent arg 'durable' for queue 'q' in vhost '/'"),
        ({}, "inequivalent arg 'x-max-length' for queue 'q' in vhost '/'"),
        ({"arguments": {"x-max-length": 6}}, "received '6' but current is '5'"),
    ):
        status, reason = pair.ask("PUT", "/queues/q", body)
        assert status == "409"
        assert text in str(reason)


@pytest.mark.parametrize(
    ("name", "body", "status", "text"),
    [
        ("", {}, "400", "declare queue with empty name not allowed"),
        ("a%0Ab", {}, "400", "Bad name 'a\nb': line feed and carriage return characters not allowed"),
        ("amq.mine", {}, "403", "queue name 'amq.mine' contains reserved prefix 'amq.*'"),
        ("n" * 256, {}, "409", "more than 255 octets"),
        ("n", None, "400", "no map"),
        ("n", {"durable": 1}, "400", "bad queue property 'durable': '1'"),
        ("n", {"nonsense": True}, "400", "bad queue property 'nonsense'"),
        ("n", {1: True}, "400", "bad queue property '1'"),
        ("n", {"arguments": []}, "400", "bad queue property 'arguments'"),
        ("n", {"arguments": {1: 2}}, "400", "unsupported argument '1'"),
        ("n", {"arguments": {"x-queue-type": "odd"}}, "409", "invalid arg 'x-queue-type'"),
        ("n", {"arguments": {"x-max-length": -1}}, "409", "{value_negative,-1}"),
        ("n", {"arguments": {"x-message-ttl": "long"}}, "409", '"expected integer, got longstr"'),
        ("n", {"arguments": {"x-dead-letter-routing-key": "k"}}, "409", "routing_key_but_no_dlx_defined"),
    ],
)
def test_what_cannot_be_declared(pair: Pair, driven: Driven, name: str, body: object, status: str, text: str) -> None:
    got, reason = pair.ask("PUT", f"/queues/{name}", body)
    assert (got, text in str(reason)) == (status, True), reason
    assert driven.operations.vhost.queues == {}


def test_arguments_keep_their_types(pair: Pair, driven: Driven) -> None:
    arguments = {
        Symbol("x-max-length"): ULong(10),
        "x-overflow": "reject-publish",
        "x-own": [Long(1), {"a": True}],
        "x-nothing": None,
        "x-octets": b"\x00",
        "x-time": Timestamp(1_700_000_000_000),
    }
    body = shown(pair.ask("PUT", "/queues/q", {"arguments": arguments}))
    assert body["arguments"] == {**arguments, "x-queue-type": "classic"}
    assert driven.operations.find_queue("q").settings.max_length == 10
    assert isinstance(driven.operations.find_queue("q").arguments["x-max-length"], LongLong)


@pytest.mark.parametrize(
    ("escaped", "name"),
    [("%C3%A4%2F%20b%25", "ä/ b%"), ("a.b", "a.b"), (".", "."), ("a+b", "a+b"), ("%3B%3D", ";="), ("%61", "a")],
)
def test_names_are_percent_encoded(pair: Pair, driven: Driven, escaped: str, name: str) -> None:
    assert shown(pair.ask("PUT", f"/queues/{escaped}", {}))["name"] == name
    assert list(driven.operations.vhost.queues) == [name]
    assert shown(pair.ask("GET", f"/queues/{escaped}"))["name"] == name
    assert pair.ask("DELETE", f"/queues/{escaped}") == ("200", {"message_count": 0})
    assert driven.operations.vhost.queues == {}


def test_name_that_is_no_text(pair: Pair, driven: Driven) -> None:
    assert shown(pair.ask("PUT", "/queues/%ff", {}))["name"] == b"\xff"
    assert list(driven.operations.vhost.queues) == ["\udcff"]
    status, reason = pair.ask("PUT", "/queues/%ff", {"durable": False})
    assert status == "409"
    assert "queue '?'" in str(reason)


def test_exclusive_queue_goes_with_its_connection(pair: Pair, driven: Driven) -> None:
    assert shown(pair.ask("PUT", "/queues/mine", {"exclusive": True}))["exclusive"] is True
    other = Pair(Client(driven).start())
    assert shown(other.ask("GET", "/queues/mine"))["exclusive"] is True
    for method, path, body in (
        ("PUT", "/queues/mine", {"exclusive": True}),
        ("DELETE", "/queues/mine/messages", None),
        ("DELETE", "/queues/mine", None),
    ):
        status, reason = other.ask(method, path, body)
        assert status == "400"
        assert "cannot obtain exclusive access to locked queue 'mine'" in str(reason)
    pair.client.lose()
    assert driven.operations.vhost.queues == {}


def test_who_is_to_answer_sees_whether_anybody_waits(pair: Pair, driven: Driven) -> None:
    """RabbitMQ's client for Java asks, before its responder answers."""
    requester = Client(driven).start()
    source = Source(dynamic=True, capabilities=[Symbol("rabbitmq:volatile-queue")])
    attach = Attach(name="r", handle=UInt(1), role=True, source=source, target=Target(), snd_settle_mode=UByte(1))
    opened = one(requester.say(attach), Attach).source
    assert opened is not None
    assert opened.address is not None
    found = shown(pair.ask("GET", opened.address))
    assert found["name"] == unquote(opened.address.removeprefix("/queues/"))
    assert (found["consumer_count"], found["durable"]) == (1, False)
    requester.lose()
    assert pair.ask("GET", opened.address)[0] == "404"


def test_purge_and_delete(pair: Pair, driven: Driven) -> None:
    driven.queue("q")
    for _ in range(3):
        driven.publish("m")
    driven.settle()
    assert pair.ask("DELETE", "/queues/q/messages") == ("200", {"message_count": 3})
    driven.publish("m")
    driven.settle()
    assert pair.ask("DELETE", "/queues/q") == ("200", {"message_count": 1})
    assert pair.ask("DELETE", "/queues/q") == ("200", {"message_count": 0})
    assert pair.ask("DELETE", "/queues/q/messages") == ("404", "no queue 'q' in vhost '/'")


# ---------------------------------------------------------------------- exchanges


def test_exchanges(pair: Pair, driven: Driven) -> None:
    assert pair.ask("PUT", "/exchanges/e", {"type": "topic", "arguments": {"alternate-exchange": "other"}}) == (
        "204",
        None,
    )
    exchange = driven.operations.find_exchange("e")
    assert (exchange.kind, exchange.durable, exchange.internal, exchange.auto_delete) == ("topic", True, False, False)
    assert exchange.arguments == {"alternate-exchange": "other"}
    assert pair.ask("PUT", "/exchanges/e", {"type": "fanout"})[0] == "409"
    assert pair.ask("PUT", "/exchanges/amq.topic", {"type": "topic"}) == ("204", None)
    assert pair.ask("DELETE", "/exchanges/e") == ("204", None)
    assert pair.ask("DELETE", "/exchanges/e") == ("204", None)
    assert driven.operations.vhost.router.exchange("e") is None


@pytest.mark.parametrize(
    ("method", "name", "body", "status", "text"),
    [
        ("PUT", "e", {"type": "odd"}, "400", "unknown exchange type 'odd'"),
        ("PUT", "e", {"type": 1}, "400", "bad exchange property 'type'"),
        ("PUT", "e", {"odd": 1}, "400", "bad exchange property 'odd'"),
        ("PUT", "a%0Db", {}, "400", "Bad name"),
        ("PUT", "", {}, "403", "operation not permitted on the default exchange"),
        ("PUT", "amq.mine", {}, "403", "reserved prefix"),
        ("PUT", "amq.topic", {}, "409", "received 'direct' but current is 'topic'"),
        ("DELETE", "", None, "403", "operation not permitted on the default exchange"),
        ("DELETE", "amq.topic", None, "403", "not allowed"),
    ],
)
def test_what_cannot_be_done_to_exchanges(
    pair: Pair, method: str, name: str, body: object, status: str, text: str
) -> None:
    got, reason = pair.ask(method, f"/exchanges/{name}", body)
    assert (got, text in str(reason)) == (status, True), reason


# ---------------------------------------------------------------------- bindings


def binding(**fields: object) -> dict[str, object]:
    return {"source": "amq.direct", "binding_key": "a key/1", "arguments": {}, **fields}


def test_bind_look_up_unbind(pair: Pair, driven: Driven) -> None:
    driven.queue("q 1")
    assert pair.ask("POST", "/bindings", binding(destination_queue="q 1")) == ("204", None)
    arguments = {"x": "y", "n": Long(1)}
    assert pair.ask("POST", "/bindings", binding(destination_queue="q 1", arguments=arguments)) == ("204", None)
    query = "/bindings?src=amq.direct&dstq=q%201&key=a%20key%2F1"
    status, found = pair.ask("GET", query)
    assert status == "200"
    assert isinstance(found, list)
    plain, other = sorted(found, key=lambda each: len(each["arguments"]))
    location = "/bindings/src=amq.direct;dstq=q%201;key=a%20key%2F1;args="
    assert plain == {**binding(destination_queue="q 1"), "location": location}
    assert other["arguments"] == arguments
    assert other["location"].startswith(location)
    assert other["location"] != location
    assert pair.ask("DELETE", location + "AAAA") == ("204", None)
    assert pair.ask("GET", query) == ("200", found)
    assert pair.ask("DELETE", other["location"]) == ("204", None)
    assert pair.ask("GET", query) == ("200", [plain])
    assert pair.ask("DELETE", plain["location"]) == ("204", None)
    assert pair.ask("GET", query) == ("200", [])


def test_bindings_of_exchanges(pair: Pair) -> None:
    assert pair.ask("POST", "/bindings", binding(destination_exchange="amq.fanout")) == ("204", None)
    status, found = pair.ask("GET", "/bindings?src=amq.direct&dste=amq.fanout&key=a%20key/1")
    assert status == "200"
    assert isinstance(found, list)
    assert found[0]["destination_exchange"] == "amq.fanout"
    assert pair.ask("DELETE", found[0]["location"]) == ("204", None)
    assert pair.ask("GET", "/bindings?src=amq.direct&dste=amq.fanout&key=a%20key/1") == ("200", [])


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (binding(destination_queue="none"), "400", "no queue 'none' in vhost '/'"),
        (binding(destination_queue="q", source="none"), "400", "no exchange 'none' in vhost '/'"),
        (binding(destination_queue="q", source=""), "403", "operation not permitted on the default exchange"),
        (binding(destination_exchange=""), "403", "operation not permitted on the default exchange"),
        (binding(), "400", "a binding has a source"),
        (binding(destination_queue="q", destination_exchange="e"), "400", "a binding has a source"),
        (binding(destination_queue="q", odd="e"), "400", "bad binding field 'odd'"),
        (binding(destination_queue="q", arguments=[]), "400", "bad binding field 'arguments'"),
        ([], "400", "no map"),
    ],
)
def test_what_cannot_be_bound(pair: Pair, driven: Driven, body: object, status: str, text: str) -> None:
    driven.queue("q")
    got, reason = pair.ask("POST", "/bindings", body)
    assert (got, text in str(reason)) == (status, True), reason


def test_what_is_not_bound(pair: Pair) -> None:
    assert pair.ask("DELETE", "/bindings/src=none;dstq=none;key=;args=") == ("204", None)
    assert pair.ask("GET", "/bindings?src=none&dstq=none&key=") == ("200", [])
    assert pair.ask("GET", "/bindings?src=&dstq=none&key=none")[0] == "403"


# ---------------------------------------------------------------------- rights, commits


def test_requests_without_a_right(driven: Driven) -> None:
    driven.queue("q")
    users = {"guest": ("guest", User("guest", frozenset(), {"/": Permission("^mine", "^mine", "^mine")}))}
    pair = Pair(Client(driven, users=users).start())
    for method, path, body in (
        ("GET", "/queues/q", None),
        ("GET", "/queues/none", None),
        ("PUT", "/queues/q", {}),
        ("PUT", "/queues/new", {}),
        ("PUT", "/queues/mine", {"arguments": {"x-dead-letter-exchange": "amq.fanout"}}),
        ("DELETE", "/queues/q", None),
        ("DELETE", "/queues/q/messages", None),
        ("PUT", "/exchanges/new", {}),
        ("DELETE", "/exchanges/none", None),
        ("POST", "/bindings", binding(destination_queue="q")),
        ("GET", "/bindings?src=amq.direct&dstq=q&key=", None),
        ("DELETE", "/bindings/src=amq.direct;dstq=q;key=;args=", None),
    ):
        status, reason = pair.ask(method, path, body)
        assert status == "403", (method, path, reason)
        assert "refused for user 'guest'" in str(reason)
    assert list(driven.operations.vhost.queues) == ["q"]
    assert pair.ask("PUT", "/queues/mine", {})[0] == "201"


def test_what_is_durable_is_answered_after_the_commit(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    pair = Pair(Client(driven).start())
    driven.slow_commits = True
    client = pair.client
    client.session.receive(pair.send("PUT", "/queues/q", {}) + pair.send("GET", "/queues/q"))
    client.session.turn_ended()
    assert not client.session.output
    assert "q" in driven.operations.vhost.queues
    assert [status for status, _ in answers(client.read())] == ["201", "200"]
    driven.crash()
    assert "q" in driven.operations.vhost.queues


def test_what_is_not_durable_is_answered_at_once(pair: Pair, driven: Driven) -> None:
    client = pair.client
    client.session.receive(pair.send("GET", "/queues/q"))
    client.session.turn_ended()
    assert client.session.output


def test_answer_to_a_client_that_is_gone(tmp_path: Path) -> None:
    driven = Driven(tmp_path / "store")
    pair = Pair(Client(driven).start())
    driven.slow_commits = True
    pair.client.session.receive(pair.send("PUT", "/queues/q", {}))
    pair.client.lose()
    assert "q" in driven.operations.vhost.queues
    assert not driven.broker.store.has_work()


def test_many_requests_in_one_go(pair: Pair) -> None:
    requests = b"".join(pair.send("PUT", f"/queues/q{number}", {}) for number in range(90))
    assert [status for status, _ in answers(pair.client.feed(requests))] == ["201"] * 90


def test_answer_larger_than_a_frame(driven: Driven) -> None:
    client = Client(driven)
    client.open(max_frame_size=UInt(512))
    client.begin()
    pair = Pair(client)
    text = "x" * 2_000
    came = client.feed(pair.send("PUT", "/queues/q", {"arguments": {"x-text": text}}))
    parts = of(came, Delivery)
    assert len(parts) > 4
    assert [bool(part.transfer.more) for part in parts] == [True] * (len(parts) - 1) + [False]
    (body,) = Sections(b"".join(part.payload for part in parts)).body_values()
    assert isinstance(body, dict)
    assert body["arguments"] == {"x-queue-type": "classic", "x-text": text}
