// The queues that need somebody's attention, why, and what helps.

import { get, post, path, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { count, counted } from "../core/format.js";
import { address } from "../core/router.js";
import { button, section } from "./controls.js";
import { diagnose, DIAGNOSIS_COLUMNS, isPaused } from "./diagnosis.js";
import { badge, name, queueLink } from "./names.js";

// What is stuck holds messages: those with the most are looked at, and it is said when there are more.
const LOOKED_AT = 200;
const SHOWN = 8;
const RANK = { bad: 0, warn: 1 };

/** Look for them. `total`: how many queues there are. */
export async function stuckQueues(page) {
  const answer = await get(
    `queues${query({
      page: 1,
      page_size: LOOKED_AT,
      sort: "messages",
      sort_reverse: true,
      columns: DIAGNOSIS_COLUMNS.join(","),
    })}`,
    page,
  );
  const found = answer.items
    .map((queue) => ({ queue, diagnosis: diagnose(queue) }))
    .filter(({ diagnosis }) => diagnosis !== null)
    .sort((one, other) => RANK[one.diagnosis.level] - RANK[other.diagnosis.level]);
  return { found, total: answer.total_count };
}

/** The part of the page that shows them. */
export function attention({ found, total }, page) {
  const bad = found.filter(({ diagnosis }) => diagnosis.level === "bad").length;
  const looked =
    total > LOOKED_AT ? ` Of ${count(total)} queues the ${LOOKED_AT} with the most messages were looked at.` : "";
  if (found.length === 0) {
    return section(
      "What needs attention",
      { class: "well" },
      h("p", {}, badge("All is well", "good"), ` Messages flow in every queue.${looked}`),
    );
  }
  const more = found.length - SHOWN;
  const many = new Set(found.map(({ queue }) => queue.vhost)).size > 1;
  return section(
    "What needs attention",
    { class: bad > 0 ? "stuck" : "watch" },
    h("p", {}, `${sentence(bad, found.length - bad)}${looked}`),
    h(
      "ul",
      { class: "attention" },
      found
        .slice(0, SHOWN)
        .map(({ queue, diagnosis }) =>
          h(
            "li",
            { key: `${queue.vhost}\n${queue.name}` },
            h(
              "div",
              { class: "what" },
              badge(diagnosis.word, diagnosis.level),
              " ",
              queueLink(queue.vhost, queue.name),
              many ? [" in ", name(queue.vhost)] : null,
            ),
            h("p", {}, diagnosis.why),
            remedy(queue, page),
          ),
        ),
    ),
    more > 0
      ? h(
          "p",
          {},
          h("a", { href: address(["queues"], { sort: "messages", down: 1 }) }, `${count(more)} more among the queues`),
        )
      : null,
  );
}

function sentence(bad, warn) {
  const parts = [];
  if (bad > 0) {
    parts.push(`${counted(bad, "queue is", "queues are")} stuck`);
  }
  if (warn > 0) {
    parts.push(`${counted(warn, "queue", "queues")} to keep an eye on`);
  }
  return `${parts.join(", ")}.`;
}

function remedy(queue, page) {
  const to = address(["queues", queue.vhost, queue.name]);
  return h(
    "div",
    { class: "buttons" },
    isPaused(queue) || queue.fault
      ? button("Resume", () => resume(queue, page), { kind: "primary", label: `Resume ${queue.name}` })
      : null,
    h("a", { class: "button", href: to }, "Look into it"),
  );
}

/** Let a paused queue go on. */
export function resume(queue, page) {
  return page.act(
    () => post(`baton/queues/${path(queue.vhost, queue.name)}/resume`),
    "The queue hands out messages again.",
  );
}
