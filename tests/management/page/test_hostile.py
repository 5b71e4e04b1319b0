"""Names and bodies of somebody who wants harm: they are shown as what they are, and do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from tests.support.browsing import Watched, put
from tests.support.managed import Http

IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = "</td><script>alert(1)</script>"
# What a name looks like on the page, where that is not what it is.
NAMES = {
    IMAGE: IMAGE,
    SCRIPT: SCRIPT,
    "javascript:alert(1)": "javascript:alert(1)",
    "a/b/../%2F?x=1#y&z": "a/b/../%2F?x=1#y&z",
    "\u202egnp.exe": "⟨202E⟩gnp.exe",
    "tab\tzero\x00": "tab⟨0009⟩zero⟨0000⟩",
    "zero\u200bwidth": "zero⟨200B⟩width",
    "__proto__": "__proto__",
    "ü" * 127 + "x": "ü" * 127 + "x",
}


@pytest.fixture
def hostile(ask: Http) -> Iterator[str]:
    """The virtual host in which they are."""
    vhost = "<b>hostile</b>"
    place = quote(vhost, safe="")
    assert ask("PUT", f"/api/vhosts/{place}", {}).status in (201, 204)
    ask("PUT", f"/api/permissions/{place}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    for name in NAMES:
        assert ask("PUT", f"/api/queues/{place}/{quote(name, safe='')}", {"durable": True}).status == 201, name
    ask("PUT", f"/api/exchanges/{place}/{quote(SCRIPT, safe='')}", {"type": "topic"})
    binding = f"/api/bindings/{place}/e/{quote(SCRIPT, safe='')}/q/{quote(IMAGE, safe='')}"
    ask("POST", binding, {"routing_key": IMAGE, "arguments": {IMAGE: SCRIPT}})
    policy = {"pattern": "^<img", "definition": {"max-length": 9}}
    assert ask("PUT", f"/api/policies/{place}/{quote(IMAGE, safe='')}", policy).status in (201, 204)
    yield vhost
    ask("DELETE", f"/api/vhosts/{place}")


def harmless(page: Page) -> None:
    """There is no element but the page's own."""
    assert page.evaluate("document.querySelectorAll('main script, main img, main b b').length") == 0


def test_names_are_shown_as_what_they_are_and_lead_to_their_pages(page: Page, watched: Watched, hostile: str) -> None:
    watched.visit(f"#/queues?vhost={quote(hostile, safe='')}")
    expect(page.get_by_role("rowheader")).to_have_count(len(NAMES))
    harmless(page)
    for name, shown in NAMES.items():
        watched.visit(f"#/queues/{quote(hostile, safe='')}/{quote(name, safe='')}")
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Queue {shown} in {hostile}")
        expect(page.locator(".verdict")).to_contain_text("All is well")
        harmless(page)


@pytest.mark.parametrize("place", ["exchanges", "bindings", "bindings?as=drawing", "policies", "vhosts", "users/guest"])
def test_hostile_names_do_nothing_in_lists(page: Page, watched: Watched, hostile: str, place: str) -> None:
    watched.visit(f"#/{place}")
    expect(page.locator("main")).to_contain_text(hostile if place in ("vhosts", "users/guest") else "<")
    harmless(page)


def test_a_search_for_html_finds_a_name(page: Page, watched: Watched, hostile: str) -> None:
    watched.visit(f"#/queues?vhost={quote(hostile, safe='')}")
    page.get_by_label("Search").fill("<IMG")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    expect(page.get_by_role("rowheader")).to_have_text(IMAGE)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u202eevil\u200b".encode(), "⟨202E⟩evil⟨200B⟩"),
        (b"\x1b[31mred\x00", "⟨001B⟩[31mred⟨0000⟩"),
        (b'{"__proto__": {"x": "<img src=x onerror=alert(1)>"}}', '"<img src=x onerror=alert(1)>"'),
        (b"[" * 5_000, "[[["),
        (b"\xff\xfe<b>", "ff fe 3c 62 3e"),
    ],
)
def test_bodies_do_nothing(page: Page, watched: Watched, ask: Http, body: bytes, shown: str) -> None:
    name = "bodies"
    ask("PUT", f"/api/queues/%2F/{name}", {"durable": True})
    ask("DELETE", f"/api/queues/%2F/{name}/contents")
    put(ask, name, body, headers={IMAGE: SCRIPT}, type=IMAGE)
    watched.visit(f"#/queues/%2F/{name}?part=messages")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.locator(".message pre")).to_contain_text(shown)
    page.locator("summary").click()
    expect(page.locator(".message")).to_contain_text(SCRIPT)
    harmless(page)


def test_a_name_that_a_browser_cannot_address_is_refused_before_anything_is_asked(page: Page, watched: Watched) -> None:
    watched.visit()
    before = len(watched.requests)
    page.evaluate("() => { location.hash = '#/queues/%2F/..' }")
    expect(page.get_by_role("alert").filter(has_text='A browser cannot address ".."')).to_be_visible()
    assert not [one for one in watched.requests[before:] if "/api/queues" in one]


def test_an_address_that_is_none_names_no_page(page: Page, watched: Watched) -> None:
    watched.visit()
    for place in ("#/%E0%A4", "#/queues/a/b/c/d", "#/constructor", "#/__proto__/x"):
        page.evaluate("place => { location.hash = place }", place)
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
