"""Each page of the web page, as it is opened: what it shows, on a desk and on a phone, in the light and in the dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.support.browsing import PHONE, SIZE, Watched

# Where each page is, its heading, and something that it shows.
PAGES = {
    "#/": ("Overview", "What needs attention"),
    "#/queues": ("Queues", "orders.dead"),
    "#/queues/%2F/orders": ("Queue orders in /", "It is stuck"),
    "#/queues/%2F/orders?part=messages": ("Queue orders in /", "Looking takes nothing out"),
    "#/queues/%2F/calm?part=delayed": ("Queue calm in /", "Deliver now"),
    "#/queues/%2F/orders?part=settings": ("Queue orders in /", "x-dead-letter-exchange"),
    "#/exchanges": ("Exchanges", "amq.topic"),
    "#/exchanges/%2F/shop": ("Exchange shop in /", "order.*"),
    "#/exchanges/%2F/": ("Exchange (default exchange) in /", "its own name as the key"),
    "#/bindings": ("Bindings", "order.*"),
    "#/bindings?as=drawing": ("Bindings", "Who sends to whom"),
    "#/delayed": ("Delayed messages", "calm"),
    "#/dead-letters": ("Dead letters", "Their time to live was over"),
    "#/connections": ("Connections", "AMQP 0-9-1"),
    "#/channels": ("Channels", "guest"),
    "#/vhosts": ("Virtual hosts", "Add a virtual host"),
    "#/users": ("Users", "monitor"),
    "#/users/monitor": ("User monitor", "Topic permissions"),
    "#/shovels": ("Shovels", "Add a shovel"),
    "#/policies": ("Policies", "Operator policies"),
    "#/definitions": ("Definitions", "Import"),
    "#/log": ("Log", "Live"),
    "#/nowhere": ("There is no such page", "To the overview"),
}


@pytest.mark.parametrize("place", PAGES)
def test_a_page_shows_what_it_should_at_any_size_and_in_any_light(page: Page, watched: Watched, place: str) -> None:
    heading, content = PAGES[place]
    watched.visit(place)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    assert page.title() == f"{heading} – BatonMQ"
    expect(page.locator("main")).to_contain_text(content)
    assert_that_everything_has_a_name(page)
    grounds = set()
    for size in (SIZE, PHONE):
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], f"wider than {size['width']}"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert faint(page) == []
    assert len(grounds) == 2


def assert_that_everything_has_a_name(page: Page) -> None:
    """Landmarks, names of whatever can be used, heads of tables: what a screen reader reads."""
    for landmark in ("header", "nav[aria-label]", "main"):
        assert page.locator(landmark).count() >= 1
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate("[...document.querySelectorAll('th')].filter(head => !head.scope).length") == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


UNNAMED = """() => [...document.querySelectorAll("button, a, input, select, textarea")]
  .filter(one => !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.length))
  .map(one => one.outerHTML)"""


# Text whose contrast with its ground is below 4.5 to 1 (WCAG 2.1, 1.4.3); what is disabled need have none.
FAINT = """() => {
  const channel = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .filter((one) => one.checkVisibility() && !one.closest(":disabled, svg, .unseen, .skip"))
    .map((one) => {
      const [high, low] = [light(parts(getComputedStyle(one).color)), light(ground(one))].sort((a, b) => b - a);
      return [(high + 0.05) / (low + 0.05), one.className, one.textContent.slice(0, 40)];
    })
    .filter(([contrast]) => contrast < 4.5);
}"""


def faint(page: Page) -> object:
    return page.evaluate(FAINT)
