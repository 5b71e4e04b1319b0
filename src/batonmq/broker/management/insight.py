"""Requests about the inside of a queue: holders of groups, deduplication keys, causes of death."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from batonmq.broker.features.groups import group_of
from batonmq.broker.features.publish_headers import DEDUPLICATION, KEY_BYTES, key_of
from batonmq.broker.management.dead_letters import survey
from batonmq.broker.queues.browsing import Browser
from batonmq.errors import NotFound, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batonmq.broker.features.deduplication import KnownKey
    from batonmq.broker.management.request import Answer, Request
    from batonmq.broker.model.consumer import Consumer
    from batonmq.broker.queues.queue import Queue

GROUPS_MAX = 1_000
# The most messages checked when counting those of each group.
GROUP_LOOKS = 10_000
KEYS_DEFAULT, KEYS_MAX = 100, 1_000


# ---------------------------------------------------------------------- groups


def _groups(request: Request) -> None:
    queue = request.operations.require_readable(request.text("queue"))
    _Groups(request, queue, request.number("count", 1, GROUPS_MAX) or GROUPS_MAX).go_on()


class _Groups:
    """Counts the waiting messages of each group, some per turn."""

    __slots__ = ("_browser", "_left", "_most", "_queue", "_request", "_waiting")

    def __init__(self, request: Request, queue: Queue, most: int) -> None:
        self._request = request
        self._queue = queue
        self._most = most
        self._left = GROUP_LOOKS
        self._browser = Browser(queue)
        self._waiting: Counter[str] = Counter()

    def go_on(self) -> None:
        header = self._queue.settings.group_header
        try:
            browsed = self._browser.read(min(self._left, 100))
        except StoreError as error:
            self._request.refuse(error)
            return
        self._left -= len(browsed)
        for one in browsed:
            group = group_of(one.message, header) if not one.message.properties.plain else None
            if group is not None:
                self._waiting[group] += 1
        if self._left and not self._browser.finished:
            self._request.wait_for_read(self.go_on)
        else:
            self._request.reply(self._answer())

    def _answer(self) -> Answer:
        selection = self._queue.selection
        held = dict(selection.held_groups(GROUP_LOOKS)) if selection is not None else {}
        names = [*held, *(name for name in self._waiting if name not in held)]
        groups: list[Answer] = []
        for name in names[: self._most]:
            holder: Answer | None = None
            if name in held:
                holder = _describe_holder(held[name])
            groups.append({"group": name, "holder": holder, "waiting": self._waiting[name]})
        is_all = self._browser.finished and len(names) <= self._most
        return {"groups": groups, "sampled": not is_all}


def _describe_holder(consumer: Consumer | None) -> Answer:
    """The holder of a group; None: a client that fetches messages one by one."""
    if consumer is None:
        return {"consumer_tag": None, "connection": None, "channel": None}
    subscriber = consumer.subscriber()
    return {
        "consumer_tag": consumer.tag,
        "connection": subscriber.client.name if subscriber is not None else None,
        "channel": subscriber.channel if subscriber is not None else None,
    }


# ---------------------------------------------------------------------- deduplication keys


def _keys(request: Request) -> Answer:
    queue = request.operations.require_readable(request.text("queue"))
    known = queue.keys
    value = request.optional_text("value")
    if value is not None:
        found = _find(queue, value)
        return {"keys": [_shown(found)] if found is not None else [], "total": len(known or ()), "next": None}
    number = request.number("count", 1, KEYS_MAX) or KEYS_DEFAULT
    after = request.number("after") or 0
    if known is None:
        return {"keys": [], "total": 0, "next": None}
    keys, following = known.listed(after, number)
    return {"keys": [_shown(key) for key in keys], "total": len(known), "next": following or None}


def _shown(known: KnownKey) -> Answer:
    return {"key": known.key.hex(), "expires_at": known.expires_at or None}


def _find(queue: Queue, text: str) -> KnownKey | None:
    """The key that a text stands for: as it is listed, in hexadecimal digits, or as the text of a message's header."""
    if queue.keys is None:
        return None
    found = None
    if len(text) == 2 * KEY_BYTES and all(digit in "0123456789abcdef" for digit in text):
        found = queue.keys.find(bytes.fromhex(text))
    if found is None:
        key = key_of({DEDUPLICATION: text})
        found = queue.keys.find(key) if key is not None else None
    return found


def _forget(request: Request) -> Answer:
    name = request.text("queue")
    queue = request.operations.require_writable(name)
    text = request.text("key")
    found = _find(queue, text)
    if found is None:
        raise NotFound(f"no deduplication key '{text[:64]}' in queue '{queue.name}'")
    request.operations.forget_key(name, found.key)
    return {}


INSIGHT_OPERATIONS: dict[str, Callable[[Request], Answer | None]] = {
    "queues.groups": _groups,
    "queues.keys": _keys,
    "queues.forget": _forget,
    "queues.deaths": survey,
}
