// The body of a message, as text, JSON or hex. It is never anything but text on the page.

import { h } from "../core/dom.js";
import { bytes, visible } from "../core/format.js";
import { chooser } from "./controls.js";

// More than this of a body is cut: a browser gets slow by a text of megabytes.
const MOST_TEXT = 100_000;
const MOST_HEX = 16_384;
const LINE = 16;

/** The octets of a message as the API gives it: `body`, or `body_base64`, or RabbitMQ's `payload`. */
export function octetsOf(message) {
  if (message.payload !== undefined) {
    return message.payload_encoding === "base64"
      ? fromBase64(message.payload)
      : new TextEncoder().encode(message.payload);
  }
  return message.body === undefined ? fromBase64(message.body_base64 ?? "") : new TextEncoder().encode(message.body);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The ways in which these octets can be shown, the best first. */
export function formsOf(octets) {
  const text = asText(octets);
  if (text === null) {
    return ["hex"];
  }
  return asJson(text) === null ? ["text", "hex"] : ["json", "text", "hex"];
}

function asText(octets) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return null;
  }
}

function asJson(text) {
  if (!/^\s*[[{]/.test(text) || text.length > MOST_TEXT) {
    return null;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

const FORM_NAMES = { json: "JSON", text: "Text", hex: "Hex" };

/** A body with the choice of its form. `form`: what was chosen, if anything; `choose(form)`. */
export function bodyOf(octets, form, choose) {
  const forms = formsOf(octets);
  const shown = forms.includes(form) ? form : forms[0];
  const { text, cut } = SHOWN[shown](octets);
  return h(
    "div",
    { class: "body" },
    h(
      "div",
      { class: "body-head" },
      h("span", {}, bytes(octets.length)),
      chooser(
        "How the body is shown",
        forms.map((one) => [one, FORM_NAMES[one]]),
        shown,
        choose,
      ),
    ),
    octets.length === 0
      ? h("p", { class: "empty" }, "The body is empty.")
      : h("pre", { tabindex: "0", "aria-label": `Body as ${FORM_NAMES[shown]}`, dir: "ltr" }, text),
    cut ? h("p", { class: "hint" }, "It is longer than what is shown here.") : null,
  );
}

// Line ends and tabulators do in a text what they should; whatever else cannot be seen stands as its code.
const lines = (text) =>
  text
    .split(/(\r?\n|\t)/)
    .map((part, index) => (index % 2 ? part : visible(part)))
    .join("");

const SHOWN = {
  json: (octets) => ({ text: lines(asJson(asText(octets))), cut: false }),
  text: (octets) => {
    const text = asText(octets);
    return { text: lines(text.slice(0, MOST_TEXT)), cut: text.length > MOST_TEXT };
  },
  hex: (octets) => ({ text: hex(octets.subarray(0, MOST_HEX)), cut: octets.length > MOST_HEX }),
};

function hex(octets) {
  const rows = [];
  for (let at = 0; at < octets.length; at += LINE) {
    const row = [...octets.subarray(at, at + LINE)];
    const digits = row.map((octet) => octet.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((octet) => (octet >= 32 && octet < 127 ? String.fromCharCode(octet) : ".")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${digits.padEnd(LINE * 3 - 1)}  ${text}`);
  }
  return rows.join("\n");
}
