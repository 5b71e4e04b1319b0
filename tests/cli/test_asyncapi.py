"""batonmq asyncapi: a document out of the handlers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest

import batonmq
from batonmq.api.applications.asyncapi import asyncapi_document
from batonmq.testing import TestClient


class Order(msgspec.Struct):
    id: int


@dataclass
class Receipt:
    order: int


class Person(pydantic.BaseModel):
    name: str


class Group(pydantic.BaseModel):
    people: list[Person]


def described(app: batonmq.Worker, url: str | None = None) -> dict[str, Any]:
    document = asyncapi_document(app, title="Shop", version="2.3", url=url)
    assert json.loads(json.dumps(document)) == document
    for reference in references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
    return document


def references(part: object) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if "$ref" in part else []
        return own + [one for value in part.values() for one in references(value)]
    return [one for value in part for one in references(value)] if isinstance(part, list) else []


def test_handlers_are_operations_on_channels_with_messages_and_replies() -> None:
    app = batonmq.Worker("amqp://ann:secret@broker.example:5672/shop")

    @app.handler("orders")
    def take(order: Order) -> Receipt | None:
        """Take an order.

        It is charged at once.
        """

    @app.handler("groups/all")
    async def group(group: Group) -> list[Person]:
        return group.people

    app.handler("raw")(lambda _: None)
    found = described(app)
    assert found["asyncapi"] == "3.0.0"
    assert found["info"] == {"title": "Shop", "version": "2.3"}
    assert found["servers"]["queues"] == {
        "host": "broker.example:5672",
        "protocol": "amqp",
        "protocolVersion": "0-9-1",
        "pathname": "/shop",
        "security": [{"type": "userPassword"}],
    }
    assert "secret" not in json.dumps(found)
    assert found["channels"]["groups_all"]["address"] == "groups/all"
    assert found["channels"]["orders_reply"]["address"] is None
    operation = found["operations"]["take"]
    assert (operation["action"], operation["summary"]) == ("receive", "Take an order.")
    assert operation["reply"]["messages"] == [{"$ref": "#/channels/orders_reply/messages/Receipt_None"}]
    assert "reply" not in found["operations"]["lambda"]
    assert set(found["components"]["schemas"]) == {"Order", "Receipt", "Group", "Person"}


def test_text_is_a_body_as_it_is_and_a_reply_as_json() -> None:
    app = batonmq.Worker("memory:")
    app.handler("texts")(upper)
    channels = described(app)["channels"]
    assert channels["texts"]["messages"]["str"]["contentType"] == "text/plain"
    assert channels["texts_reply"]["messages"]["str"] == {
        "name": "str",
        "title": "str",
        "contentType": "application/json",
        "payload": {"type": "string"},
    }
    with TestClient(app) as client:
        reply = client.request("texts", b"tea")
    assert (reply.body, reply.content_type) == (b'"TEA"', "application/json")


def upper(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("orders.db", {"host": "localhost", "protocol": "batonmq", "description": "Queues in the file orders.db."}),
        ("memory:", {"host": "localhost", "protocol": "batonmq", "description": "Queues in memory."}),
        ("amqp10s://broker", {"host": "broker", "protocol": "amqps", "protocolVersion": "1.0"}),
        ("kafka://one:9092,two:9092", {"host": "one:9092,two:9092", "protocol": "kafka"}),
    ],
)
def test_the_server_is_where_the_queues_are(url: str, server: dict[str, str]) -> None:
    app = batonmq.Worker()
    app.handler("raw")(lambda _: None)
    assert "servers" not in described(app)
    assert described(app, url)["servers"] == {"queues": server}


def test_handlers_of_one_name_are_two_operations() -> None:
    app = batonmq.Worker()
    for queue in ("one/a", "one a"):
        app.handler(queue)(lambda _: None)
    found = described(app)
    assert list(found["channels"]) == ["one_a", "one_a_2"]
    assert list(found["operations"]) == ["lambda", "lambda_2"]


def test_the_command_writes_to_stdout_or_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import batonmq\napp = batonmq.Worker()\n@app.handler('orders')\ndef take(order: dict[str, int]) -> int: ...\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "batonmq", "asyncapi", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, check=False, timeout=60
        )

    printed = run("shop:app", "--title", "Shop", "--url", "amqp://broker")
    assert printed.returncode == 0, printed.stderr
    document = json.loads(printed.stdout)
    assert (document["info"]["title"], document["servers"]["queues"]["host"]) == ("Shop", "broker")
    assert run("shop:app", "-o", "asyncapi.json").stdout == ""
    assert json.loads((tmp_path / "asyncapi.json").read_text())["info"]["title"] == "shop:app"
    assert "No such file" in run("shop:app", "-o", "nowhere/asyncapi.json").stderr
    wrong = run("shop:app", "--url", "gopher://host")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
    assert "not a batonmq.Worker" in run("shop:take").stderr
