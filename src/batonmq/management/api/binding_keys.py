"""The name of a binding in paths, beside its source and destination: its ``properties_key``.

It is the routing key, percent-encoded, "~" where that is empty; with arguments "~" and a digest of these follow.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from urllib.parse import quote_plus, unquote_plus

from batonmq.broker.routing.exchanges import Binding
from batonmq.field_encoding import encode_table
from batonmq.fields import FieldValue

__all__ = ["find_by_key", "properties_key"]

DIGEST_BYTES = 9


def properties_key(routing_key: str, arguments: Mapping[str, FieldValue]) -> str:
    """The name of a binding among those of the same source and destination."""
    encoded = _encoded(routing_key)
    if not arguments:
        return encoded or "~"
    ordered = {name: arguments[name] for name in sorted(arguments)}
    digest = blake2b(encode_table(ordered), digest_size=DIGEST_BYTES).digest()
    return f"{encoded}~{base64.urlsafe_b64encode(digest).decode()}"


def find_by_key(bindings: Iterable[Binding], key: str) -> Binding | None:
    """The binding that a path means by ``key``; None: there is none.

    A routing key is found percent-encoded once more or not: clients differ.
    """
    text, tilde, digest = key.partition("~")
    keys = {text, unquote_plus(text, errors="surrogateescape")}
    encoded_once_less = f"{_encoded(text)}{tilde}{digest}"
    found = None
    for binding in bindings:
        if binding.routing_key not in keys:
            continue
        named = properties_key(binding.routing_key, binding.arguments)
        if named == key:
            return binding
        if named == encoded_once_less:
            found = binding
    return found


def _encoded(routing_key: str) -> str:
    # "~" divides the key from the digest, and is in neither.
    return quote_plus(routing_key, safe="", errors="surrogateescape").replace("~", "%7E")
