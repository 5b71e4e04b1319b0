// Names as they are shown: whatever they hold, they look like what they are and stay in their place.

import { h } from "../core/dom.js";
import { visible } from "../core/format.js";
import { address } from "../core/router.js";

const LONGEST = 72;

/** A name. `whole`: however long it is; otherwise it is cut, and whole in the tooltip. `empty`: what stands for "". */
export function name(text, { whole = false, empty = "(no name)" } = {}) {
  if (text === "" || text === null || text === undefined) {
    return h("bdi", { class: "name none" }, empty);
  }
  const shown = visible(text);
  const points = [...shown];
  if (whole || points.length <= LONGEST) {
    return h("bdi", { class: "name" }, shown);
  }
  return h("bdi", { class: "name", title: shown }, `${points.slice(0, LONGEST).join("")}…`);
}

/** A name that leads to its own page. */
export function link(names, text, options) {
  return h("a", { href: address(names) }, name(text, options));
}

export const queueLink = (vhost, queue, options) => link(["queues", vhost, queue], queue, options);
export const exchangeLink = (vhost, exchange, options) =>
  link(["exchanges", vhost, exchange], exchange, { empty: "(default exchange)", ...options });
export const connectionLink = (connection, options) => link(["connections", connection], connection, options);

/** A short word about a state: `kind` is good, warn, bad or plain. */
export function badge(text, kind = "plain", title = null) {
  return h("span", { class: `badge ${kind}`, title }, text);
}
