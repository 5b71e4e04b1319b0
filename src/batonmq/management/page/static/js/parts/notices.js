// Short notices of what was done, or went wrong: seen in a corner, and read out.

import { h } from "../core/dom.js";

const LASTS = 6_000;

const place = h("div", { class: "notices" });
// Two regions that are there from the beginning: a screen reader says what is put into them later.
const polite = h("div", { role: "status", "aria-live": "polite" });
const urgent = h("div", { role: "alert", "aria-live": "assertive" });
place.append(urgent, polite);

/** The element that shows notices, for the shell to place. */
export const noticesPlace = place;

export function done(text) {
  const notice = add(polite, "notice good", text);
  setTimeout(() => notice.remove(), LASTS);
}

/** An error stays until it is closed, or the next thing succeeds. */
export function failed(text) {
  clearErrors();
  add(urgent, "notice bad", text);
}

export function clearErrors() {
  urgent.replaceChildren();
}

function add(region, kind, text) {
  const notice = h(
    "div",
    { class: kind },
    h("p", {}, text),
    h(
      "button",
      { type: "button", class: "plain", "aria-label": "Close this notice", on: { click: () => notice.remove() } },
      "×",
    ),
  );
  region.append(notice);
  return notice;
}
