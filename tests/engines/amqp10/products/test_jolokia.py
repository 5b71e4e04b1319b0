"""Requests to Jolokia: what is answered, what is refused, and how long anybody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from batonmq.engines.amqp10.products import jolokia
from batonmq.engines.amqp10.products.jolokia import Jolokia
from batonmq.errors import AccessRefused, BrokerError, Closed, ConnectionLost, NotFound
from tests.engines.amqp10.products.agent import Agent, Answer
from tests.support.waiting import until

Asking = Callable[[Answer], tuple[Agent, Jolokia]]


def at_once(function: Callable[[], None]) -> None:
    function()


def client(url: str, password: str = "secret") -> Jolokia:
    return Jolokia(url, "admin", password, None, at_once)


@pytest.fixture
def asking() -> Iterator[Asking]:
    made: list[tuple[Agent, Jolokia]] = []

    def make(answer: Answer) -> tuple[Agent, Jolokia]:
        agent = Agent(answer)
        made.append((agent, client(agent.url)))
        return made[-1]

    yield make
    for agent, asked in made:
        asked.close()
        agent.close()
    # One that has answered may be about to end.
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "batonmq-jolokia"])


def test_it_reads_searches_and_executes(asking: Asking) -> None:
    agent, asked = asking(lambda request: {"status": 200, "value": [request["type"]] * 2})
    assert asked.search("a:*").get() == ["search", "search"]
    assert asked.execute("a:b", "do(int)", 1).get() == ["exec", "exec"]
    assert asked.read("a:b", "Size").get() == {}
    assert agent.asked == [
        {"type": "search", "mbean": "a:*"},
        {"type": "exec", "mbean": "a:b", "operation": "do(int)", "arguments": [1]},
        {"type": "read", "mbean": "a:b", "attribute": ["Size"]},
    ]


def test_what_only_asks_is_asked_again_when_the_agent_drops_the_connection(asking: Asking) -> None:
    resets = [True, False, True]

    def answer(request: dict[str, object]) -> dict[str, object]:
        if resets.pop(0):
            raise ConnectionResetError
        return {"status": 200, "value": [request["type"]]}

    agent, asked = asking(answer)
    assert asked.search("a:*").get() == ["search"]
    # What changes something may have been done.
    with pytest.raises(ConnectionLost, match="reset"):
        asked.execute("a:b", "do(int)", 1).get()
    assert [one["type"] for one in agent.asked] == ["search", "search", "exec"]


def test_a_bean_that_is_not_there_is_not_found(asking: Asking) -> None:
    missing = {"status": 404, "error_type": "javax.management.InstanceNotFoundException", "error": "a:b"}
    _, asked = asking(lambda _: missing)
    with pytest.raises(NotFound, match="a:b"):
        asked.read("a:b", "Size").get()


def test_what_goes_wrong_there_is_told_with_its_words(asking: Asking) -> None:
    _, asked = asking(lambda _: {"status": 500, "error_type": "java.lang.X", "error": "java.lang.X : no room"})
    with pytest.raises(BrokerError, match="no room"):
        asked.execute("a:b", "do()").get()


def test_a_wrong_log_in_is_refused_and_no_password_is_told(asking: Asking) -> None:
    agent, _ = asking(lambda _: {"status": 200})
    with closing(client(agent.url.replace("//", "//admin:my-password@"))) as asked:
        with pytest.raises(AccessRefused) as refused:
            asked.search("a:*").get()
        assert "my-password" not in f"{refused.value}{asked!r}{asked.where}"


def test_the_url_may_say_who_logs_in(asking: Asking) -> None:
    agent, _ = asking(lambda _: {"status": 200, "value": ["a:b"]})
    with closing(client(agent.url.replace("//", "//admin:s%65cret@"), "other")) as asked:
        assert asked.search("a:*").get() == ["a:b"]


def test_an_answer_that_is_none_of_jolokias(asking: Asking) -> None:
    _, asked = asking(lambda _: {"status": "fine"})
    with pytest.raises(ConnectionLost, match="no Jolokia"):
        asked.search("a:*").get()


def test_an_answer_that_is_nested_without_end_is_none(asking: Asking) -> None:
    nested: object = 1
    for _ in range(500):
        nested = [nested]
    _, asked = asking(lambda _: {"status": 200, "value": nested})
    with pytest.raises(ConnectionLost, match="no Jolokia"):
        asked.search("a:*").get()


def test_nobody_waits_longer_than_that(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jolokia, "PATIENCE", 0.1)
    _, asked = asking(lambda _: {})
    with pytest.raises(ConnectionLost, match=r"no answer within 0\.1 s"):
        asked.search("a:*").get()


def test_closing_tells_whoever_waits(asking: Asking) -> None:
    agent, asked = asking(lambda _: {})
    waiting = asked.search("a:*")
    assert agent.came.wait(10)
    asked.close()
    with pytest.raises(Closed):
        waiting.get()
    with pytest.raises(Closed):
        asked.search("a:*").get()


def test_nothing_listens_there() -> None:
    agent = Agent(lambda _: {})
    agent.close()
    with closing(client(agent.url)) as asked, pytest.raises(ConnectionLost, match="nothing listens there"):
        asked.search("a:*").get()


@pytest.mark.parametrize(
    "url", ["", "host", "ftp://host/", "http:///path", "http://host:99999/", "http://u:my-password@host/?x=1"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="jolokia") as refused:
        client(url)
    assert "my-password" not in str(refused.value)


def test_a_few_are_asked_at_once_and_the_others_wait_for_their_turn(asking: Asking) -> None:
    lock, most, now = threading.Lock(), 0, 0
    met = threading.Barrier(jolokia.AT_ONCE)

    def answer(request: dict[str, object]) -> dict[str, object]:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        met.wait(30)
        with lock:
            now -= 1
        return {"status": 200, "value": {"Size": request["mbean"]}}

    _, asked = asking(answer)
    futures = [asked.read(f"bean-{number}", "Size") for number in range(3 * jolokia.AT_ONCE)]
    assert [future.get()["Size"] for future in futures] == [f"bean-{number}" for number in range(3 * jolokia.AT_ONCE)]
    assert most == jolokia.AT_ONCE


def test_closing_tells_those_who_wait_for_their_turn(asking: Asking) -> None:
    agent, asked = asking(lambda _: {})
    futures = [asked.search("a:*") for _ in range(2 * jolokia.AT_ONCE)]
    assert agent.came.wait(30)
    asked.close()
    for future in futures:
        with pytest.raises(Closed):
            future.get()
