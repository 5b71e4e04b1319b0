"""The plan of a move: what it will do and what it cannot take along, shown before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from batonmq.cli.moving.found import Found, FoundQueue
from batonmq.cli.moving.options import Declared
from batonmq.cli.moving.places import Place

__all__ = ["Plan", "plan_of"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a move."""

    found: Found
    queues: list[tuple[FoundQueue, Declared, bool]] = field(default_factory=list)
    """Each queue, how it is declared there, and whether it exists already."""
    lost: list[str] = field(default_factory=list)
    """What the other side does not have."""
    notes: list[str] = field(default_factory=list)
    """Things that stay, and why."""
    refused: list[str] = field(default_factory=list)
    """Queues that cannot be declared there, and why."""

    @property
    def messages(self) -> int:
        """How many messages there are to move, as far as known."""
        return sum((queue.ready or 0) + queue.delayed for queue in self.found.queues)

    def lines(self, source: Place, target: Place) -> Iterator[str]:
        """The plan as text."""
        yield f"from  {source.shown} ({source.kind})"
        yield f"to    {target.shown} ({target.kind})"
        yield ""
        for queue, _, is_there in self.queues:
            said = "its messages" if queue.ready is None else f"{queue.ready:,} ready"
            if queue.delayed:
                said += f", {queue.delayed:,} delayed"
            yield f"queue {queue.name}: {said}; {'is there already' if is_there else 'is made'}"
        for kind, entries, possible in (
            ("exchange", self.found.exchanges, target.has_exchanges),
            ("policy", self.found.policies, target.has_policies),
        ):
            for one in entries if possible else ():
                yield f"{kind} {one['name']}: is made, unless it is there"
        if self.found.bindings and target.has_exchanges:
            yield f"bindings: {len(self.found.bindings)}"
        if self.notes:
            yield from ("", "stays:", *(f"  {line}" for line in self.notes))
        if self.lost:
            yield from ("", "is lost, as the other side does not have it:", *(f"  {line}" for line in self.lost))
        if self.refused:
            yield from ("", "cannot be made there:", *(f"  {line}" for line in self.refused))


def plan_of(target: Place, found: Found) -> Plan:
    """Plan how to declare at the other place what was found. Raises BatonError, Failure."""
    plan = Plan(found)
    can = target.engine.capabilities
    for queue in found.queues:
        declared = target.declared(queue)
        is_there = target.has_queue(queue.name)
        plan.queues.append((queue, declared, is_there))
        if declared.lost and not is_there:
            plan.lost.append(f"queue {queue.name}: {', '.join(declared.lost)}")
        if declared.refusal and not is_there:
            plan.refused.append(f"queue {queue.name}: {declared.refusal}")
        if queue.delayed and not can.delay:
            plan.notes.append(f"queue {queue.name}: {queue.delayed:,} delayed, until they are ready (--follow waits)")
        if queue.held:
            plan.notes.append(
                f"queue {queue.name}: {queue.held:,} in the hands of consumers, until they give them back"
            )
        if queue.is_paused:
            plan.notes.append(f"queue {queue.name} is paused: resume it, or its messages do not come")
    if not target.has_exchanges:
        plan.lost.extend(f"exchange {one['name']}" for one in found.exchanges)
        if found.bindings:
            plan.lost.append(f"{len(found.bindings)} bindings")
    if not target.has_policies:
        plan.lost.extend(
            f"policy {one['name']}{': --management-url takes it along' if target.product else ''}"
            for one in found.policies
        )
    lacking = [name for name, has in (("priorities", can.priority), ("times to live", can.ttl)) if not has]
    if lacking and plan.messages:
        plan.lost.append(f"of messages that have them: {', '.join(lacking)}")
    if not can.group and plan.messages:
        plan.notes.append(f"groups of messages as headers: {target.kind} keeps no order by them")
    plan.notes.extend(found.others)
    return plan
