"""Topics: patterns and keys, by the exchange and by a plain reference; names of topics as other brokers have them."""

from __future__ import annotations

from collections.abc import Hashable

from batonmq.broker.routing.exchanges.base import Binding, ExchangeOptions
from batonmq.broker.routing.exchanges.topic import TopicExchange
from batonmq.protocols.sessions.topics import is_pattern, topic_key, virtual_topic
from proof.fuzz.target import Take, Target, ensure

# What a protocol brings at most, as a pattern or a key.
MOST_OCTETS = 255


class Place:
    """Where messages go."""

    survives_restart = False

    def __init__(self, name: str) -> None:
        self.name = name


def fits(pattern: str, key: str) -> bool:
    """As AMQP 0-9-1 says it (section 3.1.3.3), word by word: the places in the key where the pattern can stand."""
    words = key.split(".") if key else []
    places = {0}
    for step in pattern.split(".") if pattern else []:
        if step == "#":
            places = set(range(min(places), len(words) + 1))
        else:
            places = {place + 1 for place in places if place < len(words) and step in ("*", words[place])}
        if not places:
            return False
    return len(words) in places


def _topics() -> Take:
    def take(data: bytes) -> Hashable:
        key, *patterns = [part[:MOST_OCTETS].decode(errors="surrogateescape") for part in data.split(b"\n")][:9]
        exchange = TopicExchange(ExchangeOptions("t"))
        bindings = [Binding(exchange, Place(pattern), pattern, {}) for pattern in dict.fromkeys(patterns)]
        for binding in bindings:
            exchange.bind(binding)
        found = []
        while True:
            reached = sorted(place.name for place in exchange.match(key, {}))
            wanted = sorted(one.routing_key for one in bindings if fits(one.routing_key, key))
            ensure(reached == wanted, f"{key!r} comes to {reached!r}, and not to {wanted!r}")
            found.append(len(reached))
            if not bindings:
                break
            # The tree is taken down in another order than it was made in.
            exchange.unbind(bindings.pop(len(data) % len(bindings)))
        for name in (key, *patterns):
            topic = virtual_topic(name)
            ensure(topic is None or ">" not in topic.split("."), f"{topic!r} has a wildcard of another broker")
            ensure(">" not in topic_key(name).split("."), f"{name!r} keeps a wildcard of another broker")
            found.append(is_pattern(name))
        return tuple(found)

    return take


TARGETS = (
    Target(
        "topics.keys",
        "patterns and keys of the topic exchange, beside a plain reference",
        _topics,
        (
            b"a.b.c\na.*.c\n#\na.#\n#.c\na.b.c\n*.*\n*.*.*",
            b"\n#\n*\n\n.\n#.#",
            b"a..b\na.*.b\na..b\n#..b\n*.#",
            b"Consumer.x.VirtualTopic.y.>\na.>\n#.y.>",
            b"a.a.a.a.a.a\n#.a.#.a.#.a\n#.a.*.#.a\n*.#.*.#",
            b".".join([b"a"] * 60) + b"\n" + b".".join([b"#", b"a"] * 50),
        ),
        (b".", b"#", b"*", b"\n", b".#.", b".*.", b"a", b"b", b">", b"#.#", b"\xff", b"Consumer.a.VirtualTopic.b"),
        1200,
    ),
)
