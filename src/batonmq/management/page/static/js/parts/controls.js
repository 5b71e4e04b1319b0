// Buttons and small fields that do something at once.

import { h } from "../core/dom.js";

const PAUSE = 300;
let waiting = 0;

/** A button; `run` may return a promise, and the button waits for it. */
export function button(text, run, { kind = null, label = null, disabled = false, title = null } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: kind,
      "aria-label": label,
      title,
      disabled,
      on: { click: (event) => pressed(event.currentTarget, run) },
    },
    text,
  );
}

async function pressed(element, run) {
  if (element.getAttribute("aria-busy") === "true") {
    return;
  }
  element.setAttribute("aria-busy", "true");
  try {
    await run();
  } finally {
    element.removeAttribute("aria-busy");
  }
}

/** A search: `changed(text)` comes when the typing rests. */
export function searchField(label, value, changed) {
  const later = (event) => {
    const text = event.currentTarget.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => changed(text), PAUSE);
  };
  return h(
    "label",
    { class: "search" },
    h("span", {}, label),
    h("input", {
      type: "search",
      value,
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "none",
      on: { input: later },
    }),
  );
}

/** A choice: `options` are pairs of value and text. */
export function selectField(label, options, value, changed) {
  return h(
    "label",
    { class: "choice" },
    h("span", {}, label),
    h(
      "select",
      { on: { change: (event) => changed(event.currentTarget.value) } },
      options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
    ),
  );
}

/** Buttons of which one is chosen. */
export function chooser(label, options, value, changed) {
  return h(
    "div",
    { class: "chooser", role: "group", "aria-label": label },
    options.map(([key, text]) =>
      h("button", { type: "button", "aria-pressed": String(key === value), on: { click: () => changed(key) } }, text),
    ),
  );
}

/** A part of a page with its heading. `actions` stand beside the heading. */
export function section(title, { actions = [], key = title, level = 2, class: kind = "" } = {}, ...content) {
  const id = `section-${key.replace(/[^a-z0-9]+/gi, "-").toLowerCase()}`;
  return h(
    "section",
    { class: `card ${kind}`, "aria-labelledby": id, key: `section-${key}` },
    h("header", {}, h(`h${level}`, { id }, title), h("div", { class: "actions" }, actions)),
    content,
  );
}

/** Facts: pairs of a word and what it is; those that are null are left out. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([word, value]) => h("div", { key: word }, h("dt", {}, word), h("dd", {}, value))),
  );
}
