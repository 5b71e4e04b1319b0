"""What hostile clients do who have logged in. Each tells whether it was in, as an attack of nobody shows nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pika import frame, spec

from proof.siege.said import INSIDE, get, logged_in, methods, stomp_log_in
from proof.siege.siege import Siege, found

__all__ = ["GUESTS"]

SHORT = 0.2
OPENED = methods(spec.Channel.OpenOk())[7:11]
DECLARED = methods(spec.Queue.DeclareOk("", 0, 0))[7:11]


def reconnects(siege: Siege) -> bool:
    """Logs in in every way that there is, and is away, again and again."""
    done = True
    for listener, greeting, sign in siege.chance.sample(INSIDE, len(INSIDE)):
        with siege.at(listener) as made:
            made.sendall(greeting)
            done &= found(made, sign)
    return done


def never_reads(siege: Siege) -> None:
    """Asks for far more than it reads: pages of the HTTP API, deliveries, answers."""
    listener = siege.chance.choice(["amqp", "http", "stomp"])
    made = siege.open(listener)
    siege.hold(made)
    made.settimeout(SHORT)
    asked = {
        "amqp": logged_in() + methods(spec.Basic.Get(queue="siege.big", no_ack=False)) * 2_000,
        "http": get("/api/exchanges") * 500,
        "stomp": stomp_log_in() + b"SUBSCRIBE\nid:0\ndestination:/queue/siege.big\n\n\0" + b"\n" * 100,
    }
    with contextlib.suppress(OSError):
        made.sendall(asked[listener])


def channels(siege: Siege) -> bool:
    """Opens as many channels as there may be."""
    with siege.at("amqp") as made:
        made.sendall(logged_in() + b"".join(methods(spec.Channel.Open(), channel=at) for at in range(2, 2047)))
        return found(made, OPENED)


def consumers(siege: Siege) -> bool:
    """Subscribes a thousand times to one queue."""
    begun = [spec.Queue.Declare(queue="siege.consumed", auto_delete=True)]
    begun += [spec.Basic.Consume(queue="siege.consumed", consumer_tag=f"c{at}") for at in range(1_000)]
    with siege.at("amqp") as made:
        made.sendall(logged_in() + methods(*begun))
        return found(made, DECLARED)


def declares(siege: Siege) -> bool:
    """Declares queues of its own, hundreds at a time, which go with its connection."""
    name = f"siege.{siege.chance.getrandbits(32):x}"
    with siege.at("amqp") as made:
        made.sendall(
            logged_in() + methods(*(spec.Queue.Declare(queue=f"{name}.{at}", exclusive=True) for at in range(300)))
        )
        return found(made, DECLARED)


def bindings(siege: Siege) -> bool:
    """Binds a queue by hundreds of patterns that fit everything, and publishes."""
    name = f"siege.{siege.chance.getrandbits(32):x}"
    words = ["#", "*", "a", "#"]
    begun: list[spec.amqp_object.Method] = [spec.Queue.Declare(queue=name, exclusive=True)]
    begun += [
        spec.Queue.Bind(
            queue=name, exchange="amq.topic", routing_key=".".join(siege.chance.choice(words) for _ in range(60))
        )
        for _ in range(300)
    ]
    publish = methods(spec.Basic.Publish(exchange="amq.topic", routing_key=".".join("a" * 100)))
    publish += frame.Header(1, 1, spec.BasicProperties()).marshal() + frame.Body(1, b"x").marshal()
    with siege.at("amqp") as made:
        made.sendall(logged_in() + methods(*begun) + publish * 20)
        return found(made, DECLARED)


GUESTS: dict[Callable[[Siege], bool | None], float] = {
    reconnects: 0.02,
    never_reads: 0.5,
    channels: 0.5,
    consumers: 0.5,
    declares: 0.5,
    bindings: 0.5,
}
"""Each with the seconds between two rounds."""
