"""Operations on queues beyond RabbitMQ's API: peek, pause, move, replay, purge by selection."""

from __future__ import annotations

from batonmq.management.baton.asking import ask_queue, long_answer
from batonmq.management.http.call import Call
from batonmq.management.http.responses import Json, NoContent, Response
from batonmq.management.http.routes import Route

__all__ = ["GROUP", "PATH", "ROUTES"]

PATH = "/api/baton/queues/{vhost}/{name}"
GROUP = "baton"

NUMBER_MAX = 2**63 - 1


async def peek(call: Call) -> Response:
    """The first ready messages; with ``held``, preceded by those that consumers hold."""
    number = call.query.number("count", 1, 1_000)
    where = call.query.text("where")
    held = call.query.flag("held") or None
    return long_answer(await ask_queue(call, "queues.peek", count=number, where=where, held=held))


async def pause(call: Call) -> Response:
    """Pause a queue."""
    await ask_queue(call, "queues.pause")
    return NoContent()


async def resume(call: Call) -> Response:
    """Resume a queue."""
    await ask_queue(call, "queues.resume")
    return NoContent()


async def move(call: Call) -> Response:
    """Move messages to the tail of another queue."""
    fields = call.json()
    asked = {name: fields.get(name) for name in ("to", "count", "where")}
    return Json(await ask_queue(call, "queues.move", **asked))


async def replay(call: Call) -> Response:
    """Send dead letters back to where they came from."""
    fields = call.json(is_required=False)
    asked = {name: fields.get(name) for name in ("to", "count", "where", "reason", "from")}
    return Json(await ask_queue(call, "queues.replay", **asked))


async def purge(call: Call) -> Response:
    """Drop ready messages, all or those selected."""
    fields = call.json(is_required=False)
    answer = await ask_queue(call, "queues.purge", where=fields.get("where"))
    return Json({"count": answer["count"]})


async def settings(call: Call) -> Response:
    """A queue's declared and effective settings."""
    return Json(await ask_queue(call, "queues.settings"))


async def change(call: Call) -> Response:
    """Change the arguments of an existing queue."""
    fields = call.json()
    return Json(await ask_queue(call, "queues.change", arguments=fields.get("arguments")))


SELECTION = {
    "count": {"type": "integer", "minimum": 0, "description": "At most so many messages, from the head."},
    "where": {"type": "string", "description": "Only messages that match this selector."},
}
TO = {"type": "string", "description": "The queue for the messages."}

ROUTES = (
    Route(
        "GET",
        f"{PATH}/peek",
        peek,
        "The first messages of a queue, without taking them.",
        group=GROUP,
        query={
            "count": "How many: 1 to 1,000; 10 without it.",
            "where": "Only messages that match this selector.",
            "held": "true: also what consumers hold, marked so.",
        },
    ),
    Route("POST", f"{PATH}/pause", pause, "Pause a queue: deliver nothing until it is resumed.", group=GROUP),
    Route("POST", f"{PATH}/resume", resume, "Resume a queue.", group=GROUP),
    Route(
        "POST",
        f"{PATH}/move",
        move,
        "Move ready messages to another queue; answers when that is on the disk.",
        group=GROUP,
        body={"type": "object", "required": ["to"], "properties": {"to": TO, **SELECTION}},
    ),
    Route(
        "POST",
        f"{PATH}/replay",
        replay,
        "Send dead letters back to the queues that they came from, or all to one.",
        group=GROUP,
        body={
            "type": "object",
            "properties": {
                "to": TO,
                **SELECTION,
                "reason": {"type": "string", "description": "Only those that died last for this reason."},
                "from": {"type": "string", "description": "Only those that died last in this queue."},
            },
        },
    ),
    Route(
        "POST",
        f"{PATH}/purge",
        purge,
        "Drop ready messages, all or those selected.",
        group=GROUP,
        body={"type": "object", "properties": {"where": SELECTION["where"]}},
    ),
    Route("GET", f"{PATH}/settings", settings, "The settings of a queue, and which can be changed.", group=GROUP),
    Route(
        "PATCH",
        f"{PATH}/settings",
        change,
        "Change the arguments of an existing queue.",
        group=GROUP,
        body={
            "type": "object",
            "required": ["arguments"],
            "properties": {
                "arguments": {
                    "type": "object",
                    "description": "Arguments of queue.declare that a policy may set; null removes one.",
                }
            },
        },
    ),
)
