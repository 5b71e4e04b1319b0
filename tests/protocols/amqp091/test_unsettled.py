"""Unsettled deliveries by tag: whatever is added and taken, it is as a dictionary would have it."""

from __future__ import annotations

from hypothesis import given, strategies as st

from batonmq.message import Message
from batonmq.properties import EMPTY
from batonmq.protocols.amqp091.unsettled import SIZE, Unsettled
from batonmq.queued import QueuedMessage
from tests.support.driven import Driven

MESSAGE = Message("", "q", EMPTY, b"")
QUEUE = Driven(None).queue("q")
FAR = 6 * SIZE

# Each step: what is done, and to which tags.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "pass over"]), st.integers(1, 3 * SIZE)),
        st.tuples(st.sampled_from(["pop", "put back", "up to"]), st.integers(0, FAR)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_they_are_as_in_a_dictionary(steps: list[tuple[str, int]]) -> None:
    unsettled = Unsettled()
    model: dict[int, QueuedMessage] = {}
    settled: dict[int, QueuedMessage] = {}
    next_tag = 1
    for step, number in steps:
        if step == "add":
            batch = [QueuedMessage(MESSAGE, QUEUE, tag) for tag in range(next_tag, next_tag + number)]
            if number == 1:
                unsettled.add(next_tag, batch[0])
            else:
                unsettled.add_all(next_tag, batch)
            model.update({queued.row: queued for queued in batch})
            next_tag += number
        elif step == "pass over":
            # As deliveries that need no acknowledgement do.
            next_tag += number
        elif step == "pop":
            found = model.pop(number, None)
            assert unsettled.get(number) is found
            assert unsettled.pop(number) is found
            if found is not None:
                settled[number] = found
        elif step == "put back" and number in settled:
            model[number] = settled.pop(number)
            unsettled.add(number, model[number])
        elif step == "up to":
            taken = [model.pop(tag) for tag in sorted(model) if number // 2 <= tag <= number]
            assert unsettled.pop_all(number // 2, number) == taken
            settled.update({queued.row: queued for queued in taken})
        elif step == "clear":
            unsettled.clear()
            model.clear()
        assert unsettled.count == len(model)
        assert list(unsettled.items()) == sorted(model.items())


def test_what_is_settled_takes_no_memory() -> None:
    unsettled = Unsettled()
    for tag in range(1, 100 * SIZE):
        unsettled.add(tag, QueuedMessage(MESSAGE, QUEUE, tag))
        if tag > 3:
            assert unsettled.pop(tag - 3) is not None
    for tag in (*range(1, SIZE), 10 * SIZE, 50 * SIZE):
        unsettled.add(tag, QueuedMessage(MESSAGE, QUEUE, tag))
    assert len(unsettled.pop_all(1, 50 * SIZE)) == SIZE + 1
    assert len(unsettled._blocks) <= 3
