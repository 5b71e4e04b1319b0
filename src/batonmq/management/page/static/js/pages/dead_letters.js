// Dead letters: which queues hold some, why they died, and where.

import { get, query } from "../core/api.js";
import { h } from "../core/dom.js";
import { count, counted } from "../core/format.js";
import { address } from "../core/router.js";
import { button, section } from "../parts/controls.js";
import { name, queueLink } from "../parts/names.js";
import { table } from "../parts/table.js";
import { vhostChoice, vhostNames } from "../parts/vhosts.js";
import { replay } from "./queue/messages.js";

// AMQP's words for the reasons, and what they mean.
const REASONS = {
  rejected: "A consumer rejected them.",
  expired: "Their time to live was over.",
  maxlen: "The queue was full.",
  delivery_limit: "They came back from consumers too often.",
};

async function load(page) {
  const [answer, vhosts] = await Promise.all([
    get(`baton/dead-letters${query({ vhost: page.state.vhost })}`, page),
    vhostNames(page),
  ]);
  return { found: answer.queues ?? [], vhosts };
}

function view({ found, vhosts }, page) {
  const choice = vhostChoice(page, vhosts);
  return [
    choice ? h("div", { class: "toolbar" }, choice) : null,
    found.length === 0
      ? h("p", { class: "empty" }, "No queue holds dead letters.")
      : found.map((queue) => queueCard(queue, vhosts, page)),
  ];
}

function queueCard(queue, vhosts, page) {
  const rows = queue.reasons ?? [];
  return section(
    "Dead letters",
    {
      key: `dead-${queue.vhost}\n${queue.name}`,
      actions: [
        button("Replay", () => replay(page, queue), {
          kind: "primary",
          label: `Replay the dead letters in ${queue.name}`,
        }),
        h(
          "a",
          { class: "button", href: address(["queues", queue.vhost, queue.name], { part: "messages" }) },
          "Look into it",
        ),
      ],
    },
    h(
      "p",
      {},
      counted(queue.count, "dead letter"),
      " in ",
      queueLink(queue.vhost, queue.name),
      vhosts.length > 1 ? [" in ", name(queue.vhost)] : null,
      ".",
    ),
    queue.sampled
      ? h("p", { class: "hint" }, "Only the first messages were looked at: the numbers are of these.")
      : null,
    table({
      caption: "Why, and where they died",
      rows,
      key: (row) => `${row.reason}\n${row.queue}`,
      columns: [
        {
          title: "Reason",
          cell: (row) => [h("b", {}, name(row.reason)), h("span", { class: "why" }, REASONS[row.reason] ?? "")],
        },
        { title: "Died in", cell: (row) => queueLink(queue.vhost, row.queue) },
        { title: "Messages", number: true, cell: (row) => count(row.count) },
        {
          title: "",
          cell: (row) =>
            rows.length > 1
              ? button("Replay these", () => replay(page, queue, row), {
                  label: `Replay what died in ${row.queue} (${row.reason})`,
                })
              : null,
        },
      ],
    }),
  );
}

export const deadLetters = { title: () => "Dead letters", interval: 15_000, load, view };
