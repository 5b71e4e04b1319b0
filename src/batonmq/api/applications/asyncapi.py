"""The handlers of a worker as an AsyncAPI document, version 3.0: channels, operations, messages and their schemas."""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from batonmq.api.applications.shift import Post
from batonmq.api.applications.worker import Worker
from batonmq.api.handlers.bodies import is_pydantic, type_name
from batonmq.api.handlers.parameters import NOTHING
from batonmq.engines.messages import Message
from batonmq.engines.urls import parse_url

__all__ = ["asyncapi_document"]

Described = dict[str, Any]

JSON = "application/json"
REFERENCE = "#/components/schemas/{name}"
# AsyncAPI's names of protocols, with their versions, by the scheme of a URL.
AMQP10 = ("amqp", "1.0")
PROTOCOLS = {
    "amqp": ("amqp", "0-9-1"),
    "amqps": ("amqps", "0-9-1"),
    "amqp10": AMQP10,
    "amqp10s": ("amqps", "1.0"),
    "artemis": AMQP10,
    "artemiss": ("amqps", "1.0"),
    "activemq": AMQP10,
    "activemqs": ("amqps", "1.0"),
    "kafka": ("kafka", ""),
    "kafka+ssl": ("kafka-secure", ""),
}


def asyncapi_document(
    worker: Worker, *, title: str, version: str, url: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """The messages that a worker takes and its replies, for people and programs that send to it.

    ``title``, ``version``: of the application.
    ``url``: where its queues are; None: as the worker says. User names and passwords are left out.

    Raises ValueError for a URL that names no engine, and for two different types of one name.
    """
    where = worker.url if url is None else url
    schemas = _Schemas()
    channels: Described = {}
    operations: Described = {}
    for post in worker._posts.values():
        _add(post, channels, operations, schemas)
    document: Described = {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version},
        "defaultContentType": JSON,
    }
    if where is not None:
        document["servers"] = {"queues": _server(os.fspath(where))}
    document["channels"] = channels
    document["operations"] = operations
    if schemas.components:
        document["components"] = {"schemas": schemas.components}
    return document


def _server(url: str) -> Described:
    target = parse_url(url)
    parts = urlsplit(url)
    if parts.scheme.lower() not in PROTOCOLS:
        # Queues in a file or in memory have no address but a path on this machine.
        where = f"the file {Path(target.location).name}" if target.engine == "file" else "memory"
        return {"host": "localhost", "protocol": "batonmq", "description": f"Queues in {where}."}
    protocol, version = PROTOCOLS[parts.scheme.lower()]
    host = parts.netloc.rpartition("@")[2]
    server: Described = {"host": host or "localhost", "protocol": protocol}
    if version:
        server["protocolVersion"] = version
    if parts.path.strip("/"):
        server["pathname"] = parts.path
    if parts.username:
        server["security"] = [{"type": "userPassword"}]
    return server


def _add(post: Post, channels: Described, operations: Described, schemas: _Schemas) -> None:
    handler = post.handler
    channel = _identifier(post.queue, channels)
    body = handler.signature.body
    message = schemas.message(object if body is None else body.annotation)
    channels[channel] = {"address": post.queue, "messages": {message["name"]: message}}
    operation: Described = {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message['name']}"}],
    }
    said = inspect.getdoc(handler.function) if inspect.isroutine(handler.function) else None
    if said:
        summary, _, rest = said.partition("\n\n")
        operation["summary"] = " ".join(summary.split())
        if rest.strip():
            operation["description"] = rest.strip()
    if handler.always_replies:
        answer = _identifier(f"{post.queue}_reply", channels)
        reply = schemas.message(handler.signature.returns, is_reply=True)
        # Each message says where its reply goes.
        channels[answer] = {"address": None, "messages": {reply["name"]: reply}}
        operation["reply"] = {
            "address": {"location": "$message.header#/reply_to", "description": "The message's property reply_to."},
            "channel": {"$ref": f"#/channels/{answer}"},
            "messages": [{"$ref": f"#/channels/{answer}/messages/{reply['name']}"}],
        }
    operations[_identifier(handler.name, operations)] = operation


def _identifier(name: str, taken: Described) -> str:
    """A key of the document for a name, different from all others, in the letters that every reader of it takes."""
    plain = re.sub(r"[^\w-]+", "_", name, flags=re.ASCII).strip("_") or "_"
    found, number = plain, 1
    while found in taken:
        number += 1
        found = f"{plain}_{number}"
    return found


class _Schemas:
    """The schemas of the types. Named ones are put among the components."""

    def __init__(self) -> None:
        self.components: Described = {}

    def message(self, annotation: object, *, is_reply: bool = False) -> Described:
        """A message whose body has a type. Text is a body as it is, and a reply as JSON."""
        content, payload = JSON, {}
        name = type_name(annotation)
        if annotation is bytes:
            content, payload = "application/octet-stream", {"type": "string", "format": "binary"}
        elif annotation is str and not is_reply:
            content, payload = "text/plain", {"type": "string"}
        elif annotation is NOTHING or annotation is object or annotation is Any or annotation is Message:
            name = "message"
        else:
            payload = self._schema(annotation)
        message: Described = {"name": _identifier(name, {}), "title": name, "contentType": content, "payload": payload}
        if not payload:
            # Any body is accepted.
            del message["contentType"], message["payload"]
        return message

    def _schema(self, annotation: Any) -> Described:  # noqa: ANN401
        if is_pydantic(annotation):
            pydantic: Any = sys.modules["pydantic"]
            schema: Described = pydantic.TypeAdapter(annotation).json_schema(
                ref_template=REFERENCE.format(name="{model}")
            )
            found = schema.pop("$defs", {})
            title = schema.get("title")
            if isinstance(annotation, type) and title == annotation.__name__:
                found[title] = schema
                schema = {"$ref": REFERENCE.format(name=title)}
        else:
            try:
                (schema,), found = msgspec.json.schema_components([annotation], ref_template=REFERENCE)
            except TypeError:
                # A handler may return anything that can be encoded.
                return {}
        for name, component in found.items():
            if self.components.setdefault(name, component) != component:
                raise ValueError(f"two different types are called {name!r}: a document has one of a name")
        return schema
