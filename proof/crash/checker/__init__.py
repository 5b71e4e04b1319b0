"""What the notes of a run prove: each promise that was broken is a line.

    missing     a message was confirmed, and nobody ever got it, or who had it last gave it back or died
    returned    a message came again after its settlement was promised, or was processed and nothing was killed since
    doubled     a message came from a queue that it had left for good; a copy more than was asked for; a refused one
    unknown     a message came that nobody sent, whose transaction was never committed, or that was to go with a kill
    order       a message overtook another of its lane
    unmarked    a message came again, and not marked as redelivered
    overmarked  a message came marked although nobody can have seen it
    count       it came with a count of returns that cannot be
    limit       it came more often than its queue allows
    early       it came before its time
    shared      two consumers held what only one may hold: a group, or a queue with a single active consumer
    torn        of a transaction some is there and some is not
    fault       what a client noted as such

A settlement is promised in a transaction that was committed, with a receipt, or when something later over the same
connection is confirmed. Without that it is open after a kill: the message comes again or is settled, and both is right.
A count of returns is at least the number of times that a consumer noted the message, but for releases, and at most that
and one for each kill or leave that may have taken it from somebody who had not seen it yet.
"""

from __future__ import annotations

from proof.crash.checker.history import History
from proof.crash.checker.holding import check_holding
from proof.crash.checker.messages import check_messages
from proof.crash.checker.order import check_order
from proof.crash.checker.transactions import check_transactions
from proof.crash.checker.uses import count_uses
from proof.crash.checker.verdict import Verdict

__all__ = ["History", "Verdict", "check"]


def check(history: History) -> Verdict:
    """What the notes that were gathered prove."""
    verdict = Verdict()
    for text in history.faults:
        verdict.breaks("fault", text)
    check_transactions(history, verdict)
    check_messages(history, verdict)
    check_order(history, verdict)
    check_holding(history, verdict)
    verdict.uses = count_uses(history)
    return verdict
