"""Bodies that are models: pydantic's, by its methods, and what is none."""

from __future__ import annotations

from typing import Self

import pytest

import batonmq


class Order:
    """As pydantic has it, without pydantic."""

    def __init__(self, number: int) -> None:
        self.number = number

    @classmethod
    def model_validate(cls, plain: dict[str, int]) -> Self:
        if "number" not in plain:
            raise ValueError("a number is missing")
        return cls(plain["number"])

    def model_dump(self, *, mode: str) -> dict[str, int]:
        assert mode == "json"
        return {"number": self.number}


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_model_goes_out_and_comes_in(form: str) -> None:
    with batonmq.connect("memory:") as mq:
        mq.declare("q")
        getattr(mq, f"send_{form}")("q", [Order(17)])
        with mq.receiver("q") as receiver:
            read = getattr(receiver.receive(wait=10)[0].message, form)
            (order,) = read(list[Order])
            assert (type(order), order.number) == (Order, 17)
            assert read() == [{"number": 17}]


def test_what_is_no_model_and_no_plain_type_is_told_what_is() -> None:
    with pytest.raises(ValueError, match="a number is missing"):
        batonmq.Message(b"{}").json(Order)
    with pytest.raises(ValueError, match="a dataclass, a Struct, a model of pydantic or a plain type, not range"):
        batonmq.Message(b"{}").json(range)
    with (
        batonmq.connect("memory:") as mq,
        pytest.raises(TypeError, match="a body cannot hold a value of type object"),
    ):
        mq.send_json("q", object())


@pytest.mark.parametrize("into", [object, dict[str, object], list[object]])
def test_object_is_whatever_it_is(into: type) -> None:
    body = b'[{"n": 17}]' if into == list[object] else b'{"n": 17}'
    assert batonmq.Message(body).json(into) in ({"n": 17}, [{"n": 17}])
