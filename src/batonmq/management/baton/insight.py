"""The inside of a queue: delayed messages, schedules, groups, deduplication keys, dead letters."""

from __future__ import annotations

from batonmq.management.baton.asking import ask, ask_queue, long_answer
from batonmq.management.baton.queues import GROUP, NUMBER_MAX, PATH
from batonmq.management.http.call import Call
from batonmq.management.http.errors import Unauthorized, not_found
from batonmq.management.http.responses import NoContent, Response
from batonmq.management.http.routes import Route

__all__ = ["ROUTES"]

PAGE = {"count": "How many: 1 to 1,000.", "after": 'Only what follows: the "next" of the answer before.'}


# ---------------------------------------------------------------------- what waits


async def delayed(call: Call) -> Response:
    """Delayed messages, the next due first."""
    return await _page(call, "queues.delayed")


async def schedules(call: Call) -> Response:
    """The repeated ones among the delayed messages."""
    return await _page(call, "queues.schedules")


async def _page(call: Call, operation: str) -> Response:
    number = call.query.number("count", 1, 1_000)
    # An empty position means the first page.
    return long_answer(await ask_queue(call, operation, count=number, after=call.query.text("after") or None))


async def cancel(call: Call) -> Response:
    """Drop a delayed message."""
    await ask_queue(call, "queues.cancel", id=call.path["id"])
    return NoContent()


async def deliver(call: Call) -> Response:
    """Deliver a delayed message now."""
    await ask_queue(call, "queues.deliver", id=call.path["id"])
    return NoContent()


# ---------------------------------------------------------------------- who holds what


async def groups(call: Call) -> Response:
    """Groups, their holders and their waiting messages."""
    return long_answer(await ask_queue(call, "queues.groups", count=call.query.number("count", 1, 1_000)))


async def keys(call: Call) -> Response:
    """Known deduplication keys."""
    return long_answer(
        await ask_queue(
            call,
            "queues.keys",
            count=call.query.number("count", 1, 1_000),
            after=call.query.number("after", 0, NUMBER_MAX) if call.query.text("after") else None,
            value=call.query.text("value"),
        )
    )


async def forget(call: Call) -> Response:
    """Take the next message with this key."""
    await ask_queue(call, "queues.forget", key=call.path["key"])
    return NoContent()


async def dead_letters(call: Call) -> Response:
    """Dead letters of one virtual host, or of all that the user may open."""
    wanted = call.query.text("vhost")
    vhosts = [vhost for vhost in call.vhosts() if call.user.may_open(vhost.name)]
    if wanted:
        found = call.context.parts.broker.vhosts.get(wanted)
        if found is None:
            raise not_found()
        if found not in vhosts:
            raise Unauthorized("User not authorised to access virtual host")
        vhosts = [found]
    queues: list[object] = []
    is_cut = False
    for vhost in vhosts:
        answer = await ask(call, call.operations(vhost), "queues.deaths")
        listed = answer["queues"]
        queues += listed if isinstance(listed, list) else []
        is_cut = is_cut or bool(answer["sampled"])
    return long_answer({"queues": queues, "sampled": is_cut})


ROUTES = (
    Route("GET", f"{PATH}/delayed", delayed, "Delayed messages.", group=GROUP, query=PAGE),
    Route("DELETE", f"{PATH}/delayed/{{id}}", cancel, "Drop a delayed message.", group=GROUP),
    Route("POST", f"{PATH}/delayed/{{id}}/deliver", deliver, "Deliver a delayed message now.", group=GROUP),
    Route("GET", f"{PATH}/schedules", schedules, "Recurring messages.", group=GROUP, query=PAGE),
    Route("DELETE", f"{PATH}/schedules/{{id}}", cancel, "End the schedule of a recurring message.", group=GROUP),
    Route(
        "POST",
        f"{PATH}/schedules/{{id}}/deliver",
        deliver,
        "Deliver a copy of a recurring message now; its schedule stays as it is.",
        group=GROUP,
    ),
    Route(
        "GET",
        f"{PATH}/groups",
        groups,
        "Groups of messages, and who holds them.",
        group=GROUP,
        query={"count": "How many: 1 to 1,000."},
    ),
    Route(
        "GET",
        f"{PATH}/deduplication",
        keys,
        "Deduplication keys that the queue knows.",
        group=GROUP,
        query={**PAGE, "value": "Only the key of this text, which messages have in their header."},
    ),
    Route(
        "DELETE",
        f"{PATH}/deduplication/{{key}}",
        forget,
        "Forget a deduplication key, given as it is listed, or as the text of the header.",
        group=GROUP,
    ),
    Route(
        "GET",
        "/api/baton/dead-letters",
        dead_letters,
        "Queues that hold dead letters: how many, why they died, and where.",
        group=GROUP,
        query={"vhost": "Of this virtual host only."},
    ),
)
