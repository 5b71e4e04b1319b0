"""Lists: pages, filters, order and columns, of items that are made here and asked for over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.support.managed import Http, ManagedServer, a_config

from batonmq.management import routes
from batonmq.management.http.call import Call
from batonmq.management.http.listing import listing
from batonmq.management.http.responses import Response
from batonmq.management.http.routes import Route

Item = tuple[str, int | None]
ITEMS: list[Item] = [
    ("b", 3),
    ("a/b", None),
    ("C", 3),
    ("ä", 20),
    *((f"n{number:04}", number) for number in range(1200)),
]


def described(item: Item) -> Mapping[str, object]:
    name, size = item
    shown: dict[str, object] = {"name": name, "stats": {"size": size, "details": {"rate": 0.5}}, "a.b": 1}
    if name == "C":
        shown["odd"] = b"\xff\xfe".decode(errors="surrogateescape")
        shown["huge"] = 10**40
    return shown


async def items(call: Call) -> Response:
    return await listing(call, ITEMS, described, name=lambda item: item[0], order=lambda item: (item[0],))


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "ROUTES", (*routes.ROUTES, Route("GET", "/api/of-this-test", items, "Items.")))
        with ManagedServer(Path(tmp_path_factory.mktemp("data")), a_config()) as server:
            yield server.http()


LIST = "/api/of-this-test"


def test_the_whole_list_is_an_array_in_its_order(http: Http) -> None:
    answer = http("GET", LIST)
    assert answer.headers["content-type"] == "application/json"
    assert [row["name"] for row in answer.json] == sorted(name for name, _ in ITEMS)


def test_what_json_cannot_say_is_shown_as_well_as_may_be(http: Http) -> None:
    (row,) = [row for row in http.get(LIST) if row["name"] == "C"]
    assert (row["odd"], row["huge"]) == ("??", "1" + "0" * 40)


def test_pages(http: Http) -> None:
    first = http.get(f"{LIST}?page=1&page_size=2")
    assert {name: value for name, value in first.items() if name != "items"} == {
        "total_count": 1204,
        "item_count": 2,
        "filtered_count": 1204,
        "page": 1,
        "page_size": 2,
        "page_count": 602,
    }
    assert [row["name"] for row in first["items"]] == ["C", "a/b"]
    assert [row["name"] for row in http.get(f"{LIST}?page=602&page_size=2")["items"]] == ["n1199", "ä"]
    assert len(http.get(f"{LIST}?page=1")["items"]) == 100


@pytest.mark.parametrize(
    "wrong", ["page=0", "page=x", "page=-1", "page=1&page_size=501", "page_size=0", "page=9e9", "page="]
)
def test_wrong_pages(http: Http, wrong: str) -> None:
    answer = http("GET", f"{LIST}?{wrong}")
    assert (answer.status, answer.json["error"]) == (400, "bad_request")


def test_a_page_after_the_last(http: Http) -> None:
    answer = http("GET", f"{LIST}?page=14&page_size=100")
    assert answer.status == 400
    assert answer.json["error"] == "page_out_of_range"


def test_filters(http: Http) -> None:
    found = http.get(f"{LIST}?page=1&name=N119")
    assert (found["filtered_count"], found["total_count"]) == (10, 1204)
    found = http.get(f"{LIST}?page=1&name=%5En1.%2A9%24&use_regex=true")
    assert found["filtered_count"] == 20
    empty = http.get(f"{LIST}?page=1&name=nothing")
    assert (empty["items"], empty["page_count"]) == ([], 1)
    assert http("GET", f"{LIST}?page=1&name=%28&use_regex=true").status == 400


def test_an_order_of_another_field(http: Http) -> None:
    names = [row["name"] for row in http.get(f"{LIST}?sort=stats.size")]
    assert names[0] == "a/b"
    assert names.index("C") < names.index("n0004") < names.index("n1199")
    names = [row["name"] for row in http.get(f"{LIST}?sort=stats.size&sort_reverse=true")]
    assert (names[0], names[-1]) == ("n1199", "a/b")
    assert len(names) == len(ITEMS)
    assert {row["name"] for row in http.get(f"{LIST}?sort=no.such")} == {name for name, _ in ITEMS}


def test_columns(http: Http) -> None:
    row = http.get(f"{LIST}?page=1&page_size=1&columns=name,stats.details.rate,no.such,a.b")["items"][0]
    assert row == {"name": "C", "stats": {"details": {"rate": 0.5}}, "a.b": 1}


def test_the_loop_is_free_while_a_list_is_made(tmp_path: Path) -> None:
    """Said in passes of the loop, and not in time: this machine may be busy."""
    passes = 0

    async def slow(call: Call) -> Response:
        nonlocal passes

        def passed() -> None:
            nonlocal passes
            passes += 1
            asyncio.get_running_loop().call_soon(passed)

        asyncio.get_running_loop().call_soon(passed)
        return await listing(call, ITEMS, dawdling, name=lambda item: item[0], order=lambda item: (item[0],))

    def dawdling(item: Item) -> Mapping[str, object]:
        return {"name": item[0], "sum": sum(range(5_000))}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "ROUTES", (*routes.ROUTES, Route("GET", "/api/slow", slow, "Items.")))
        with ManagedServer(tmp_path / "data", a_config()) as server:
            assert len(server.http().get("/api/slow")) == len(ITEMS)
    # 1,200 items of 50 us and more are 60 slices at least.
    assert passes > 30
