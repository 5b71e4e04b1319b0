// One queue, in four parts: how it does, its messages, what is delayed, and its settings.

import { get, path, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { address } from "../core/router.js";
import { OBJECT_RANGES, rangeOf, samplesQuery } from "../parts/plot.js";
import { name } from "../parts/names.js";
import { delayedPart, loadDelayed } from "./queue/delayed.js";
import { loadMessages, messagesPart } from "./queue/messages.js";
import { loadSettings, settingsPart } from "./queue/settings.js";
import { loadState, statePart } from "./queue/state.js";

const PARTS = {
  state: { text: "State", load: loadState, view: statePart },
  messages: { text: "Messages", load: loadMessages, view: messagesPart },
  delayed: { text: "Delayed", load: loadDelayed, view: delayedPart },
  settings: { text: "Settings", load: loadSettings, view: settingsPart },
};

const partOf = (page) => (Object.hasOwn(PARTS, page.state.part ?? "") ? page.state.part : "state");

async function load(page) {
  const [, vhost, queueName] = page.names;
  const part = partOf(page);
  const range = rangeOf(OBJECT_RANGES, page);
  const [queue, more] = await Promise.all([
    get(`queues/${path(vhost, queueName)}${query(samplesQuery(range))}`, page),
    PARTS[part].load(page, vhost, queueName),
  ]);
  return { queue, more, part, range };
}

function view({ queue, more, part, range }, page) {
  return [
    h(
      "nav",
      { class: "parts", "aria-label": "Parts of the queue", key: "parts" },
      Object.entries(PARTS).map(([key, { text }]) =>
        h(
          "a",
          {
            href: address(page.names, key === "state" ? {} : { part: key }),
            "aria-current": key === part ? "page" : null,
          },
          text,
        ),
      ),
    ),
    h("div", { class: "part", key: `part-${part}` }, PARTS[part].view({ queue, more, range }, page)),
  ];
}

export const queue = {
  title: ([, vhost, queueName]) => [
    h("span", { class: "kind" }, "Queue "),
    name(queueName, { whole: true }),
    h("span", { class: "in" }, " in ", name(vhost, { whole: true })),
  ],
  load,
  view,
};
